#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The rate of a bridge's noise, linear from the prior (t = 1) to the data (t = 0).
///
///     beta(t) = b1 + t (b0 - b1),    to_come(t) = int_0^t beta,    passed(t) = int_t^1 beta
///     pull(t) = beta(t) / to_come(t)
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564, its published code.
/// Errors    check() throws diffx::error.
struct bridge_linear {
  static constexpr std::string_view name = "schedule::bridge_linear";
  static constexpr std::string_view source = "arXiv:2502.11564";

  double b0 = 1e-3;  // at the prior
  double b1 = 0.2;   // at the data

  double beta(double t) const noexcept { return b1 + t * (b0 - b1); }
  double to_come(double t) const noexcept { return t * (b1 + 0.5 * t * (b0 - b1)); }
  double passed(double t) const noexcept { return (1.0 - t) * (b0 + 0.5 * (1.0 - t) * (b1 - b0)); }
  double pull(double t) const noexcept { return beta(t) / to_come(t); }
  /// The time at which `part` of the noise, of all, is to come.
  double time(double part) const noexcept {
    double const wanted = part * to_come(1.0);
    return 2.0 * wanted / (b1 + std::sqrt(b1 * b1 + 2.0 * (b0 - b1) * wanted));
  }
  void check() const {
    constexpr auto where = "diffx::schedule::bridge_linear";
    detail::require(b0 > 0.0 && std::isfinite(b0), where, "b0", b0, "positive and finite");
    detail::require(b1 > 0.0 && std::isfinite(b1), where, "b1", b1, "positive and finite");
  }
};

}  // namespace diffx::schedule
