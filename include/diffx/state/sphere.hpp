#pragma once

#include <diffx/config.hpp>
#include <diffx/error.hpp>

#include <cmath>

/// Points of the unit hypersphere. A distribution q over n classes stands at x_k = sqrt(q_k): the
/// Fisher-Rao geometry of distributions is that of the sphere, classes are its vertices e_k.
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564.
/// Shapes    n coordinates in a row; functions of pairs may write where they read.
namespace diffx::sphere {

/// theta / sin(theta) of cos(theta) = c: 1 where the points are one. At the antipode the direction
/// is lost and the factor diverges; it is held at its value 1e-6 before it.
template <class T>
DIFFX_HD inline T log_factor(T c) noexcept {
  T const low = T(-1) + T(1e-6);
  T const inside = c > low ? c : low;
  T const half = T(0.5) * (T(1) - inside);  // sin^2(theta / 2), without loss near 0
  if (!(half > T(0))) return T(1);
  T const s = std::sqrt(half);
  return std::asin(s) / (s * std::sqrt(T(1) - half));
}

/// v = theta / sin(theta) (y - cos(theta) x), the shortest way from x to y.
template <class T>
DIFFX_HD inline void log_map(int n, T const* x, T const* y, T* v) noexcept {
  double c = 0.0;
  for (int k = 0; k < n; ++k) c += static_cast<double>(x[k]) * static_cast<double>(y[k]);
  double const factor = log_factor(c);
  for (int k = 0; k < n; ++k) {
    v[k] = static_cast<T>(factor * (static_cast<double>(y[k]) - c * static_cast<double>(x[k])));
  }
}

/// v - <v, x> x: what of v is tangent at x, which need not be quite a unit vector.
template <class T>
DIFFX_HD inline void to_tangent(int n, T const* x, T* v) noexcept {
  double xx = 0.0, vx = 0.0;
  for (int k = 0; k < n; ++k) {
    double const xk = static_cast<double>(x[k]);
    xx += xk * xk;
    vx += static_cast<double>(v[k]) * xk;
  }
  double const along = vx / xx;
  for (int k = 0; k < n; ++k) {
    v[k] = static_cast<T>(static_cast<double>(v[k]) - along * static_cast<double>(x[k]));
  }
}

/// y = x cos |w| + w sin |w| / |w|, with w what of v is tangent at x. The result is a unit vector
/// to one rounding of T whatever rounding x came with: walks do not drift off the sphere.
template <class T>
DIFFX_HD inline void exp_map(int n, T const* x, T const* v, T* y) noexcept {
  double xx = 0.0, vx = 0.0;
  for (int k = 0; k < n; ++k) {
    double const xk = static_cast<double>(x[k]);
    xx += xk * xk;
    vx += static_cast<double>(v[k]) * xk;
  }
  double const along = vx / xx;
  double ww = 0.0;
  for (int k = 0; k < n; ++k) {
    double const w = static_cast<double>(v[k]) - along * static_cast<double>(x[k]);
    ww += w * w;
  }
  double const length = std::sqrt(ww);
  double const sine = length > 0.0 ? std::sin(length) / length : 1.0;
  double const cosine = std::cos(length) / std::sqrt(xx);
  for (int k = 0; k < n; ++k) {
    double const xk = static_cast<double>(x[k]);
    y[k] = static_cast<T>(cosine * xk + sine * (static_cast<double>(v[k]) - along * xk));
  }
}

/// v = sum_k p_k log_x(e_k), the mean of the ways to the vertices 0 .. tokens - 1 of n.
template <class T>
DIFFX_HD inline void toward_vertices(int n, int tokens, T const* x, T const* p, T* v) noexcept {
  for (int k = 0; k < n; ++k) v[k] = k < tokens ? p[k] * log_factor(x[k]) : T(0);
  to_tangent(n, x, v);
}

/// The distribution at a point: squares of what is not negative, normalised. Zeros if nothing is
/// positive.
template <class T>
DIFFX_HD inline void to_simplex(int n, T const* x, T* q) noexcept {
  double sum = 0.0;
  for (int k = 0; k < n; ++k) {
    double const xk = x[k] > T(0) ? static_cast<double>(x[k]) : 0.0;
    sum += xk * xk;
  }
  for (int k = 0; k < n; ++k) {
    double const xk = x[k] > T(0) ? static_cast<double>(x[k]) : 0.0;
    q[k] = static_cast<T>(sum > 0.0 ? xk * xk / sum : 0.0);
  }
}

/// The likeliest of the first `tokens` classes; the lower one of equals.
template <class T>
DIFFX_HD inline int token_at(int tokens, T const* x) noexcept {
  int best = 0;
  for (int k = 1; k < tokens; ++k) {
    if (x[k] > x[best]) best = k;
  }
  return best;
}

/// E cos|v| of v ~ N(0, rho^2 I_d): how much shorter than 1 the mean of a normal law on the sphere
/// is, spread by rho around a point in d dimensions.
///
///     E cos|v| = 1F1(d/2; 1/2; -rho^2/2)
///
/// By the three-term relation of 1F1 in its first argument, upwards from one and two dimensions:
/// the series itself would lose e^(rho sqrt(d)) in cancellation.
///
/// Errors    d < 1 or rho outside [0, 30]: throws diffx::error.
inline double mean_cosine(int d, double rho) {
  constexpr auto where = "diffx::sphere::mean_cosine";
  detail::require(d >= 1, where, "d", d, "at least 1");
  detail::require(rho >= 0.0 && rho <= 30.0, where, "rho", rho, "in [0, 30]");
  double const x = 0.5 * rho * rho;
  double a = 0.5, now = std::exp(-x), difference = 0.0;
  if (d % 2 == 0) {
    // e^-x 1F1(-1/2; 1/2; x) = e^-x (1 - sum_k x^k / (k! (2k - 1))), less the 1 of no dimension
    double power = now, sum = 0.0;
    for (int k = 1; k < 10000; ++k) {
      power *= x / k;
      sum += power / (2 * k - 1);
      if (k > x && power < 1e-18) break;
    }
    a = 1.0;
    difference = std::expm1(-x) - sum;
    now -= sum;
  }
  // In differences: a rounding of the value would be carried through all further dimensions.
  for (; 2.0 * a < d; a += 1.0) {
    difference = ((a - 0.5) * difference - x * now) / a;
    now += difference;
  }
  return now;
}

/// The same with a factor e^(-rho^2/2) more, which the published code of RDLM solves for rho: about
/// the mean cosine in d + 1 dimensions. For tables that come from there.
inline double mean_cosine_as_published(int d, double rho) {
  return std::exp(-0.5 * rho * rho) * mean_cosine(d, rho);
}

/// The spread whose mean cosine is `cosine`, on the first, falling branch.
///
/// Errors    d < 1 or a cosine outside (0, 1]: throws diffx::error.
inline double spread_of(int d, double cosine) {
  constexpr auto where = "diffx::sphere::spread_of";
  detail::require(d >= 1, where, "d", d, "at least 1");
  detail::require(cosine > 0.0 && cosine <= 1.0, where, "cosine", cosine, "in (0, 1]");
  if (cosine == 1.0) return 0.0;
  // E cos|v| >= 1 - d rho^2 / 2, and it falls at least until it is 0.
  double low = 0.0, high = std::sqrt(2.0 * (1.0 - cosine) / d);
  while (mean_cosine(d, high) > cosine) {
    low = high;
    high *= 1.0625;
    detail::require(high <= 30.0, where, "cosine", cosine, "that of a spread of at most 30");
  }
  for (int i = 0; i < 200; ++i) {
    double const middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (mean_cosine(d, middle) > cosine ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace diffx::sphere
