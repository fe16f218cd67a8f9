#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// What is kept is a power of the time left: the polynomial path of flow matching, whose time
/// u = 1 - t runs to the data.
///
///     alpha = (1 - t)^power
///
/// Source    Gat et al. 2024, arXiv:2407.15595.
/// Errors    check() throws diffx::error.
struct polynomial {
  static constexpr std::string_view name = "schedule::polynomial";
  static constexpr std::string_view source = "arXiv:2407.15595";

  double power = 1.0;

  double kept(double t) const noexcept { return std::pow(1.0 - t, power); }
  double moved(double t) const noexcept { return -std::expm1(power * std::log1p(-t)); }
  double time(double moved) const noexcept { return time_of_total(-std::log1p(-moved)); }
  double time_of_total(double total) const noexcept { return -std::expm1(-total / power); }
  double slope(double t) const noexcept { return power * std::pow(1.0 - t, power - 1.0); }
  void check() const {
    diffx::detail::require(power > 0.0 && std::isfinite(power), "diffx::schedule::polynomial",
                           "power", power, "positive and finite");
  }
};

}  // namespace diffx::schedule
