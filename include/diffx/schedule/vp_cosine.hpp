#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// The continuous cosine schedule, stopped at t_end where lambda is about -4.7.
///
///     alpha(t) = cos(u) / cos(u_0),    u = (t t_end + s) / (1 + s) pi / 2,    u_0 = u at t = 0
///
/// Other codes clip lambda and so make it constant over the last times; here process time is
/// stretched over [0, t_end] instead, and lambda stays strictly monotone. The network is told the
/// unstretched time t t_end.
///
/// Source    Nichol & Dhariwal 2021, arXiv:2102.09672, Equation 17; t_end = 0.9946 from Lu et al.
///           2022, arXiv:2206.00927.
/// Requires  s > 0, 0 < t_end < 1: checked by the process that owns it.
/// Errors    check() throws diffx::error.
struct vp_cosine {
  double s = 0.008;
  double t_end = 0.9946;

  static constexpr std::string_view name = "schedule::vp_cosine";
  static constexpr std::string_view source = "arXiv:2102.09672";

  double network_time(double t) const noexcept { return t * t_end; }

  /// As log1p of the change from u_0: no cancellation near the data.
  double log_alpha(double t) const noexcept {
    double const d = t * rate();
    double const half = std::sin(0.5 * d);
    return std::log1p(-2.0 * half * half - std::tan(start()) * std::sin(d));
  }
  double log_alpha_rate(double t) const noexcept {
    return -rate() * std::tan(start() + t * rate());
  }
  /// Solves 1 - alpha = 2 sin^2(d/2) + tan(u_0) sin d for y = tan(d/2), a quadratic equation.
  double time(double log_alpha) const noexcept {
    double const q = -std::expm1(log_alpha);
    double const k = std::tan(start());
    return 2.0 * std::atan(q / (k + std::sqrt(k * k + q * (2.0 - q)))) / rate();
  }
  void check() const {
    diffx::detail::require(s > 0.0 && std::isfinite(s), "diffx::schedule::vp_cosine", "s", s,
                           "positive and finite");
    diffx::detail::require(t_end > 0.0 && t_end < 1.0, "diffx::schedule::vp_cosine", "t_end", t_end,
                           "in (0, 1): alpha is 0 at 1");
  }

 private:
  double start() const noexcept { return s / (1.0 + s) * 0.5 * std::numbers::pi; }
  double rate() const noexcept { return t_end / (1.0 + s) * 0.5 * std::numbers::pi; }
};

}  // namespace diffx::schedule
