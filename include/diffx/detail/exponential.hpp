#pragma once

#include <diffx/concepts/prediction.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

// The mathematics of exponential integrators: one step is a quadrature of the exact solution
//
//     x0 frame   x_t = (sigma_t / sigma_s) e^{-rate h} x
//                    + alpha_t (1 + rate) int_0^h e^{-(1 + rate)(h - u)} m(u) du + noise xi
//     eps frame  x_t = (alpha_t / alpha_s) x - sigma_t (1 + rate) int_0^h e^{h - u} m(u) du
//                    + noise xi
//
// in lambda = log(alpha / sigma), u = lambda - lambda_s. A solver replaces m(u) by a polynomial
// through the outputs it has; `rate` is eta^2: 0 for the ODE, 1 for the reverse SDE.

namespace diffx::detail {

/// sqrt(1 - e^{-x}) for x >= 0, without cancellation; 1 at x = +inf.
inline double sqrt_one_minus_exp(double x) noexcept { return std::sqrt(-std::expm1(-x)); }

/// phi_k(z) = sum_j z^j / (j + k)!: phi_1 = (e^z - 1) / z, phi_{k+1} = (phi_k - 1/k!) / z.
/// Finite everywhere, and 0 at z = -inf.
inline double phi(int k, double z) noexcept {
  if (std::isinf(z) && z < 0.0) return 0.0;
  double inverse_factorial = 1.0;  // 1 / k!
  for (int j = 2; j <= k; ++j) inverse_factorial /= j;
  if (std::fabs(z) < 2.0) {  // the recursion cancels here; the series needs few terms
    double term = inverse_factorial, sum = term;
    for (int j = 1; std::fabs(term) > 1e-18 * std::fabs(sum) && j < 60; ++j) {
      term *= z / (j + k);
      sum += term;
    }
    return sum;
  }
  double value = std::expm1(z) / z, inverse = 1.0;
  for (int j = 1; j < k; ++j) {
    inverse /= j;
    value = (value - inverse) / z;
  }
  return value;
}

/// What one exponential step is made of, whatever outputs it goes through.
struct exponential_step {
  static constexpr int max_order = 6;

  double h = 0.0;      // lambda_t - lambda_s
  double state = 0.0;  // weight of x
  double noise = 0.0;  // weight of xi
  /// moment[p]: the signed integral above for m = (u / h)^p.
  std::array<double, max_order> moment{};
  /// What moment[1] would be if the exponential were 1: the simplification of UniPC's B_1(h).
  double plain_linear = 0.0;
};

/// One step between two levels for polynomials of degree below `order`. A step onto sigma = 0 is
/// that of the ODE and of order 1: it returns the x0 prediction.
inline exponential_step exponential(frame f, level const& from, level const& to, double rate,
                                    int order) {
  exponential_step e;
  double const h = e.h = to.lambda - from.lambda;
  bool const lands = to.sigma == 0.0;
  if (lands) rate = 0.0;
  double const k = 1.0 + rate;
  if (f == frame::x0) {
    e.state = to.sigma / from.sigma;
    if (rate != 0.0) {
      e.state *= std::exp(-rate * h);
      e.noise = to.sigma * sqrt_one_minus_exp(2.0 * rate * h);
    }
    e.moment[0] = -to.alpha * std::expm1(-k * h);
    e.plain_linear = 0.5 * k * h * to.alpha;
  } else {
    e.state = to.alpha / from.alpha;
    // sigma_t e^h is alpha_t sigma_s / alpha_s, also where h is infinite.
    e.moment[0] = -k * (lands ? e.state * from.sigma : to.sigma * std::expm1(h));
    e.plain_linear = -0.5 * k * h * to.sigma;
    if (rate != 0.0) e.noise = std::sqrt(rate) * to.sigma * std::sqrt(std::expm1(2.0 * h));
  }
  double factorial = 1.0;
  for (int p = 1; p < order; ++p) {
    factorial *= p;
    double& moment = e.moment[static_cast<std::size_t>(p)];
    if (std::isinf(h)) {
      moment = f == frame::x0 ? to.alpha : 0.0;  // from alpha = 0 only the end of the step counts
    } else if (f == frame::x0) {
      moment = k * to.alpha * h * factorial * phi(p + 1, -k * h);
    } else {
      moment = -k * to.sigma * h * factorial * phi(p + 1, h);
    }
  }
  return e;
}

/// The weight of the output at each node when the polynomial through all of them is integrated.
///
/// Nodes are places u / h; a node at infinity (an output at alpha = 0) adds nothing and lowers the
/// degree by one.
inline std::array<double, exponential_step::max_order> lagrange_weights(
    std::span<double const> moment, std::span<double const> nodes) {
  constexpr auto size = static_cast<std::size_t>(exponential_step::max_order);
  std::array<double, size> weights{};
  for (std::size_t j = 0; j < nodes.size(); ++j) {
    if (!std::isfinite(nodes[j])) continue;
    std::array<double, size> polynomial{1.0};  // of v = u / h, constant term first
    std::size_t degree = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (i == j || !std::isfinite(nodes[i])) continue;
      double const scale = 1.0 / (nodes[j] - nodes[i]);
      ++degree;
      for (std::size_t p = degree; p > 0; --p) {
        polynomial[p] = (polynomial[p - 1] - nodes[i] * polynomial[p]) * scale;
      }
      polynomial[0] *= -nodes[i] * scale;
    }
    for (std::size_t p = 0; p <= degree; ++p) weights[j] += polynomial[p] * moment[p];
  }
  return weights;
}

