#pragma once

// Writes what denoiser::eigen::safetensors reads.

#include <diffx/detail/whole_file.hpp>
#include <diffx/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace example {

/// A file of float tensors with texts beside them, written as a whole or not at all.
class weights_file {
 public:
  void text(std::string key, std::string value) {
    texts_.emplace_back(std::move(key), std::move(value));
  }
  void tensor(std::string const& name, std::vector<std::int64_t> const& shape,
              std::span<float const> values) {
    std::size_t const begin = data_.size();
    data_.resize(begin + values.size_bytes());
    static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");
    if (!values.empty()) std::memcpy(data_.data() + begin, values.data(), values.size_bytes());
    std::string entry = quoted(name) + ":{\"dtype\":\"F32\",\"shape\":[";
    for (std::size_t i = 0; i < shape.size(); ++i) {
      entry += (i == 0 ? "" : ",") + std::to_string(shape[i]);
    }
    entries_ += "," + entry + "],\"data_offsets\":[" + std::to_string(begin) + "," +
                std::to_string(data_.size()) + "]}";
  }

  void save(std::string const& path) const {
    std::string header = "{\"__metadata__\":{";
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      header += (i == 0 ? "" : ",") + quoted(texts_[i].first) + ":" + quoted(texts_[i].second);
    }
    header += "}" + entries_ + "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 0xFF));
    diffx::detail::write_whole_file("diffx_table", path, bytes + header + data_);
  }

 private:
  static std::string quoted(std::string_view s) {
    std::string out = "\"";
    for (char const c : s) {
      if (c == '"' || c == '\\') {
        out += {'\\', c};
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char code[8];
        std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
        out += code;
      } else {
        out.push_back(c);
      }
    }
    return out + "\"";
  }

  std::vector<std::pair<std::string, std::string>> texts_;
  std::string entries_, data_;
};

}  // namespace example
