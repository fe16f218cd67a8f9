#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace diffx::domain::text {

/// Rows of tokens of different lengths, one after another: row i is tokens[offsets[i]] up to
/// offsets[i + 1]. Rows may be empty. Host memory.
struct ragged {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> tokens;

  std::size_t size() const noexcept { return offsets.size() - 1; }
  std::span<std::int32_t const> row(std::size_t i) const noexcept {
    auto const first = static_cast<std::size_t>(offsets[i]);
    return std::span(tokens).subspan(first, static_cast<std::size_t>(offsets[i + 1]) - first);
  }
  void add(std::span<std::int32_t const> row) {
    tokens.insert(tokens.end(), row.begin(), row.end());
    offsets.push_back(static_cast<std::int64_t>(tokens.size()));
  }

  friend bool operator==(ragged const&, ragged const&) = default;
};

}  // namespace diffx::domain::text
