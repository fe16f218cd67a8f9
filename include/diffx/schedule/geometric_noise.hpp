#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The total noise grows by a constant factor:
///
///     -log alpha = sigma_min (sigma_max / sigma_min)^t    for t > 0
///
/// It does not vanish towards t = 0: a network is never told less than sigma_min. Time 0 itself is
/// the data (alpha = 1), so that a last step onto it takes the rest of the noise away as well, and
/// levels between sigma_min and no noise have no time.
///
/// Source    Lou et al. 2024, arXiv:2310.16834.
/// Errors    check() throws diffx::error.
struct geometric_noise {
  static constexpr std::string_view name = "schedule::geometric_noise";
  static constexpr std::string_view source = "arXiv:2310.16834";

  double sigma_min = 1e-4;
  double sigma_max = 20.0;

  /// -log alpha; at t = 0 its limit from above.
  double total(double t) const noexcept {
    return std::exp((1.0 - t) * std::log(sigma_min) + t * std::log(sigma_max));
  }
  double kept(double t) const noexcept { return t > 0.0 ? std::exp(-total(t)) : 1.0; }
  double moved(double t) const noexcept { return t > 0.0 ? -std::expm1(-total(t)) : 0.0; }
  double time(double moved) const noexcept { return time_of_total(-std::log1p(-moved)); }
  double time_of_total(double total) const noexcept {
    return total == 0.0 ? 0.0 : std::log(total / sigma_min) / std::log(sigma_max / sigma_min);
  }
  double slope(double t) const noexcept {
    double const sigma = total(t);
    return sigma * std::log(sigma_max / sigma_min) * std::exp(-sigma);
  }
  void check() const {
    constexpr auto where = "diffx::schedule::geometric_noise";
    diffx::detail::require(sigma_min > 0.0 && std::isfinite(sigma_min), where, "sigma_min",
                           sigma_min, "positive and finite");
    diffx::detail::require(sigma_max > sigma_min && std::isfinite(sigma_max), where, "sigma_max",
                           sigma_max, "above sigma_min and finite");
  }
};

}  // namespace diffx::schedule
