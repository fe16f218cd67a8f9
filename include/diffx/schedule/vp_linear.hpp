#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The continuous limit of the DDPM schedule: beta(t) = beta_min + t (beta_max - beta_min).
///
///     log alpha(t) = -t^2 (beta_max - beta_min) / 4 - t beta_min / 2
///     t(L) = -4 L / (sqrt(beta_min^2 - 4 L (beta_max - beta_min)) + beta_min),    L = log alpha
///
/// Source    Song et al. 2021, arXiv:2011.13456.
/// Requires  0 <= beta_min <= beta_max, beta_max > 0: checked by the process that owns it.
/// Errors    check() throws diffx::error.
struct vp_linear {
  double beta_min = 0.1;
  double beta_max = 20.0;

  static constexpr std::string_view name = "schedule::vp_linear";
  static constexpr std::string_view source = "arXiv:2011.13456";

  double log_alpha(double t) const noexcept {
    return -0.25 * t * t * (beta_max - beta_min) - 0.5 * t * beta_min;
  }
  double log_alpha_rate(double t) const noexcept {
    return -0.5 * (beta_min + t * (beta_max - beta_min));
  }
  double time(double log_alpha) const noexcept {
    double const root = std::sqrt(beta_min * beta_min - 4.0 * log_alpha * (beta_max - beta_min));
    return log_alpha == 0.0 ? 0.0 : -4.0 * log_alpha / (root + beta_min);
  }
  void check() const {
    diffx::detail::require(beta_min >= 0.0 && std::isfinite(beta_min), "diffx::schedule::vp_linear",
                           "beta_min", beta_min, "at least 0 and finite");
    diffx::detail::require(beta_max > 0.0 && beta_max >= beta_min && std::isfinite(beta_max),
                           "diffx::schedule::vp_linear", "beta_max", beta_max,
                           "positive, finite and at least beta_min");
  }
};

}  // namespace diffx::schedule
