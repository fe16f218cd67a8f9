#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// Slow at the data end, where few classes are left to lose their context.
///
///     1 - alpha = (1 - eps) (1 - cos(pi t / 2))
///
/// Source    Sahoo et al. 2024, arXiv:2406.07524; Shi et al. 2024, arXiv:2406.04329.
/// Errors    check() throws diffx::error.
struct mask_cosine {
  static constexpr std::string_view name = "schedule::mask_cosine";
  static constexpr std::string_view source = "arXiv:2406.07524";

  double eps = 0.0;

  double moved(double t) const noexcept {
    // Each form where it loses no digits; at t = 1 nothing but eps is left, exactly.
    double const half = std::sin(0.25 * std::numbers::pi * t);
    double const lost = t > 0.5 ? 1.0 - std::cos(0.5 * std::numbers::pi * t) : 2.0 * half * half;
    return (1.0 - eps) * lost;
  }
  double time(double moved) const noexcept {
    return 4.0 / std::numbers::pi * std::asin(std::sqrt(0.5 * moved / (1.0 - eps)));
  }
  double slope(double t) const noexcept {
    return (1.0 - eps) * 0.5 * std::numbers::pi * std::sin(0.5 * std::numbers::pi * t);
  }
  void check() const {
    diffx::detail::require(eps >= 0.0 && eps < 1.0, "diffx::schedule::mask_cosine", "eps", eps,
                           "in [0, 1)");
  }
};

}  // namespace diffx::schedule
