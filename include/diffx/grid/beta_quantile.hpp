#pragma once

#include <diffx/error.hpp>

#include <cmath>

namespace diffx::grid {

namespace detail {

/// The regularised incomplete beta function I_x(a, b) for x <= (a + 1) / (a + b + 2), by Lentz's
/// evaluation of its continued fraction (Abramowitz & Stegun 26.5.8).
inline double incomplete_beta_tail(double x, double a, double b) noexcept {
  double const front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x)) /
                       a;
  double constexpr tiny = 1e-300;
  double c = 1.0;
  double d = 1.0 - (a + b) * x / (a + 1.0);
  d = 1.0 / (std::abs(d) < tiny ? tiny : d);
  double h = d;
  for (int m = 1; m < 500; ++m) {
    double const even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m));
    double const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0));
    double last = 0.0;
    for (double const term : {even, odd}) {
      d = 1.0 + term * d;
      d = 1.0 / (std::abs(d) < tiny ? tiny : d);
      c = 1.0 + term / c;
      c = std::abs(c) < tiny ? tiny : c;
      last = c * d;
      h *= last;
    }
    if (std::abs(last - 1.0) < 1e-16) break;
  }
  return front * h;
}

}  // namespace detail

/// The distribution function of Beta(a, b) at x in [0, 1].
inline double beta_distribution(double x, double a, double b) noexcept {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  return x <= (a + 1.0) / (a + b + 2.0) ? detail::incomplete_beta_tail(x, a, b)
                                        : 1.0 - detail::incomplete_beta_tail(1.0 - x, b, a);
}

namespace detail {

/// The quantile for a p whose quantile is at most 1/2: Newton's method kept inside a bracket.
inline double beta_quantile_lower(double p, double a, double b) noexcept {
  double const log_norm = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b);
  double low = 0.0;
  double high = 0.5;
  double x = std::fmin(0.5, std::exp((std::log(p * a) - log_norm) / a));
  for (int i = 0; i < 200; ++i) {
    double const excess = beta_distribution(x, a, b) - p;
    (excess > 0.0 ? high : low) = x;
    double const slope = std::exp(log_norm + (a - 1.0) * std::log(x) + (b - 1.0) * std::log1p(-x));
    double next = x - excess / slope;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - x) <= 1e-16 * x) return next;
    x = next;
  }
  return x;
}

}  // namespace detail

/// The quantile of Beta(a, b): the x with I_x(a, b) = p, to about 1e-14. The upper half is the
/// mirror image of the lower half of Beta(b, a).
///
/// Errors    p outside [0, 1], a or b not positive and finite: throws diffx::error.
inline double beta_quantile(double p, double a, double b) {
  using diffx::detail::require;
  require(p >= 0.0 && p <= 1.0, "diffx::grid::beta_quantile", "p", p, "in [0, 1]");
  require(a > 0.0 && std::isfinite(a), "diffx::grid::beta_quantile", "a", a, "positive and finite");
  require(b > 0.0 && std::isfinite(b), "diffx::grid::beta_quantile", "b", b, "positive and finite");
  if (p == 0.0 || p == 1.0) return p;
  bool const upper = p > beta_distribution(0.5, a, b);
  return upper ? 1.0 - detail::beta_quantile_lower(1.0 - p, b, a)
               : detail::beta_quantile_lower(p, a, b);
}

}  // namespace diffx::grid
