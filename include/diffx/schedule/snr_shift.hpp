#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <vector>

namespace diffx::schedule {

/// Divides the SNR of every entry by `scale`: more noise for larger pictures.
///
///     alpha_bar <- alpha_bar / (scale + (1 - scale) alpha_bar),    lambda <- lambda - log(scale)/2
///
/// Source    Hoogeboom, Heek & Salimans 2023, arXiv:2301.11093, Section 3.1.
/// Errors    scale not positive and finite: throws diffx::error.
inline alpha_bar_table snr_shift(alpha_bar_table const& table, double scale) {
  detail::require(scale > 0.0 && std::isfinite(scale), "diffx::schedule::snr_shift", "scale", scale,
                  "positive and finite");
  std::vector<double> logs;
  for (int i = 0; i < table.size(); ++i) {
    double const l = table.log_alpha_bar(i);
    logs.push_back(l - std::log1p(-(scale - 1.0) * std::expm1(l)));
  }
  return alpha_bar_table(std::move(logs));
}

}  // namespace diffx::schedule
