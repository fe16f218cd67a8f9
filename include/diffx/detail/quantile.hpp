#pragma once

#include <diffx/detail/pass.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace diffx::detail {

/// Per sample: the quantile of |x0| that dynamic thresholding clamps to.
template <class T>
struct quantile_op {
  pass_data<T> data;
  int sources;
  T* scratch;  // [batch, features]
  double quantile, largest;
  T* limit;

  void operator()(std::int64_t sample) const {
    T* const row = scratch + sample * data.features;
    T const factor = data.sample_factor != nullptr ? data.sample_factor[sample] : T(1);
    std::int64_t n = 0;  // what stays as it is does not count
    for (std::int64_t i = 0; i < data.features; ++i) {
      std::int64_t const at = sample * data.features + i;
      if (data.fixed != nullptr && data.fixed[at] != 0) continue;
      std::int64_t const p = sample * data.prediction_features + i;
      T combined = T(0);
      for (int g = 0; g < sources; ++g)
        combined = fma(data.source_weight[g], data.source[g][p], combined);
      T const x = data.state[0][at];
      row[n++] = std::fabs(fma(data.to_x0, combined * factor, data.to_x0_state * x));
    }
    if (n == 0) {
      limit[sample] = T(1);
      return;
    }
    double const place = quantile * static_cast<double>(n - 1);
    auto const low = static_cast<std::int64_t>(place);
    double const fraction = place - static_cast<double>(low);
    std::nth_element(row, row + low, row + n);
    double value = static_cast<double>(row[low]);
    if (fraction > 0.0) {
      double const next = static_cast<double>(*std::min_element(row + low + 1, row + n));
      value += fraction * (next - value);
    }
    limit[sample] = static_cast<T>(std::clamp(value, 1.0, largest));
  }
};

}  // namespace diffx::detail
