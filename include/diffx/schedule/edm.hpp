#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The noise level is the time: sigma(t) = sigma_max t.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Table 1, with time divided by sigma_max.
/// Requires  0 < sigma_min < sigma_max: checked by the process that owns it. sigma_min is where
///           grids stop before 0; it does not change the map.
/// Errors    check() throws diffx::error.
struct edm {
  double sigma_min = 0.002;
  double sigma_max = 80.0;

  static constexpr std::string_view name = "schedule::edm";
  static constexpr std::string_view source = "arXiv:2206.00364";

  double sigma(double t) const noexcept { return sigma_max * t; }
  double time(double sigma) const noexcept { return sigma / sigma_max; }
  /// The smallest level above data: there is none.
  double least() const noexcept { return 0.0; }
  void check() const {
    diffx::detail::require(sigma_min > 0.0 && std::isfinite(sigma_min), "diffx::schedule::edm",
                           "sigma_min", sigma_min, "positive and finite");
    diffx::detail::require(sigma_max > sigma_min && std::isfinite(sigma_max),
                           "diffx::schedule::edm", "sigma_max", sigma_max,
                           "finite and above sigma_min");
  }
};

}  // namespace diffx::schedule
