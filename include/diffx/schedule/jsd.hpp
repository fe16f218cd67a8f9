#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <vector>

namespace diffx::schedule {

/// The schedule whose signal power falls linearly to exactly 0.
///
///     beta_i = 1 / (T - i),      alpha_bar_i = 1 - (i + 1) / T
///
/// The last entry has zero signal, so only a process with zero terminal SNR accepts the table.
///
/// Source    Sohl-Dickstein et al. 2015, arXiv:1503.03585, Section 2.4.1.
/// Errors    T < 2 (one entry would hold no signal at all): throws diffx::error.
inline alpha_bar_table jsd(int num_train_timesteps = 1000) {
  detail::require(num_train_timesteps >= 2, "diffx::schedule::jsd", "num_train_timesteps",
                  num_train_timesteps, "at least 2");
  std::vector<double> betas;
  for (int i = 0; i < num_train_timesteps; ++i) betas.push_back(1.0 / (num_train_timesteps - i));
  return alpha_bar_table::from_betas(betas);
}

}  // namespace diffx::schedule
