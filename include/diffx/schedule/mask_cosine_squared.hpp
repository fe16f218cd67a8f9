#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// The squared cosine: flat at both ends.
///
///     1 - alpha = (1 - eps) sin^2(pi t / 2)
///
/// Source    Sahoo et al. 2024, arXiv:2406.07524, after Nichol and Dhariwal 2021.
/// Errors    check() throws diffx::error.
struct mask_cosine_squared {
  static constexpr std::string_view name = "schedule::mask_cosine_squared";
  static constexpr std::string_view source = "arXiv:2406.07524";

  double eps = 0.0;

  double moved(double t) const noexcept { return (1.0 - eps) * square(std::sin(angle(t))); }
  double kept(double t) const noexcept {
    // cos(pi t / 2) as a sine: exactly 0 at t = 1.
    return eps + (1.0 - eps) * square(std::sin(angle(1.0 - t)));
  }
  double time(double moved) const noexcept {
    return std::asin(std::sqrt(moved / (1.0 - eps))) / angle(1.0);
  }
  double slope(double t) const noexcept {
    return (1.0 - eps) * std::numbers::pi * std::sin(angle(t)) * std::sin(angle(1.0 - t));
  }
  void check() const {
    diffx::detail::require(eps >= 0.0 && eps < 1.0, "diffx::schedule::mask_cosine_squared", "eps",
                           eps, "in [0, 1)");
  }

 private:
  static double angle(double t) noexcept { return 0.5 * std::numbers::pi * t; }
  static double square(double x) noexcept { return x * x; }
};

}  // namespace diffx::schedule
