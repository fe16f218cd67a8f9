#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// Geometric noise levels of the variance-exploding SDE.
///
///     sigma(t) = sigma_min (sigma_max / sigma_min)^t for t in (0, 1],    sigma(0) = 0
///
/// The jump at t = 0 is the paper's: data carries no noise, however small the first level.
///
/// Source    Song et al. 2021, arXiv:2011.13456, Appendix C.
/// Requires  0 < sigma_min < sigma_max: checked by the process that owns it.
/// Errors    check() throws diffx::error.
struct ve_geometric {
  double sigma_min = 0.01;
  double sigma_max = 50.0;

  static constexpr std::string_view name = "schedule::ve_geometric";
  static constexpr std::string_view source = "arXiv:2011.13456";

  double sigma(double t) const noexcept {
    if (t == 0.0) return 0.0;
    return t == 1.0 ? sigma_max : sigma_min * std::pow(sigma_max / sigma_min, t);
  }
  /// Never 0 for a positive sigma: the smallest level belongs to the limit t -> 0+.
  double time(double sigma) const noexcept {
    if (sigma == 0.0) return 0.0;
    double const t = std::log(sigma / sigma_min) / std::log(sigma_max / sigma_min);
    return t > -1e-12 && t < 1e-15 ? 1e-15 : t;
  }
  void check() const {
    diffx::detail::require(sigma_min > 0.0 && std::isfinite(sigma_min),
                           "diffx::schedule::ve_geometric", "sigma_min", sigma_min,
                           "positive and finite");
    diffx::detail::require(sigma_max > sigma_min && std::isfinite(sigma_max),
                           "diffx::schedule::ve_geometric", "sigma_max", sigma_max,
                           "finite and above sigma_min");
  }
};

}  // namespace diffx::schedule
