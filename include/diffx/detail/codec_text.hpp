#pragma once

#include <diffx/detail/checkpoint.hpp>
#include <diffx/error.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace diffx::detail {

/// 16 hexadecimal digits.
inline std::string checksum(std::string_view text) {
  hash64 h;
  h.add(text);
  std::string digits(16, '0');
  std::uint64_t rest = h.value();
  for (std::size_t i = 16; i-- > 0; rest >>= 4) digits[i] = "0123456789abcdef"[rest & 15];
  return digits;
}

/// A fitted codec as text: items that end with a space or a newline, strings with their length,
/// numbers with as many digits as give the same double again, and a checksum of all before it.
///
///     diffx table_codec 1
///     3 5:hello 0.1 ...
///     checksum 0123456789abcdef
class codec_text_writer {
 public:
  explicit codec_text_writer(std::string_view kind) {
    text_ = "diffx " + std::string(kind) + " 1\n";
  }

  void put(std::int64_t v) { text_ += std::to_string(v) + " "; }
  void put(double v) {
    char buffer[32];
    auto const end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
    text_.append(buffer, end).push_back(' ');
  }
  void put(std::string_view s) {
    text_ += std::to_string(s.size()) + ":";
    text_.append(s).push_back(' ');
  }
  template <class List>
  void put_list(List const& values) {
    put(static_cast<std::int64_t>(values.size()));
    for (auto const& v : values) put(v);
  }
  void end_line() { text_.back() = '\n'; }

  std::string finish() { return text_ + "checksum " + checksum(text_) + "\n"; }

 private:
  std::string text_;
};

/// Reads it again. The text is not trusted: the checksum is compared first, and nothing is
/// allocated for a length that is only claimed.
class codec_text_reader {
 public:
  static constexpr std::size_t tail = 9 + 16 + 1;  // "checksum ", digits, newline

  codec_text_reader(std::string_view where, std::string_view kind, std::string_view text)
      : where_(where) {
    std::string const start = "diffx " + std::string(kind) + " ";
    if (text.substr(0, start.size()) != start) {
      broken("this is no file of a " + std::string(kind));
    }
    if (text.substr(start.size(), 2) != "1\n") broken("it was written by another version");
    if (text.size() < start.size() + 2 + tail ||
        text.substr(text.size() - tail, 9) != "checksum " || text.back() != '\n') {
      broken("it is cut off: its last line is no checksum");
    }
    rest_ = text.substr(0, text.size() - tail);
    if (text.substr(text.size() - tail + 9, 16) != checksum(rest_)) {
      broken("its checksum differs: it was altered or damaged");
    }
    rest_.remove_prefix(start.size() + 2);
  }

  std::int64_t integer(std::int64_t low, std::int64_t high) {
    std::int64_t v = 0;
    number(v);
    end_item();
    if (v < low || v > high) {
      broken(text(static_cast<long long>(v)) + " stands where a number from " +
             text(static_cast<long long>(low)) + " to " + text(static_cast<long long>(high)) +
             " must be");
    }
    return v;
  }
  double real() {
    double v = 0.0;
    number(v);
    end_item();
    if (!std::isfinite(v)) broken("a number is not finite");
    return v;
  }
  std::string string() {
    std::uint64_t size = 0;
    number(size);
    if (rest_.empty() || rest_[0] != ':' || size >= rest_.size()) broken("a string is cut off");
    std::string s(rest_.substr(1, static_cast<std::size_t>(size)));
    rest_.remove_prefix(1 + s.size());
    end_item();
    return s;
  }
  std::vector<double> reals() {
    std::vector<double> out(length());
    for (double& v : out) v = real();
    return out;
  }
  std::vector<std::string> strings() {
    std::vector<std::string> out(length());
    for (std::string& s : out) s = string();
    return out;
  }
  /// The length of a list, whose every item takes at least two bytes.
  std::size_t length() {
    return static_cast<std::size_t>(integer(0, static_cast<std::int64_t>(rest_.size() / 2)));
  }
  void finish() const {
    if (!rest_.empty()) broken("there is more in it than its columns");
  }

  [[noreturn]] void broken(std::string const& what) const {
    fail(std::string(where_) + ": " + what);
  }

 private:
  template <class V>
  void number(V& v) {
    auto const r = std::from_chars(rest_.data(), rest_.data() + rest_.size(), v);
    if (r.ec != std::errc()) broken("something else stands where a number must be");
    rest_.remove_prefix(static_cast<std::size_t>(r.ptr - rest_.data()));
  }
  void end_item() {
    if (rest_.empty() || (rest_[0] != ' ' && rest_[0] != '\n')) broken("an item does not end");
    rest_.remove_prefix(1);
  }

  std::string_view where_, rest_;
};

}  // namespace diffx::detail
