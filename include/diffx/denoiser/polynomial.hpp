#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/prediction/x0.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// A polynomial in lambda, the same for every element and independent of the state.
///
///     raw output = c_0 + c_1 lambda + c_2 lambda^2 + ...
///
/// An exponential solver of order k with exact weights is exact on a polynomial of degree k - 1, on
/// any grid: the test that sees a wrong step ratio, which the measured order does not.
///
/// Shapes    x, out: [batch, features]. Host memory.
/// Requires  a finite lambda, that is sigma > 0 and alpha > 0, unless the degree is 0.
/// Errors    none.
template <class Prediction = diffx::prediction::x0>
struct polynomial {
  static constexpr int branches = 1;
  Prediction prediction{};
  std::vector<double> coefficients;  // c_0, c_1, ...

  polynomial() = default;
  explicit polynomial(std::vector<double> coefficients_, Prediction prediction_ = {})
      : prediction(prediction_), coefficients(std::move(coefficients_)) {}

  /// Horner's rule from the highest coefficient, which multiplies nothing at degree 0.
  double operator()(double lambda) const {
    if (coefficients.empty()) return 0.0;
    double sum = coefficients.back();
    for (std::size_t j = coefficients.size() - 1; j-- > 0;) sum = sum * lambda + coefficients[j];
    return sum;
  }

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    auto const value = static_cast<T>((*this)(q.at.lambda));
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = value;
  }
};

polynomial(std::vector<double>)->polynomial<>;

}  // namespace diffx::denoiser
