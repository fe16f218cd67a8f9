#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// A power of time.
///
///     1 - alpha = t^power
///
/// Source    Austin et al. 2021, arXiv:2107.03006; the square and square-root schedules of
///           Arriola et al. 2025, arXiv:2503.09573.
/// Errors    check() throws diffx::error.
struct mask_power {
  static constexpr std::string_view name = "schedule::mask_power";
  static constexpr std::string_view source = "arXiv:2503.09573";

  double power = 1.0;

  double moved(double t) const noexcept { return std::pow(t, power); }
  double time(double moved) const noexcept { return std::pow(moved, 1.0 / power); }
  void check() const {
    diffx::detail::require(power > 0.0 && std::isfinite(power), "diffx::schedule::mask_power",
                           "power", power, "positive and finite");
  }
};

}  // namespace diffx::schedule
