#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>
#include <vector>

namespace diffx::schedule {

/// The Gaussian chain of the first diffusion model: every step erases the same share of what
/// signal power is left, with a small floor and an extra first step.
///
///     base_i = 1 / linspace(T, 2, T)_i      beta_i = floor_i + base_i (1 - floor_i - 1e-5)
///     floor_i = min_beta (+ step1_beta at i = 0)
///
/// Source    Sohl-Dickstein et al. 2015, arXiv:1503.03585 (the published code's schedule).
/// Errors    T < 2, or min_beta or step1_beta outside [0, 0.5): throws diffx::error.
inline alpha_bar_table jascha(int num_train_timesteps = 1000, double step1_beta = 1e-3,
                              double min_beta = 1e-6) {
  detail::require(num_train_timesteps >= 2, "diffx::schedule::jascha", "num_train_timesteps",
                  num_train_timesteps, "at least 2");
  detail::require(step1_beta >= 0.0 && step1_beta < 0.5, "diffx::schedule::jascha", "step1_beta",
                  step1_beta, "in [0, 0.5)");
  detail::require(min_beta >= 0.0 && min_beta < 0.5, "diffx::schedule::jascha", "min_beta",
                  min_beta, "in [0, 0.5)");
  std::vector<double> betas;
  for (int i = 0; i < num_train_timesteps; ++i) {
    double const base = 1.0 / detail::spread(num_train_timesteps, 2.0, i, num_train_timesteps);
    double const floor = min_beta + (i == 0 ? step1_beta : 0.0);
    betas.push_back(floor + base * (1.0 - floor - 1e-5));
  }
  return alpha_bar_table::from_betas(betas);
}

}  // namespace diffx::schedule
