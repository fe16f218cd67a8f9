#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::analysis {

/// The area under the ROC curve: the probability that an anomaly scores higher than a normal row,
/// a tie counting one half. 1/2 is what chance gives.
///
/// Source    Mann & Whitney 1947: their U, divided by the number of pairs.
/// Shapes    scores [rows], higher is more anomalous; labels [rows], 0 where the row is normal.
/// Errors    lists of different lengths, a score of NaN, no anomaly or no normal row: throws
///           diffx::error.
inline double auroc(std::span<double const> scores, std::span<std::uint8_t const> labels) {
  constexpr std::string_view where = "diffx::analysis::auroc";
  detail::require(labels.size() == scores.size(), where, "labels.size()",
                  static_cast<long long>(labels.size()),
                  "scores.size() = " + std::to_string(scores.size()));
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::size_t anomalies = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) {
      detail::reject(where, "scores[" + std::to_string(i) + "]", scores[i], "a number");
    }
    anomalies += labels[i] != 0 ? 1 : 0;
  }
  std::size_t const normal = scores.size() - anomalies;
  detail::require(anomalies > 0, where, "number of anomalies", 0, "at least 1");
  detail::require(normal > 0, where, "number of normal rows", 0, "at least 1");
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  double half_wins = 0.0;  // exact: an integer
  std::size_t below = 0;   // normal rows with a smaller score
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i, ties[2] = {0, 0};
    while (end < order.size() && scores[order[end]] == scores[order[i]]) {
      ++ties[labels[order[end++]] != 0 ? 1 : 0];
    }
    half_wins += static_cast<double>(ties[1]) * static_cast<double>(2 * below + ties[0]);
    below += ties[0];
    i = end;
  }
  return half_wins / (2.0 * static_cast<double>(anomalies) * static_cast<double>(normal));
}

}  // namespace diffx::analysis
