#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <span>

namespace diffx::analysis {

/// One position's rate of the negative evidence lower bound under uniform noise, in continuous
/// time and in nats:
///
///     -alpha' / (K alpha) [ K / xb'_z - K / xb_z + sum_j (xb_j / xb_z) log((xb'_z xb_j) / (xb'_j
///     xb_z)) ] xb = K alpha x + 1 - alpha
///
/// with x the one-hot data class, x' the network's law of it given the other positions (a cavity),
/// xb' from x', and z the class that is seen. It is the limit of KL(q(x_s | x_t, x0) || kernel) /
/// dt. Summed over positions and averaged over t in [0, 1] and over x_t it bounds -log p(x0), up to
/// the terms at both ends, which vanish for alpha = 0 and 1 there.
///
/// `alpha_rate` is d alpha / dt, below 0: -1 for a log-linear schedule with eps = 0.
///
/// Source    Schiff et al. 2024, arXiv:2412.10193.
/// Shapes    predicted: [classes], probabilities that sum to 1.
/// Errors    alpha outside (0, 1), a rate that is not below 0, or a class outside [0, classes):
///           throws diffx::error.
inline double uniform_nelbo_rate(std::span<double const> predicted, int data, int seen,
                                 double alpha, double alpha_rate) {
  constexpr auto where = "diffx::analysis::uniform_nelbo_rate";
  auto const classes = static_cast<int>(predicted.size());
  detail::require(alpha > 0.0 && alpha < 1.0, where, "alpha", alpha, "in (0, 1)");
  detail::require(alpha_rate < 0.0, where, "alpha_rate", alpha_rate, "below 0");
  detail::require(data >= 0 && data < classes, where, "data", data, "a class");
  detail::require(seen >= 0 && seen < classes, where, "seen", seen, "a class");
  double const k = classes, rest = 1.0 - alpha;
  auto const clean = [&](int j) { return rest + (j == data ? k * alpha : 0.0); };
  auto const guess = [&](int j) {
    return rest + k * alpha * predicted[static_cast<std::size_t>(j)];
  };
  double const clean_z = clean(seen), guess_z = guess(seen);
  double sum = k / guess_z - k / clean_z;
  for (int j = 0; j < classes; ++j) {
    sum += clean(j) / clean_z * std::log(guess_z / guess(j) * (clean(j) / clean_z));
  }
  return -alpha_rate / (k * alpha) * sum;
}

}  // namespace diffx::analysis
