#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace diffx::denoiser {

/// Eigenvalues and orthonormal eigenvectors of a small symmetric matrix, C = sum_j l_j u_j u_j^T.
struct symmetric_eigen {
  std::vector<double> values;   // [d], in no order
  std::vector<double> vectors;  // [d, d], row j is u_j
};

/// Cyclic Jacobi rotations: every sweep turns each off-diagonal element to 0 in turn. Convergence
/// is quadratic, so 30 sweeps are far more than a small matrix takes; the usual count is below 10.
///
/// Source    Golub & Van Loan, Matrix Computations, 4th edition, section 8.5.
/// Shapes    matrix: [d, d], symmetric; the upper triangle is read.
/// Errors    none.
inline symmetric_eigen eigen_decompose(std::vector<double> matrix, std::size_t d) {
  symmetric_eigen result{std::vector<double>(d), std::vector<double>(d * d, 0.0)};
  auto a = [&](std::size_t i, std::size_t j) -> double& { return matrix[i * d + j]; };
  for (std::size_t i = 0; i < d; ++i) {
    result.vectors[i * d + i] = 1.0;
    for (std::size_t j = 0; j < i; ++j) a(i, j) = a(j, i);
  }
  auto rotate = [](double& p, double& q, double c, double s) {
    double const old = p;
    p = c * old - s * q;
    q = s * old + c * q;
  };
  for (int sweep = 0; sweep < 30; ++sweep) {
    bool diagonal = true;
    for (std::size_t p = 0; p < d; ++p) {
      for (std::size_t q = p + 1; q < d; ++q) {
        if (a(p, q) == 0.0) continue;
        diagonal = false;
        double const theta = 0.5 * (a(q, q) - a(p, p)) / a(p, q);
        double const sign = theta < 0.0 ? -1.0 : 1.0;
        double const t = sign / (std::abs(theta) + std::hypot(theta, 1.0));
        double const c = 1.0 / std::sqrt(t * t + 1.0);
        double const s = t * c;
        for (std::size_t k = 0; k < d; ++k) rotate(a(k, p), a(k, q), c, s);
        for (std::size_t k = 0; k < d; ++k) rotate(a(p, k), a(q, k), c, s);
        for (std::size_t k = 0; k < d; ++k) {
          rotate(result.vectors[p * d + k], result.vectors[q * d + k], c, s);
        }
        double const scale = std::abs(a(p, p)) + std::abs(a(q, q));
        if (std::abs(a(p, q)) <= 1e-17 * scale) a(p, q) = a(q, p) = 0.0;
      }
    }
    if (diagonal) break;
  }
  for (std::size_t i = 0; i < d; ++i) result.values[i] = a(i, i);
  return result;
}

}  // namespace diffx::denoiser
