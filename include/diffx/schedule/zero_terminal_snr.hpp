#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace diffx::schedule {

/// Shifts and scales sqrt(alpha_bar) so that the last entry is 0 and the first is unchanged.
///
///     q_i <- (q_i - q_T) q_0 / (q_0 - q_T),      q = sqrt(alpha_bar)
///
/// computed as a correction of log alpha_bar, so 1 - alpha_bar keeps its digits near the data.
///
/// Source    Lin et al. 2024, arXiv:2305.08891, Algorithm 1.
/// Errors    a table with fewer than two entries: throws diffx::error.
inline alpha_bar_table zero_terminal_snr(alpha_bar_table const& table) {
  int const n = table.size();
  detail::require(n >= 2, "diffx::schedule::zero_terminal_snr", "number of entries", n,
                  "at least 2");
  std::vector<double> logs;
  auto const left = [&](int i) {  // log(1 - q_T / q_i)
    return std::log1p(-std::exp(0.5 * (table.log_alpha_bar(n - 1) - table.log_alpha_bar(i))));
  };
  for (int i = 0; i + 1 < n; ++i) {
    logs.push_back(table.log_alpha_bar(i) + 2.0 * (left(i) - left(0)));
  }
  logs.push_back(-std::numeric_limits<double>::infinity());
  return alpha_bar_table(std::move(logs));
}

/// The same table with the last alpha_bar replaced, for solvers that divide by alpha. Libraries
/// put 2^-24 in place of the zero that zero_terminal_snr leaves.
///
/// Errors    alpha_bar not in (0, the entry before it): throws diffx::error.
inline alpha_bar_table with_terminal_alpha_bar(alpha_bar_table const& table,
                                               double alpha_bar = 0x1p-24) {
  std::vector<double> logs;
  for (int i = 0; i + 1 < table.size(); ++i) logs.push_back(table.log_alpha_bar(i));
  logs.push_back(std::log(alpha_bar));
  return alpha_bar_table(std::move(logs));
}

}  // namespace diffx::schedule
