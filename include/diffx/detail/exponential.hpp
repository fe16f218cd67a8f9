#pragma once

#include <cmath>

namespace diffx::detail {

/// sqrt(1 - e^{-x}) for x >= 0, without cancellation; 1 at x = +inf.
inline double sqrt_one_minus_exp(double x) noexcept { return std::sqrt(-std::expm1(-x)); }

/// phi_k(z) = sum_j z^j / (j + k)!: phi_1 = (e^z - 1) / z, phi_{k+1} = (phi_k - 1/k!) / z.
/// Finite everywhere, and 0 at z = -inf.
inline double phi(int k, double z) noexcept {
  if (std::isinf(z) && z < 0.0) return 0.0;
  double inverse_factorial = 1.0;  // 1 / k!
  for (int j = 2; j <= k; ++j) inverse_factorial /= j;
  if (std::fabs(z) < 0.5) {  // the recursion cancels here; the series needs few terms
    double term = inverse_factorial, sum = term;
    for (int j = 1; std::fabs(term) > 1e-18 * std::fabs(sum) && j < 40; ++j) {
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

}  // namespace diffx::detail
