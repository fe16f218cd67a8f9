#pragma once

#include <cmath>

namespace test {

/// int_0^h e^{c (h - u)} f(u) du by Simpson's rule on 2000 intervals: 1e-14 for the smooth f of
/// tests.
template <class F>
double exponential_integral(double h, double c, F const& f) {
  constexpr int n = 2000;
  double sum = 0.0;
  for (int i = 0; i <= n; ++i) {
    double const u = h * i / n;
    double const weight = i == 0 || i == n ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
    sum += weight * std::exp(c * (h - u)) * f(u);
  }
  return sum * h / (3.0 * n);
}

}  // namespace test
