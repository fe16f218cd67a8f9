#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The total noise grows at a constant rate:
///
///     -log alpha = sigma_min + t (sigma_max - sigma_min)    for t > 0
///
/// Time 0 itself is the data, whatever sigma_min: as in schedule::geometric_noise.
///
/// Source    Sahoo et al. 2024, arXiv:2406.07524.
/// Errors    check() throws diffx::error.
struct linear_noise {
  static constexpr std::string_view name = "schedule::linear_noise";
  static constexpr std::string_view source = "arXiv:2406.07524";

  double sigma_min = 0.0;
  double sigma_max = 10.0;

  /// -log alpha; at t = 0 its limit from above.
  double total(double t) const noexcept { return sigma_min + t * (sigma_max - sigma_min); }
  double kept(double t) const noexcept { return t > 0.0 ? std::exp(-total(t)) : 1.0; }
  double moved(double t) const noexcept { return t > 0.0 ? -std::expm1(-total(t)) : 0.0; }
  double time(double moved) const noexcept { return time_of_total(-std::log1p(-moved)); }
  double time_of_total(double total) const noexcept {
    return total == 0.0 ? 0.0 : (total - sigma_min) / (sigma_max - sigma_min);
  }
  double slope(double t) const noexcept { return (sigma_max - sigma_min) * std::exp(-total(t)); }
  void check() const {
    constexpr auto where = "diffx::schedule::linear_noise";
    diffx::detail::require(sigma_min >= 0.0 && std::isfinite(sigma_min), where, "sigma_min",
                           sigma_min, "at least 0 and finite");
    diffx::detail::require(sigma_max > sigma_min && std::isfinite(sigma_max), where, "sigma_max",
                           sigma_max, "above sigma_min and finite");
  }
};

}  // namespace diffx::schedule
