#include <diffx/denoiser/symmetric_eigen.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <utility>
#include <vector>

namespace {

using diffx::denoiser::eigen_decompose;

// Largest deviation of sum_j l_j u_j u_j^T from the matrix, and of u_i . u_j from 1 or 0.
std::pair<double, double> defects(std::vector<double> const& matrix, std::size_t d) {
  auto const e = eigen_decompose(matrix, d);
  double rebuilt = 0.0, orthonormal = 0.0;
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      double sum = 0.0, dot = 0.0;
      for (std::size_t k = 0; k < d; ++k) {
        sum += e.values[k] * e.vectors[k * d + i] * e.vectors[k * d + j];
        dot += e.vectors[i * d + k] * e.vectors[j * d + k];
      }
      rebuilt = std::max(rebuilt, std::abs(sum - matrix[i * d + j]));
      orthonormal = std::max(orthonormal, std::abs(dot - (i == j ? 1.0 : 0.0)));
    }
  }
  return {rebuilt, orthonormal};
}

TEST_CASE("symmetric_eigen: axes are orthonormal and rebuild the matrix") {
  for (std::size_t const d : {1u, 2u, 3u, 8u, 40u}) {
    std::vector<double> matrix(d * d);
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        matrix[i * d + j] = matrix[j * d + i] = std::sin(static_cast<double>(3 * i + j * j + 1));
      }
    }
    auto const [rebuilt, orthonormal] = defects(matrix, d);
    // Elements below 1, about ten sweeps of d rotations that touch each element: 10 d eps at worst,
    // times the norm of the matrix (below d) for the first.
    double const bound = 10.0 * static_cast<double>(d) * 2.2e-16;
    CHECK(rebuilt <= bound * static_cast<double>(d));
    CHECK(orthonormal <= bound);
  }
}

TEST_CASE("symmetric_eigen: equal, zero and widely different eigenvalues") {
  CHECK(eigen_decompose({2.0, 0.0, 0.0, 2.0}, 2).values == std::vector{2.0, 2.0});
  CHECK(eigen_decompose({0.0, 0.0, 0.0, 0.0}, 2).values == std::vector{0.0, 0.0});
  auto const wide = eigen_decompose({1e8, 1.0, 1.0, 1e-8}, 2);
  // Determinant 1 - 1 = 0: the smaller eigenvalue vanishes to eps times the larger.
  CHECK(std::abs(std::min(wide.values[0], wide.values[1])) <= 1e-7);
  auto const [rebuilt, orthonormal] = defects({1.0, 1.0, 1.0, 1.0}, 2);
  CHECK(rebuilt <= 1e-15);
  CHECK(orthonormal <= 1e-15);
}

}  // namespace
