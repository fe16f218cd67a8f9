#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <numbers>

namespace diffx::schedule {

/// The cosine schedule, also known as squaredcos_cap_v2.
///
///     f(u) = cos^2((u + s) / (1 + s) pi / 2)      beta_i = min(1 - f((i+1)/T) / f(i/T), max_beta)
///
/// The cap keeps the last step from erasing all signal: f(1) = 0.
///
/// Source    Nichol & Dhariwal 2021, arXiv:2102.09672, Equation 17, with s = 0.008.
/// Errors    T < 1, s < 0 or max_beta outside (0, 1): throws diffx::error.
inline alpha_bar_table cosine(int num_train_timesteps = 1000, double max_beta = 0.999,
                              double s = 0.008) {
  detail::require_length("diffx::schedule::cosine", num_train_timesteps);
  detail::require(max_beta > 0.0 && max_beta < 1.0, "diffx::schedule::cosine", "max_beta", max_beta,
                  "in (0, 1)");
  detail::require(s >= 0.0 && std::isfinite(s), "diffx::schedule::cosine", "s", s,
                  "at least 0 and finite");
  auto const log_f = [s](double u) {
    return 2.0 * std::log(std::cos((u + s) / (1.0 + s) * 0.5 * std::numbers::pi));
  };
  return detail::from_log_alpha_bar_function(num_train_timesteps, log_f, max_beta);
}

}  // namespace diffx::schedule
