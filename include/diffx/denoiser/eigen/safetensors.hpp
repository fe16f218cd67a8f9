#pragma once

#include <diffx/detail/whole_file.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

/// The tensors of one safetensors file, as float.
///
///     8 bytes   length n of the header, little-endian
///     n bytes   JSON: {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...,
///               "__metadata__": {"key": "text", ...}}, padded with spaces
///     the rest  the values, little-endian, C order
///
/// The file is untrusted: every length and offset is checked before it is used, the tensors must
/// cover the data exactly, without holes and overlaps, and nothing that the header merely claims
/// is allocated. F16, BF16 and F64 are converted to float once, when the file is read; the values
/// then take at most twice the size of the file.
///
/// Source    the safetensors format, https://github.com/huggingface/safetensors
/// Shapes    as stored; `tensor` compares with the shape that the caller expects.
/// Errors    diffx::error, naming the file, the tensor, the expected and the found.
class safetensors {
 public:
  using shape_type = std::vector<std::int64_t>;

  /// Reads a file.
  explicit safetensors(std::string const& path) : source_(path) {
    std::string const bytes = diffx::detail::read_whole_file(where, path);
    parse(reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size());
  }

  /// Reads a file image that is already in memory; `name` stands in the messages.
  safetensors(std::string name, std::span<std::byte const> bytes) : source_(std::move(name)) {
    parse(reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size());
  }

  std::string const& source() const noexcept { return source_; }
  std::size_t size() const noexcept { return entries_.size(); }

  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

