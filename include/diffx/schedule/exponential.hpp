#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

namespace diffx::schedule {

/// Constant noise per step: the signal power falls exponentially.
///
///     alpha_bar(u) = exp(-rate u),    beta_i = 1 - exp(-rate / T) for every i
///
/// Source    the option `exp` of a widely used sampler library, with rate = 12.
/// Errors    T < 1 or rate not positive and finite: throws diffx::error.
inline alpha_bar_table exponential(int num_train_timesteps = 1000, double rate = 12.0) {
  detail::require_length("diffx::schedule::exponential", num_train_timesteps);
  detail::require(rate > 0.0 && std::isfinite(rate), "diffx::schedule::exponential", "rate", rate,
                  "positive and finite");
  std::vector<double> logs;
  for (int i = 0; i < num_train_timesteps; ++i) {
    logs.push_back(-rate * (i + 1) / num_train_timesteps);
  }
  return alpha_bar_table(std::move(logs));
}

}  // namespace diffx::schedule
