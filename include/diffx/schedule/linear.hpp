#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <vector>

namespace diffx::schedule {

/// The DDPM schedule: noise variances in arithmetic progression.
///
///     beta_i = beta_start + (beta_end - beta_start) i / (T - 1)
///
/// Source    Ho, Jain & Abbeel 2020, arXiv:2006.11239, Section 4: 1e-4 to 0.02 over 1000 steps.
/// Errors    T < 1 or a beta outside (0, 1): throws diffx::error.
inline alpha_bar_table linear(int num_train_timesteps = 1000, double beta_start = 1e-4,
                              double beta_end = 2e-2) {
  detail::require_length("diffx::schedule::linear", num_train_timesteps);
  std::vector<double> betas;
  for (int i = 0; i < num_train_timesteps; ++i) {
    betas.push_back(detail::spread(beta_start, beta_end, i, num_train_timesteps));
  }
  return alpha_bar_table::from_betas(betas);
}

}  // namespace diffx::schedule
