#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace diffx::domain::relational {

/// Rows of features, row after row, between which distances are taken.
struct points {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::vector<double> values;

  double const* row(std::int64_t i) const noexcept { return values.data() + i * width; }
  batch_view<double const> view() const noexcept { return {values.data(), rows, width}; }
};

}  // namespace diffx::domain::relational

namespace diffx::detail {

inline void require_points(std::string_view where, batch_view<double const> x) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    require(std::isfinite(x.data[i]), where, "a feature", x.data[i], "finite");
  }
}

inline double squared_distance(double const* a, double const* b, std::int64_t n) noexcept {
  double d = 0.0;
  for (std::int64_t j = 0; j < n; ++j) d += (a[j] - b[j]) * (a[j] - b[j]);
  return d;
}

}  // namespace diffx::detail
