#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// A root of the noise level is linear in time: the spacing of grid::karras as a clock, which a
/// process of classes can share.
///
///     sigma(t) = (sigma_min^(1/rho) + t (sigma_max^(1/rho) - sigma_min^(1/rho)))^rho,  0 < t <= 1
///     sigma(0) = 0
///
/// The jump at t = 0 is the step onto data that a grid ends with.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Equation 5; as a schedule Shi et al. 2024
///           (TabDiff), arXiv:2410.20626.
/// Requires  0 < sigma_min < sigma_max, rho > 0: checked by the process that owns it.
/// Errors    check() throws diffx::error.
struct sigma_power {
  double sigma_min = 0.002;
  double sigma_max = 80.0;
  double rho = 7.0;

  static constexpr std::string_view name = "schedule::sigma_power";
  static constexpr std::string_view source = "arXiv:2410.20626";

  double sigma(double t) const noexcept {
    if (t == 0.0) return 0.0;
    return t == 1.0 ? sigma_max : std::pow(std::lerp(first(), last(), t), rho);
  }
  /// Never 0 for a positive sigma: the smallest level belongs to the limit t -> 0+.
  double time(double sigma) const noexcept {
    if (sigma == 0.0) return 0.0;
    double const t = (std::pow(sigma, 1.0 / rho) - first()) / (last() - first());
    return t > -1e-12 && t < 1e-15 ? 1e-15 : t;
  }
  /// The smallest level above data.
  double least() const noexcept { return sigma_min; }
  void check() const {
    constexpr auto where = "diffx::schedule::sigma_power";
    diffx::detail::require(sigma_min > 0.0 && std::isfinite(sigma_min), where, "sigma_min",
                           sigma_min, "positive and finite");
    diffx::detail::require(sigma_max > sigma_min && std::isfinite(sigma_max), where, "sigma_max",
                           sigma_max, "finite and above sigma_min");
    diffx::detail::require(rho > 0.0 && std::isfinite(rho), where, "rho", rho,
                           "positive and finite");
    // Beyond either end the root of a sigma is no number, or that of every sigma is 1.
    bool const tells = first() > 0.0 && std::isfinite(last()) && last() - first() > 1e-6 * last();
    diffx::detail::require(tells, where, "rho", rho,
                           "one whose root tells sigma_min from sigma_max");
  }

 private:
  double first() const noexcept { return std::pow(sigma_min, 1.0 / rho); }
  double last() const noexcept { return std::pow(sigma_max, 1.0 / rho); }
};

}  // namespace diffx::schedule
