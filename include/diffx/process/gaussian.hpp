#pragma once

#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <numbers>
#include <span>

namespace diffx::detail {

/// The rise of lambda from the noisier to the cleaner level; equal infinities give 0.
inline double rise_of_lambda(char const* where, level const& noisier, level const& cleaner) {
  double const h = cleaner.lambda == noisier.lambda ? 0.0 : cleaner.lambda - noisier.lambda;
  require(h >= 0.0, where, "lambda(cleaner) - lambda(noisier)", h,
          "at least 0: the first level is the noisier one");
  return h;
}

}  // namespace diffx::detail

namespace diffx::process {

/// The law of the cleaner state given the noisier one and the data: normal, with
///
///     mean = x0 * x0_data + noisier * x_noisier,    variance
struct posterior_law {
  double x0;
  double noisier;
  double variance;
};

/// The law of the noisier state given the cleaner one: normal, with mean scale * x and this std.
struct transition_law {
  double scale;
  double std;
};

/// Posterior q(x_cleaner | x_noisier, x0) for any alpha and sigma, with h the rise of lambda:
///
///     mean = alpha_c (1 - e^{-2h}) x0 + (sigma_c / sigma_n) e^{-h} x_n
///     variance = sigma_c^2 (1 - e^{-2h})
///
/// Finite at both ends: onto sigma_c = 0 it is x0 itself, from alpha_n = 0 the marginal at c.
///
/// Source    Kingma et al. 2021, arXiv:2107.00630; DDPM's posterior on VP.
/// Errors    levels in the wrong order or not a number: throws diffx::error.
inline posterior_law posterior(level const& noisier, level const& cleaner) {
  double const h = diffx::detail::rise_of_lambda("diffx::process::posterior", noisier, cleaner);
  if (h == 0.0) return {0.0, 1.0, 0.0};
  double const share = -std::expm1(-2.0 * h);
  return {cleaner.alpha * share, cleaner.sigma / noisier.sigma * std::exp(-h),
          cleaner.sigma * cleaner.sigma * share};
}

/// Re-noising q(x_noisier | x_cleaner):
///
///     scale = alpha_n / alpha_c,    std^2 = sigma_n^2 - scale^2 sigma_c^2 = sigma_n^2 (1 -
///     e^{-2h})
///
/// Source    Kingma et al. 2021, arXiv:2107.00630.
/// Errors    levels in the wrong order or not a number: throws diffx::error.
inline transition_law renoise(level const& cleaner, level const& noisier) {
  double const h = diffx::detail::rise_of_lambda("diffx::process::renoise", noisier, cleaner);
  if (h == 0.0) return {1.0, 0.0};
  return {noisier.alpha / cleaner.alpha, noisier.sigma * std::sqrt(-std::expm1(-2.0 * h))};
}

/// The prior that stands in for the marginal at a level: normal, mean 0, variance
/// sigma^2 + alpha^2 data_std^2. The default counts the noise alone.
///
/// Errors    data_std below 0 or not a number, or variance 0: throws diffx::error.
inline double prior_std(level const& at, double data_std = 0.0) {
  diffx::detail::require(data_std >= 0.0, "diffx::process::prior_std", "data_std", data_std,
                         "at least 0");
  double const std = std::hypot(at.sigma, at.alpha * data_std);
  diffx::detail::require(std > 0.0 && std::isfinite(std), "diffx::process::prior_std",
                         "standard deviation", std, "positive and finite: sigma = 0 has no prior");
  return std;
}

/// Log-density of that prior, summed over the elements of one state; in nats.
template <class T>
double prior_log_density(level const& at, std::span<T const> x, double data_std = 0.0) {
  double const std = prior_std(at, data_std);
  double squares = 0.0;
  for (T const value : x) squares += (value / std) * (value / std);
  double const norm = std::log(std) + 0.5 * std::log(2.0 * std::numbers::pi);
  return -0.5 * squares - static_cast<double>(x.size()) * norm;
}

}  // namespace diffx::process
