#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The rate of a bridge's noise, growing geometrically from the prior (t = 1) to the data (t = 0).
///
///     beta(t)    = b0^t b1^(1-t)
///     to_come(t) = int_0^t beta = b1 t phi(t L),    phi(x) = (1 - e^-x) / x,    L = ln(b1 / b0)
///     passed(t)  = int_t^1 beta = b0 (1 - t) phi((t - 1) L)
///     pull(t)    = beta(t) / to_come(t) = L / (e^(t L) - 1)
///
/// The paper's time is 1 - t. No form subtracts neighbouring numbers, and b0 = b1 is no exception.
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564; 1e-3 and 0.2 are its settings for text.
/// Errors    check() throws diffx::error.
struct bridge_geometric {
  static constexpr std::string_view name = "schedule::bridge_geometric";
  static constexpr std::string_view source = "arXiv:2502.11564";

  double b0 = 1e-3;  // at the prior
  double b1 = 0.2;   // at the data

  double beta(double t) const noexcept { return b1 * std::exp(-t * growth()); }
  double to_come(double t) const noexcept { return b1 * t * share(t * growth()); }
  double passed(double t) const noexcept { return b0 * (1.0 - t) * share((t - 1.0) * growth()); }
  double pull(double t) const noexcept { return 1.0 / (t * share(-t * growth())); }
  /// The time at which `part` of the noise, of all, is to come.
  double time(double part) const noexcept {
    double const l = growth();
    return l == 0.0 ? part : -std::log1p(part * std::expm1(-l)) / l;
  }
  void check() const {
    constexpr auto where = "diffx::schedule::bridge_geometric";
    detail::require(b0 > 0.0 && std::isfinite(b0), where, "b0", b0, "positive and finite");
    detail::require(b1 > 0.0 && std::isfinite(b1), where, "b1", b1, "positive and finite");
  }

 private:
  double growth() const noexcept { return std::log(b1 / b0); }
  static double share(double x) noexcept { return x == 0.0 ? 1.0 : -std::expm1(-x) / x; }
};

}  // namespace diffx::schedule
