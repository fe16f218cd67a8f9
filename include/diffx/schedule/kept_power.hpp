#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// A power of the time of a flow, which runs from noise to data.
///
///     alpha = (1 - t)^power
///
/// Source    Gat et al. 2024, arXiv:2407.15595, the polynomial schedulers.
/// Errors    check() throws diffx::error.
struct kept_power {
  static constexpr std::string_view name = "schedule::kept_power";
  static constexpr std::string_view source = "arXiv:2407.15595";

  double power = 1.0;

  double moved(double t) const noexcept { return -std::expm1(power * std::log1p(-t)); }
  double time(double moved) const noexcept { return -std::expm1(std::log1p(-moved) / power); }
  /// The derivative of 1 - alpha.
  double moved_rate(double t) const noexcept { return power * std::pow(1.0 - t, power - 1.0); }
  void check() const {
    diffx::detail::require(power > 0.0 && std::isfinite(power), "diffx::schedule::kept_power",
                           "power", power, "positive and finite");
  }
};

}  // namespace diffx::schedule
