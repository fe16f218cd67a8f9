#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// A power of time, which a floor may keep away from 0: below its time the levels do not differ,
/// and only time 0 itself is the data.
///
///     1 - alpha = max(t^power, least)    for t > 0
///
/// Source    Austin et al. 2021, arXiv:2107.03006; the square and square-root schedules of
///           Arriola et al. 2025, arXiv:2503.09573.
/// Errors    check() throws diffx::error.
struct mask_power {
  static constexpr std::string_view name = "schedule::mask_power";
  static constexpr std::string_view source = "arXiv:2503.09573";

  double power = 1.0;
  double least = 0.0;

  double moved(double t) const noexcept {
    double const m = std::pow(t, power);
    return t > 0.0 && m < least ? least : m;
  }
  double time(double moved) const noexcept { return std::pow(moved, 1.0 / power); }
  /// The slope of the power, under the floor as well: what the weights of a loss are made of.
  double slope(double t) const noexcept { return power * std::pow(t, power - 1.0); }
  void check() const {
    constexpr auto where = "diffx::schedule::mask_power";
    diffx::detail::require(power > 0.0 && std::isfinite(power), where, "power", power,
                           "positive and finite");
    diffx::detail::require(least >= 0.0 && least < 1.0, where, "least", least, "in [0, 1)");
  }
};

}  // namespace diffx::schedule
