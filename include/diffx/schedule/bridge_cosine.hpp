#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// The rate of a bridge's noise, from the prior (t = 1) to the data (t = 0) along a cosine.
///
///     beta(t) = b0 + (b1 - b0) cos(pi t / 2),    to_come(t) = int_0^t beta
///     passed(t) = int_t^1 beta,    pull(t) = beta(t) / to_come(t)
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564, its published code.
/// Errors    check() throws diffx::error.
struct bridge_cosine {
  static constexpr std::string_view name = "schedule::bridge_cosine";
  static constexpr std::string_view source = "arXiv:2502.11564";

  double b0 = 1e-3;  // at the prior
  double b1 = 0.2;   // at the data

  double beta(double t) const noexcept {
    return b0 + (b1 - b0) * std::sin(quarter * (1.0 - t));  // cos(pi t / 2), and 0 at t = 1
  }
  double to_come(double t) const noexcept {
    return b0 * t + (b1 - b0) * std::sin(quarter * t) / quarter;
  }
  double passed(double t) const noexcept {
    double const half = std::sin(0.5 * quarter * (1.0 - t));  // 1 - sin(pi t / 2) = 2 half^2
    return b0 * (1.0 - t) + (b1 - b0) * 2.0 * half * half / quarter;
  }
  double pull(double t) const noexcept { return beta(t) / to_come(t); }
  /// The time at which `part` of the noise, of all, is to come: by bisection, to rounding.
  double time(double part) const noexcept {
    double const wanted = part * to_come(1.0);
    double low = 0.0, high = 1.0;
    if (!(part > 0.0)) return part;
    if (part >= 1.0) return part;
    for (int i = 0; i < 200; ++i) {
      double const middle = 0.5 * (low + high);
      if (middle == low || middle == high) break;
      (to_come(middle) < wanted ? low : high) = middle;
    }
    return 0.5 * (low + high);
  }
  void check() const {
    constexpr auto where = "diffx::schedule::bridge_cosine";
    detail::require(b0 > 0.0 && std::isfinite(b0), where, "b0", b0, "positive and finite");
    detail::require(b1 > 0.0 && std::isfinite(b1), where, "b1", b1, "positive and finite");
  }

 private:
  static constexpr double quarter = 0.5 * std::numbers::pi;
};

}  // namespace diffx::schedule
