#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace test {

/// Least squares slope of log y against log x.
inline double log_log_slope(std::vector<double> const& x, std::vector<double> const& y) {
  auto const n = static_cast<double>(x.size());
  double mean_x = 0.0;
  double mean_y = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += std::log(x[i]) / n;
    mean_y += std::log(y[i]) / n;
  }
  double xy = 0.0;
  double xx = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const dx = std::log(x[i]) - mean_x;
    xy += dx * (std::log(y[i]) - mean_y);
    xx += dx * dx;
  }
  return xy / xx;
}

/// A measured order of convergence.
struct convergence {
  std::vector<double> steps;
  std::vector<double> errors;
  double fitted = 0.0;  // minus the slope over all step counts
  double last = 0.0;    // minus the slope between the last two

  /// House rule: the fit within 0.2 of p, the last local slope within 0.12, the last error above
  /// 1e-12 (below that rounding is being fitted: use smaller step counts).
  bool has_order(double p) const {
    return std::abs(fitted - p) <= 0.2 && std::abs(last - p) <= 0.12 && errors.back() > 1e-12;
  }
};

/// Runs `error_of(N)` for each N. Smaller step counts than the default mislead: a third-order
/// multistep scheme shows slopes of 2.5 at N = 20 to 80 and settles at 2.06.
template <class ErrorOf>
convergence measure_order(ErrorOf error_of, std::vector<int> const& counts = {80, 160, 320, 640}) {
  convergence result;
  for (int const n : counts) {
    result.steps.push_back(n);
    result.errors.push_back(error_of(n));
  }
  result.fitted = -log_log_slope(result.steps, result.errors);
  std::size_t const m = counts.size();
  result.last = -std::log(result.errors[m - 1] / result.errors[m - 2]) /
                std::log(result.steps[m - 1] / result.steps[m - 2]);
  return result;
}

}  // namespace test
