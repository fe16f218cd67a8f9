#pragma once

#include <diffx/denoiser/gaussian_mixture.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace diffx::denoiser {

/// log Phi(z), also where Phi underflows: below -30 the asymptotic series, whose first neglected
/// term there is 135135 / 30^14, about 3e-16.
inline double log_normal_cdf(double z) {
  constexpr double sqrt_half = 0.70710678118654752440;
  if (z > -30.0) return std::log(0.5 * std::erfc(-z * sqrt_half));
  constexpr double half_log_two_pi = 0.91893853320467274178;
  double const u = 1.0 / (z * z);
  double const series =
      1.0 + u * (-1.0 + u * (3.0 + u * (-15.0 + u * (105.0 + u * (-945.0 + u * 10395.0)))));
  return -0.5 * z * z - half_log_two_pi - std::log(-z) + std::log(series);
}

/// log P(x_t < x), or log P(x_t > x), of a mixture in dimension 1; neither tail loses digits.
inline double log_tail(gaussian_mixture const& mixture, double x, level const& at, bool upper) {
  double top = -std::numeric_limits<double>::infinity();
  double total = 0.0;
  for (std::size_t k = 0; k < mixture.size(); ++k) {
    double const sd =
        std::sqrt(at.alpha * at.alpha * mixture.variances(k)[0] + at.sigma * at.sigma);
    double const z = (x - at.alpha * mixture.mean(k)[0]) / sd;
    double const term = std::log(mixture.weight(k)) + log_normal_cdf(upper ? -z : z);
    total = term > top ? total * std::exp(top - term) + 1.0 : total + std::exp(term - top);
    top = std::max(top, term);
  }
  return top + std::log(total);
}

/// P(x_t < x) of a mixture in dimension 1.
inline double cdf(gaussian_mixture const& mixture, double x, level const& at) {
  return std::exp(log_tail(mixture, x, at, false));
}

/// The x with log_tail(x) = log_mass, by bisection to the last bit.
inline double tail_quantile(gaussian_mixture const& mixture, double log_mass, level const& at,
                            bool upper) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (std::size_t k = 0; k < mixture.size(); ++k) {
    double const sd =
        std::sqrt(at.alpha * at.alpha * mixture.variances(k)[0] + at.sigma * at.sigma);
    low = std::min(low, at.alpha * mixture.mean(k)[0] - sd);
    high = std::max(high, at.alpha * mixture.mean(k)[0] + sd);
  }
  auto below = [&](double x) {  // is the quantile above x?
    double const value = log_tail(mixture, x, at, upper);
    return upper ? value > log_mass : value < log_mass;
  };
  for (double reach = high - low; !below(low); reach *= 2.0) low -= reach;
  for (double reach = high - low; below(high); reach *= 2.0) high += reach;
  for (;;) {
    double const middle = low + 0.5 * (high - low);
    if (!(low < middle && middle < high)) return middle;
    (below(middle) ? low : high) = middle;
  }
}

/// Where the probability-flow ODE of a one-dimensional mixture carries x, without an integrator:
/// in one dimension the flow keeps quantiles, x_to = F_to^-1(F_from(x_from)). Either direction,
/// down to sigma = 0.
///
///     F_t(x) = sum_k w_k Phi((x - alpha mu_k) / sqrt(alpha^2 c_k^2 + sigma^2))
///
/// Solved in the smaller tail, so that points far out keep their digits.
///
/// Requires  finite x. Cost: about 60 evaluations of F.
/// Errors    a mixture of another dimension, a component without width where sigma is 0, a point
///           whose tail has no mass in double: throws diffx::error.
inline double flow_map(gaussian_mixture const& mixture, double x, level const& from,
                       level const& to) {
  constexpr auto where = "diffx::denoiser::flow_map";
  detail::require(mixture.dimension() == 1, where, "dimension", mixture.dimension(), "1");
  detail::require(std::isfinite(x), where, "x", x, "finite");
  for (std::size_t k = 0; k < mixture.size(); ++k) {
    double const narrower = std::min(from.sigma, to.sigma);
    double const width = mixture.variances(k)[0] + narrower * narrower;
    detail::require(width > 0.0, where, "width of a component", width, "above 0");
  }
  double const lower = log_tail(mixture, x, from, false);
  double const upper = log_tail(mixture, x, from, true);
  return tail_quantile(mixture, std::min(lower, upper), to, upper < lower);
}

}  // namespace diffx::denoiser
