#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

// Square matrices of probabilities, row-major, in double: row i is a law given i. All entries are
// at least 0, so products lose no digits.

namespace diffx::detail {

using square_matrix = std::vector<double>;

inline square_matrix identity_matrix(int n) {
  auto const size = static_cast<std::size_t>(n);
  square_matrix out(size * size, 0.0);
  for (std::size_t i = 0; i < size; ++i) out[i * size + i] = 1.0;
  return out;
}

inline square_matrix product(square_matrix const& a, square_matrix const& b, int n) {
  auto const size = static_cast<std::size_t>(n);
  square_matrix out(size * size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < size; ++k) {
      double const scale = a[i * size + k];
      if (scale == 0.0) continue;
      for (std::size_t j = 0; j < size; ++j) out[i * size + j] += scale * b[k * size + j];
    }
  }
  return out;
}

/// Divides every row by its sum.
inline void normalise_rows(square_matrix& a, int n) {
  auto const size = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i < size; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < size; ++j) sum += a[i * size + j];
    for (std::size_t j = 0; j < size; ++j) a[i * size + j] /= sum;
  }
}

/// exp(time R) of a generator R (rows that add up to 0, at least 0 off the diagonal), by
/// uniformisation: with q the largest rate and P = I + R / q, a matrix of probabilities,
///
///     exp(x R / q) = sum_n e^-x x^n / n! P^n
///
/// for an x of at most 1, and by squaring from there. Nothing is subtracted.
inline square_matrix exp_generator(square_matrix const& rates, int n, double time) {
  auto const size = static_cast<std::size_t>(n);
  double fastest = 0.0;
  for (std::size_t i = 0; i < size; ++i) fastest = std::fmax(fastest, -rates[i * size + i]);
  double x = fastest * time;
  if (x == 0.0) return identity_matrix(n);
  int squarings = 0;
  for (; x > 1.0; x *= 0.5) ++squarings;
  square_matrix jump = identity_matrix(n);
  for (std::size_t k = 0; k < jump.size(); ++k) jump[k] += rates[k] / fastest;
  for (std::size_t i = 0; i < size; ++i) {
    // 1 - 1 of the fastest state must not be a negative rounding error.
    if (jump[i * size + i] < 0.0) jump[i * size + i] = 0.0;
  }
  square_matrix power = identity_matrix(n), out(size * size, 0.0);
  double weight = std::exp(-x);
  for (int k = 0; weight > 1e-22; weight *= x / ++k) {
    for (std::size_t j = 0; j < out.size(); ++j) out[j] += weight * power[j];
    power = product(power, jump, n);
  }
  normalise_rows(out, n);
  for (; squarings > 0; --squarings) {
    out = product(out, out, n);
    normalise_rows(out, n);
  }
  return out;
}

/// Largest difference between entries of one column: 0 if every row is the same law.
inline double row_spread(square_matrix const& a, int n) {
  auto const size = static_cast<std::size_t>(n);
  double spread = 0.0;
  for (std::size_t i = 1; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      spread = std::fmax(spread, std::fabs(a[i * size + j] - a[j]));
    }
  }
  return spread;
}

}  // namespace diffx::detail