/// Places (u / h) of the outputs that a multistep rule of this order goes through: the current
/// level and order - 1 before it. With h infinite all of them are 0 and only the first counts.
template <class Context>
std::array<double, exponential_step::max_order> past_nodes(Context const& c, double h, int order) {
  std::array<double, exponential_step::max_order> nodes{};
  for (int j = 1; j < order; ++j) {
    nodes[static_cast<std::size_t>(j)] = (c.back(j).lambda - c.from().lambda) / h;
  }
  return nodes;
}

/// How a step of a singlestep solver uses the outputs found inside it.
enum class block_form {
  exact,       // the integral of the polynomial through all of them
  ends,        // order 2 as above; order 3: linear through the first and the last output
  midpoint,    // order 2: half the weight of the output on the slope; order 3 as `ends`
  wrong_sign,  // `exact`, with -(phi_2 + 1/2) on the curvature: one library's SDE form
};

/// One stage inside a block of levels point[0] ... point[k], from point[k - 1] to point[k], where
/// outputs are known at point[0] ... point[k - 1].
///
/// The rule goes from point[0]: x_k = A_k x_0 + sum_i B_ki m_i + N_k xi_k. Since x_{k-1} obeys such
/// a rule too, x_0 is eliminated and no state is saved; the ratio A_k / A_{k-1} is at most that of
/// an ordinary step, so nothing is amplified.
struct block_stage {
  double state = 0.0;
  std::array<double, 3> output{};  // newest first
  double noise = 0.0;              // of this stage's xi
  double past_noise = 0.0;         // of the xi of the stage before
};

inline block_stage exponential_block(frame f, std::span<level const> point, double rate,
                                     block_form form) {
  struct rule {
    std::array<double, 3> output{};  // oldest first
    double noise = 0.0;
    double state = 1.0;
  };
  auto const rule_to = [&](std::size_t k) {
    level const &from = point[0], &to = point[k];
    auto e = exponential(f, from, to, rate, static_cast<int>(k));
    rule r{{}, e.noise, e.state};
    std::array<double, 3> nodes{};
    for (std::size_t j = 1; j < k; ++j) nodes[j] = (point[j].lambda - from.lambda) / e.h;
    if (k == 3 && (form == block_form::ends || form == block_form::midpoint)) {
      std::array<double, 2> const ends{0.0, nodes[2]};
      auto const w = lagrange_weights(e.moment, ends);
      r.output = {w[0], 0.0, w[1]};
      return r;
    }
    if (k == 2 && form == block_form::midpoint) e.moment[1] = 0.5 * e.moment[0];
    if (k == 3 && form == block_form::wrong_sign) {
      e.moment[2] = -2.0 * to.alpha * (phi(2, -(1.0 + rate) * e.h) + 0.5);
    }
    auto const w = lagrange_weights(e.moment, std::span<double const>(nodes.data(), k));
    std::copy_n(w.begin(), k, r.output.begin());
    return r;
  };
  std::size_t const k = point.size() - 1;
  rule const now = rule_to(k);
  block_stage s{now.state, {}, now.noise, 0.0};
  rule before;
  double ratio = 0.0;
  if (k > 1) {
    before = rule_to(k - 1);
    ratio = s.state = exponential(f, point[k - 1], point[k], rate, 1).state;
    s.past_noise = -ratio * before.noise;
  }
  for (std::size_t j = 0; j < k; ++j) {
    s.output[j] = now.output[k - 1 - j] - ratio * before.output[k - 1 - j];
  }
  return s;
}

/// A random step cannot go from data to noise.
template <class Context>
void require_denoising(Context const& c, double rate, std::string_view where) {
  if (rate != 0.0 && c.grid.inverts()) {
    fail(std::string(where) + ": eta or tau above 0 on a timetable that goes from data to noise");
  }
}

}  // namespace diffx::detail
