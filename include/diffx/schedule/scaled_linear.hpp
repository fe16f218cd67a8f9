#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <vector>

namespace diffx::schedule {

/// Square roots of the noise variances in arithmetic progression.
///
///     sqrt(beta_i) = sqrt(beta_start) + (sqrt(beta_end) - sqrt(beta_start)) i / (T - 1)
///
/// Source    Rombach et al. 2022, arXiv:2112.10752: 0.00085 to 0.012 over 1000 steps.
/// Errors    T < 1 or a beta outside (0, 1): throws diffx::error.
inline alpha_bar_table scaled_linear(int num_train_timesteps = 1000, double beta_start = 0.00085,
                                     double beta_end = 0.012) {
  detail::require_length("diffx::schedule::scaled_linear", num_train_timesteps);
  std::vector<double> betas;
  for (int i = 0; i < num_train_timesteps; ++i) {
    double const root =
        detail::spread(std::sqrt(beta_start), std::sqrt(beta_end), i, num_train_timesteps);
    betas.push_back(root * root);
  }
  return alpha_bar_table::from_betas(betas);
}

}  // namespace diffx::schedule
