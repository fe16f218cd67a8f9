#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// The cosine with its floor at the data end: a little is lost at once, nothing is left at t = 1.
/// Time 0 itself is the data, as in schedule::geometric_noise.
///
///     alpha = (1 - eps) cos(pi t / 2)    for t > 0
///
/// Source    Arriola et al. 2025, arXiv:2503.09573.
/// Errors    check() throws diffx::error.
struct scaled_mask_cosine {
  static constexpr std::string_view name = "schedule::scaled_mask_cosine";
  static constexpr std::string_view source = "arXiv:2503.09573";

  double eps = 1e-3;

  double kept(double t) const noexcept {
    return t > 0.0 ? (1.0 - eps) * std::sin(0.5 * std::numbers::pi * (1.0 - t)) : 1.0;
  }
  double moved(double t) const noexcept {
    if (t == 0.0) return 0.0;
    double const half = std::sin(0.25 * std::numbers::pi * t);
    return t > 0.5 ? 1.0 - kept(t) : eps + (1.0 - eps) * 2.0 * half * half;
  }
  double time(double moved) const noexcept {
    if (moved == 0.0) return 0.0;
    // 1 - cos as a sine of half the angle; below eps there is no time.
    double const lost = (moved - eps) / (1.0 - eps);
    return lost < 0.0 ? -1.0 : 4.0 / std::numbers::pi * std::asin(std::sqrt(0.5 * lost));
  }
  double slope(double t) const noexcept {
    return (1.0 - eps) * 0.5 * std::numbers::pi * std::sin(0.5 * std::numbers::pi * t);
  }
  void check() const {
    diffx::detail::require(eps >= 0.0 && eps < 1.0, "diffx::schedule::scaled_mask_cosine", "eps",
                           eps, "in [0, 1)");
  }
};

}  // namespace diffx::schedule