  /// The names in the order of the data.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    all.reserve(entries_.size());
    for (entry const& e : entries_) all.push_back(e.name);
    return all;
  }

  shape_type const& shape(std::string_view name) const { return at(name).shape; }

  /// The values of a tensor of any shape, C order.
  std::span<float const> tensor(std::string_view name) const {
    entry const& e = at(name);
    return {values_.data() + e.first, e.count};
  }

  /// The values of a tensor that must have this shape, C order.
  std::span<float const> tensor(std::string_view name, std::span<std::int64_t const> shape) const {
    entry const& e = at(name);
    if (!std::equal(shape.begin(), shape.end(), e.shape.begin(), e.shape.end())) {
      fail("tensor '" + e.name + "' has shape " + text(e.shape) + ", must be " + text(shape));
    }
    return {values_.data() + e.first, e.count};
  }
  std::span<float const> tensor(std::string_view name,
                                std::initializer_list<std::int64_t> shape) const {
    return tensor(name, std::span<std::int64_t const>(shape.begin(), shape.size()));
  }

  bool has_metadata(std::string_view key) const noexcept { return find_metadata(key) != nullptr; }

  std::string const& metadata(std::string_view key) const {
    std::string const* const value = find_metadata(key);
    if (value == nullptr) fail("no metadata '" + std::string(key) + "'");
    return *value;
  }

  /// A metadatum that is a whole number.
  std::int64_t number(std::string_view key) const {
    std::string const& text = metadata(key);
    std::int64_t value = 0;
    auto const end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) {
      fail("metadata '" + std::string(key) + "' = '" + text + "', must be a number");
    }
    return value;
  }

 private:
  static constexpr std::string_view where = "diffx::denoiser::eigen::safetensors";

  enum class dtype { f16, bf16, f32, f64 };

  struct entry {
    std::string name;
    dtype type = dtype::f32;
    shape_type shape;
    std::uint64_t begin = 0;  // bytes, from the start of the data
    std::uint64_t end = 0;
    std::size_t first = 0;  // place in values_
    std::size_t count = 0;
  };

  [[noreturn]] void fail(std::string const& what) const {
    diffx::detail::fail(std::string(where) + ": '" + source_ + "': " + what);
  }

  static std::string text(std::span<std::int64_t const> shape) {
    std::string s = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) {
      s += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return s + "]";
  }

  entry const* find(std::string_view name) const noexcept {
    auto const it = std::find_if(entries_.begin(), entries_.end(),
                                 [&](entry const& e) { return e.name == name; });
    return it == entries_.end() ? nullptr : &*it;
  }

  entry const& at(std::string_view name) const {
    entry const* const e = find(name);
    if (e == nullptr) fail("no tensor '" + std::string(name) + "'");
    return *e;
  }

  std::string const* find_metadata(std::string_view key) const noexcept {
    for (auto const& [k, v] : metadata_) {
      if (k == key) return &v;
    }
    return nullptr;
  }

  // ------------------------------------------------------------------------------------ header

  /// The part of JSON that a header needs, over bytes that are checked one by one.
  class reader {
   public:
    reader(safetensors const& owner, std::string_view text) : owner_(owner), text_(text) {}

    [[noreturn]] void fail(std::string const& what) const {
      owner_.fail("header, byte " + std::to_string(at_) + ": " + what);
    }

    bool done() {
      skip_space();
      return at_ == text_.size();
    }

    bool accept(char c) {
      skip_space();
      if (at_ == text_.size() || text_[at_] != c) return false;
      ++at_;
      return true;
    }

    void expect(char c) {
      if (!accept(c)) fail(std::string("expected '") + c + "'");
    }

    std::uint64_t integer() {
      skip_space();
      std::size_t const begin = at_;
      std::uint64_t value = 0;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
        auto const digit = static_cast<std::uint64_t>(text_[at_] - '0');
        if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
          fail("the number is too large");
        }
        value = value * 10 + digit;
        ++at_;
      }
      if (at_ == begin) fail("expected a number >= 0");
      if (text_[begin] == '0' && at_ - begin > 1) fail("a number starts with 0");
      return value;
    }

    std::string string() {
      expect('"');
      std::string out;
      for (;;) {
        unsigned const c = next();
        if (c == '"') return out;
        if (c < 0x20) fail("a control character in a string");
        if (c != '\\') {
          out += static_cast<char>(c);
          continue;
        }
        switch (next()) {
          case '"':
            out += '"';
            break;
          case '\\':
            out += '\\';
            break;
          case '/':
            out += '/';
            break;
          case 'b':
            out += '\b';
            break;
          case 'f':
            out += '\f';
            break;
          case 'n':
            out += '\n';
            break;
          case 'r':
            out += '\r';
            break;
          case 't':
            out += '\t';
            break;
          case 'u':
            append_code_point(out);
            break;
          default:
            fail("an unknown escape in a string");
        }
      }
    }

   private:
    void skip_space() {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                                    text_[at_] == '\r')) {
        ++at_;
      }
    }

    unsigned next() {
      if (at_ == text_.size()) fail("ends inside a string");
      return static_cast<unsigned char>(text_[at_++]);
    }

    unsigned hex4() {
      unsigned value = 0;
      for (int i = 0; i < 4; ++i) {
        unsigned const c = next();
        unsigned digit = 0;
        if (c >= '0' && c <= '9') {
          digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
          digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
          digit = c - 'A' + 10;
        } else {
          fail("a bad \\u escape");
        }
        value = value * 16 + digit;
      }
      return value;
    }

    void append_code_point(std::string& out) {
      unsigned code = hex4();
      if (code >= 0xDC00 && code < 0xE000) fail("a lone surrogate");
      if (code >= 0xD800 && code < 0xDC00) {
        if (next() != '\\' || next() != 'u') fail("a lone surrogate");
        unsigned const low = hex4();
        if (low < 0xDC00 || low >= 0xE000) fail("a lone surrogate");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      }
      auto const put = [&](unsigned byte) { out += static_cast<char>(byte); };
      if (code < 0x80) {
        put(code);
      } else if (code < 0x800) {
        put(0xC0 | (code >> 6));
        put(0x80 | (code & 0x3F));
      } else if (code < 0x10000) {
        put(0xE0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
      } else {
        put(0xF0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3F));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
      }
    }

    safetensors const& owner_;
    std::string_view text_;
    std::size_t at_ = 0;
  };

  static std::uint64_t load_little_endian(unsigned char const* p, int bytes) noexcept {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(p[i]) << (8 * i);
    return value;
  }

  static std::uint64_t bytes_per_value(dtype type) noexcept {
    return type == dtype::f64 ? 8u : type == dtype::f32 ? 4u : 2u;
  }

  void parse(unsigned char const* bytes, std::size_t size) {
    if (size < 8) fail("has " + std::to_string(size) + " bytes, must have at least 8");
    std::uint64_t const header = load_little_endian(bytes, 8);
    if (header > size - 8) {
      fail("announces a header of " + std::to_string(header) + " bytes, has " +
           std::to_string(size - 8) + " after the length");
    }
    auto const header_size = static_cast<std::size_t>(header);
    std::string_view const text(reinterpret_cast<char const*>(bytes) + 8, header_size);
    if (text.empty() || text.front() != '{') fail("the header must start with '{'");
    parse_header(text);
    unsigned char const* const data = bytes + 8 + header_size;
    check_layout(size - 8 - header_size);
    convert(data);
  }

  void parse_header(std::string_view text) {
    reader in(*this, text);
    bool metadata_seen = false;
    in.expect('{');
    if (!in.accept('}')) {
      do {
        std::string name = in.string();
        in.expect(':');
        if (name == "__metadata__") {
          if (std::exchange(metadata_seen, true)) in.fail("two '__metadata__'");
          parse_metadata(in);
        } else {
          parse_entry(in, std::move(name));
        }
      } while (in.accept(','));
      in.expect('}');
    }
    if (!in.done()) in.fail("text after the end of the header");
  }

  void parse_metadata(reader& in) {
    in.expect('{');
    if (in.accept('}')) return;
    do {
      std::string key = in.string();
      in.expect(':');
      if (has_metadata(key)) in.fail("two metadata '" + key + "'");
      metadata_.emplace_back(std::move(key), in.string());
    } while (in.accept(','));
    in.expect('}');
  }

  void parse_entry(reader& in, std::string name) {
    entry e;
    e.name = std::move(name);
    bool has_type = false, has_shape = false, has_offsets = false;
    in.expect('{');
    do {
      std::string const key = in.string();
      in.expect(':');
      if (key == "dtype" && !has_type) {
        e.type = parse_dtype(in, e.name);
        has_type = true;
      } else if (key == "shape" && !has_shape) {
        parse_shape(in, e);
        has_shape = true;
      } else if (key == "data_offsets" && !has_offsets) {
        in.expect('[');
        e.begin = in.integer();
        in.expect(',');
        e.end = in.integer();
        in.expect(']');
        has_offsets = true;
      } else {
        in.fail("tensor '" + e.name + "': unexpected or repeated '" + key + "'");
      }
    } while (in.accept(','));
    in.expect('}');
    if (!has_type || !has_shape || !has_offsets) {
      in.fail("tensor '" + e.name + "' lacks dtype, shape or data_offsets");
    }
    entries_.push_back(std::move(e));
  }

  static dtype parse_dtype(reader& in, std::string const& name) {
    std::string const type = in.string();
    if (type == "F32") return dtype::f32;
    if (type == "F16") return dtype::f16;
    if (type == "BF16") return dtype::bf16;
    if (type == "F64") return dtype::f64;
    in.fail("tensor '" + name + "': dtype '" + type + "', must be F32, F16, BF16 or F64");
  }

  static void parse_shape(reader& in, entry& e) {
    in.expect('[');
    if (in.accept(']')) return;
    do {
      std::uint64_t const extent = in.integer();
      if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        in.fail("tensor '" + e.name + "': an extent is too large");
      }
      e.shape.push_back(static_cast<std::int64_t>(extent));
    } while (in.accept(','));
    in.expect(']');
  }

  /// Every tensor's bytes follow from its shape, and together they are the data, each byte once.
  void check_layout(std::uint64_t data_size) {
    for (entry& e : entries_) {
      std::string const who = "tensor '" + e.name + "'";
      if (e.begin > e.end || e.end > data_size) {
        fail(who + " has data_offsets [" + std::to_string(e.begin) + ", " + std::to_string(e.end) +
             "], must lie within [0, " + std::to_string(data_size) + "]");
      }
      std::uint64_t const found = e.end - e.begin;
      bool const is_empty = std::find(e.shape.begin(), e.shape.end(), 0) != e.shape.end();
      std::uint64_t needed = is_empty ? 0 : bytes_per_value(e.type);
      for (std::int64_t const extent : e.shape) {
        if (needed == 0) break;
        auto const n = static_cast<std::uint64_t>(extent);
        if (needed > found / n)
          fail(who + " of shape " + text(e.shape) + " has only " + std::to_string(found) +
               " bytes");
        needed *= n;
      }
      if (needed != found) {
        fail(who + " of shape " + text(e.shape) + " has " + std::to_string(found) +
             " bytes, must have " + std::to_string(needed));
      }
      e.count = static_cast<std::size_t>(found / bytes_per_value(e.type));
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](entry const& a, entry const& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    std::uint64_t covered = 0;
    for (entry const& e : entries_) {
      if (e.begin != covered) {
        fail("tensor '" + e.name + "' begins at byte " + std::to_string(e.begin) +
             " of the data, must begin at " + std::to_string(covered));
      }
      covered = e.end;
    }
    if (covered != data_size) {
      fail("has " + std::to_string(data_size) + " bytes of data, the tensors cover " +
           std::to_string(covered));
    }
    std::vector<std::string_view> sorted;
    sorted.reserve(entries_.size());
    for (entry const& e : entries_) sorted.push_back(e.name);
    std::sort(sorted.begin(), sorted.end());
    auto const twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) fail("two tensors '" + std::string(*twice) + "'");
  }

  // ------------------------------------------------------------------------------------ values

  static float bits_to_float(std::uint32_t bits) noexcept {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  static float half_to_float(std::uint32_t h) noexcept {
    std::uint32_t const sign = (h & 0x8000u) << 16;
    std::uint32_t const exponent = (h >> 10) & 0x1Fu;
    std::uint32_t const mantissa = h & 0x3FFu;
    if (exponent == 31) return bits_to_float(sign | 0x7F800000u | (mantissa << 13));
    if (exponent != 0) return bits_to_float(sign | ((exponent + 112) << 23) | (mantissa << 13));
    float const magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal or zero
    return sign != 0 ? -magnitude : magnitude;
  }

  void convert(unsigned char const* data) {
    std::size_t total = 0;
    for (entry& e : entries_) {
      e.first = total;
      total += e.count;
    }
    values_.resize(total);
    for (entry const& e : entries_) {
      unsigned char const* from = data + e.begin;
      float* const to = values_.data() + e.first;
      for (std::size_t i = 0; i < e.count; ++i) {
        switch (e.type) {
          case dtype::f32:
            to[i] = bits_to_float(static_cast<std::uint32_t>(load_little_endian(from + 4 * i, 4)));
            break;
          case dtype::f16:
            to[i] = half_to_float(static_cast<std::uint32_t>(load_little_endian(from + 2 * i, 2)));
            break;
          case dtype::bf16:
            to[i] = bits_to_float(static_cast<std::uint32_t>(load_little_endian(from + 2 * i, 2))
                                  << 16);
            break;
          case dtype::f64: {
            std::uint64_t const bits = load_little_endian(from + 8 * i, 8);
            double value;
            std::memcpy(&value, &bits, sizeof value);
            to[i] = static_cast<float>(value);
            break;
          }
        }
      }
    }
  }

  std::string source_;
  std::vector<entry> entries_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<float> values_;
};

}  // namespace diffx::denoiser::eigen
