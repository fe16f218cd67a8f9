#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <vector>

namespace diffx::schedule {

/// Noise variances along a logistic curve.
///
///     beta_i = beta_start + (beta_end - beta_start) / (1 + exp(-z_i)),    z_i from -6 to 6
///
/// Source    Xu et al. 2022, GeoDiff, arXiv:2203.02923 (the published code's option `sigmoid`).
/// Errors    T < 1 or a beta outside (0, 1): throws diffx::error.
inline alpha_bar_table sigmoid(int num_train_timesteps = 1000, double beta_start = 1e-4,
                               double beta_end = 2e-2) {
  detail::require_length("diffx::schedule::sigmoid", num_train_timesteps);
  std::vector<double> betas;
  for (int i = 0; i < num_train_timesteps; ++i) {
    double const z = detail::spread(-6.0, 6.0, i, num_train_timesteps);
    betas.push_back(beta_start + (beta_end - beta_start) / (1.0 + std::exp(-z)));
  }
  return alpha_bar_table::from_betas(betas);
}

}  // namespace diffx::schedule
