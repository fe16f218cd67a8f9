#pragma once

#include <diffx/config.hpp>

#include <cmath>
#include <cstdint>

namespace diffx::domain::graph {

/// Unordered pairs of n nodes.
constexpr std::int64_t pair_count(std::int64_t n) noexcept { return n * (n - 1) / 2; }

/// The place of the pair {i, j}, i != j, among all pairs: those of the first n nodes come first,
/// whatever the number of nodes, so that a graph looks the same however much it is padded.
DIFFX_HD constexpr std::int64_t pair_index(std::int64_t i, std::int64_t j) noexcept {
  return i < j ? j * (j - 1) / 2 + i : i * (i - 1) / 2 + j;
}

struct node_pair {
  std::int64_t low, high;
};

/// The pair at a place.
DIFFX_HD inline node_pair pair_at(std::int64_t index) noexcept {
  auto high =
      static_cast<std::int64_t>((1.0 + std::sqrt(1.0 + 8.0 * static_cast<double>(index))) / 2.0);
  while (high * (high - 1) / 2 > index) --high;
  while (high * (high + 1) / 2 <= index) ++high;
  return {index - high * (high - 1) / 2, high};
}

}  // namespace diffx::domain::graph
