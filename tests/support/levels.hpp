#pragma once

#include <cmath>

#include <diffx/step.hpp>

namespace test {

/// The variance-preserving level with this lambda: alpha^2 + sigma^2 = 1. Written with no reference
/// to the library's processes, which are tested against it.
inline diffx::level vp(double lambda) {
  double const alpha = 1.0 / std::sqrt(1.0 + std::exp(-2.0 * lambda));
  double const sigma = 1.0 / std::sqrt(1.0 + std::exp(2.0 * lambda));
  double const t = 1.0 / (1.0 + std::exp(lambda));
  return {t, alpha, sigma, lambda, t};
}

/// The straight path alpha = 1 - tau, sigma = tau.
inline diffx::level flow(double tau) {
  return {tau, 1.0 - tau, tau, std::log((1.0 - tau) / tau), tau};
}

/// alpha = 1, sigma = 0.
inline diffx::level clean() { return {}; }

}  // namespace test
