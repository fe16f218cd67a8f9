#pragma once

#include <diffx/schedule/scaled_linear.hpp>

namespace diffx::schedule {

/// The `quad` schedule: the formula of scaled_linear over the range of the DDPM betas.
///
/// Source    Ho, Jain & Abbeel 2020, arXiv:2006.11239 (the published code's option `quad`).
/// Errors    T < 1 or a beta outside (0, 1): throws diffx::error.
inline alpha_bar_table quadratic(int num_train_timesteps = 1000, double beta_start = 1e-4,
                                 double beta_end = 2e-2) {
  return scaled_linear(num_train_timesteps, beta_start, beta_end);
}

}  // namespace diffx::schedule
