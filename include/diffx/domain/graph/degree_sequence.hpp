#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::domain::graph {

/// Whether a simple graph has these degrees.
///
/// Source    Erdos & Gallai 1960.
inline bool is_graphical(std::span<std::int64_t const> degrees) {
  auto const n = static_cast<std::int64_t>(degrees.size());
  std::vector<std::int64_t> d(degrees.begin(), degrees.end());
  std::sort(d.begin(), d.end(), std::greater<>{});
  if (n == 0) return true;
  if (d.front() >= n || d.back() < 0) return false;
  std::int64_t sum = 0;
  for (auto const v : d) sum += v;
  if (sum % 2 != 0) return false;
  // sum of the k largest <= k (k - 1) + sum over the others of min(d, k), for every k.
  std::vector<std::int64_t> suffix(d.size() + 1, 0);
  for (std::size_t i = d.size(); i-- > 0;) suffix[i] = suffix[i + 1] + d[i];
  std::int64_t largest = 0;
  std::int64_t above = n;  // of the sorted degrees, those before this place are at least k
  for (std::int64_t k = 1; k <= n; ++k) {
    largest += d[static_cast<std::size_t>(k - 1)];
    while (above > 0 && d[static_cast<std::size_t>(above - 1)] < k) --above;
    std::int64_t const whole = std::max(above - k, std::int64_t{0});
    std::int64_t const bound =
        k * (k - 1) + whole * k + suffix[static_cast<std::size_t>(std::max(above, k))];
    if (largest > bound) return false;
  }
  return true;
}

/// Refuses degrees that no simple graph has.
inline void require_graphical(std::string_view where, std::span<std::int64_t const> degrees) {
  auto const n = static_cast<std::int64_t>(degrees.size());
  detail::require(n >= 1, where, "degrees.size()", static_cast<long long>(n), "at least 1");
  for (std::size_t i = 0; i < degrees.size(); ++i) {
    detail::require(degrees[i] >= 0 && degrees[i] < n, where, "degrees[" + std::to_string(i) + "]",
                    static_cast<long long>(degrees[i]),
                    "in [0, " + std::to_string(n) + "), the nodes of the graph");
  }
  auto const sum = std::accumulate(degrees.begin(), degrees.end(), std::int64_t{0});
  detail::require(sum % 2 == 0, where, "the sum of the degrees", static_cast<long long>(sum),
                  "even: every edge has two ends");
  if (!is_graphical(degrees)) {
    detail::fail(std::string(where) +
                 ": no simple graph has these degrees (Erdos-Gallai): the largest need more "
                 "neighbours than the others can be");
  }
}

}  // namespace diffx::domain::graph
