#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>

#include <cmath>

namespace diffx::schedule {

enum class laplace_form {
  exact,        // alpha_bar = snr / (1 + snr)
  as_published  // its square root, as one library computes it: the schedule holds more signal
};

/// Log SNR with a Laplace distribution over uniform time: most levels near SNR 1.
///
///     log_snr(u) = -scale sign(1/2 - u) log(1 - 2 |1/2 - u| + 1e-6)
///     alpha_bar(u) = snr / (1 + snr),     beta_i = min(1 - f((i+1)/T) / f(i/T), 0.999)
///
/// Source    Hang et al. 2024, arXiv:2407.03297; the offset 1e-6 keeps both ends finite.
/// Errors    T < 1 or scale not positive and finite: throws diffx::error.
inline alpha_bar_table laplace(int num_train_timesteps = 1000,
                               laplace_form form = laplace_form::exact, double scale = 0.5) {
  detail::require_length("diffx::schedule::laplace", num_train_timesteps);
  detail::require(scale > 0.0 && std::isfinite(scale), "diffx::schedule::laplace", "scale", scale,
                  "positive and finite");
  double const power = form == laplace_form::exact ? 1.0 : 0.5;
  auto const log_f = [scale, power](double u) {
    double const side = std::copysign(1.0, 0.5 - u);
    double const log_snr = -scale * side * std::log(1.0 - 2.0 * std::abs(0.5 - u) + 1e-6);
    return -power * std::log1p(std::exp(-log_snr));
  };
  return detail::from_log_alpha_bar_function(num_train_timesteps, log_f, 0.999);
}

}  // namespace diffx::schedule
