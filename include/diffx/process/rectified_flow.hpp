#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/unit_time.hpp>

#include <cmath>
#include <string_view>

namespace diffx::process {

/// The straight path between data and noise.
///
///     alpha = 1 - tau,    sigma = tau,    lambda = log(1 - tau) - log(tau),    t = tau
///
/// Source    Liu, Gong & Liu 2022, arXiv:2209.03003; Lipman et al. 2022, arXiv:2210.02747.
/// Units     tau in [0, 1], data at 0; timestep = tau num_train_timesteps.
/// Errors    t outside [0, 1] or NaN lambda: throws diffx::error.
struct rectified_flow {
  using kind = process_tag;
  static constexpr std::string_view name = "process::rectified_flow";
  static constexpr std::string_view source = "arXiv:2209.03003";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = true;

  double num_train_timesteps = 1000.0;

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::rectified_flow::at", t);
    return {t, 1.0 - t, t, std::log1p(-t) - std::log(t), t * num_train_timesteps};
  }

  level at_lambda(double lambda) const {
    diffx::detail::require(!std::isnan(lambda), "diffx::process::rectified_flow::at_lambda",
                           "lambda", lambda, "a number (infinities are the two ends)");
    double const tau = 1.0 / (1.0 + std::exp(lambda));
    return {tau, 1.0 / (1.0 + std::exp(-lambda)), tau, lambda, tau * num_train_timesteps};
  }
};

static_assert(gaussian_process<rectified_flow>);

}  // namespace diffx::process
