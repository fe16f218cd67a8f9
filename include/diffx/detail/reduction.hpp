#pragma once

#include <diffx/config.hpp>
#include <diffx/noise/address.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

// What a solver that looks at its own state measures: one sum of squares per sample, in double and
// in the order of the elements, so that it does not depend on tile, thread or backend.

namespace diffx::detail {

/// sum_j weight[j] tensor[j], element by element.
template <class T>
struct combination {
  static constexpr int max_terms = 11;
  T const* tensor[max_terms] = {};  // [batch, features]
  double weight[max_terms] = {};
  int terms = 0;

  void add(T const* values, double w) noexcept {
    if (w == 0.0) return;
    tensor[terms] = values;
    weight[terms++] = w;
  }
  DIFFX_HD double at(std::int64_t i) const noexcept {
    double sum = 0.0;
    for (int j = 0; j < terms; ++j) sum += weight[j] * static_cast<double>(tensor[j][i]);
    return sum;
  }
};

/// How an error is weighed: |value| over atol + rtol max(|a|, |b|), or over the larger of the two.
enum class tolerance_rule { sum, larger };

/// Sum of squares of a combination.
template <class T>
struct squares_op {
  combination<T> value;
  std::int64_t features;
  double* out;                          // [batch]
  std::uint8_t const* fixed = nullptr;  // 1 where an element does not count

  DIFFX_HD void operator()(std::int64_t sample) const {
    double sum = 0.0;
    for (std::int64_t i = sample * features; i < (sample + 1) * features; ++i) {
      if (fixed != nullptr && fixed[i] != 0) continue;
      double const v = value.at(i);
      sum += v * v;
    }
    out[sample] = sum;
  }
};

/// Sum of squares of a combination, every element over its tolerance.
template <class T>
struct scaled_squares_op {
  combination<T> value, a, b;
  double atol, rtol;
  tolerance_rule rule;
  std::int64_t features;
  double* out;  // [batch]

  DIFFX_HD void operator()(std::int64_t sample) const {
    double sum = 0.0;
    for (std::int64_t i = sample * features; i < (sample + 1) * features; ++i) {
      double const size_a = ::fabs(a.at(i)), size_b = ::fabs(b.at(i));
      double const relative = rtol * (size_a > size_b ? size_a : size_b);
      double const larger = relative > atol ? relative : atol;
      double const v = value.at(i) / (rule == tolerance_rule::sum ? atol + relative : larger);
      sum += v * v;
    }
    out[sample] = sum;
  }
};

/// Sum of squares of a variate.
template <class T, class Noise>
struct noise_squares_op {
  Noise noise;
  noise::key key;
  std::int64_t first_sample, features;
  double* out;                          // [batch]
  std::uint8_t const* fixed = nullptr;  // 1 where an element does not count

  DIFFX_HD void operator()(std::int64_t sample) const {
    constexpr int width = 64;
    T z[width];
    double sum = 0.0;
    for (std::int64_t first = 0; first < features; first += width) {
      std::int64_t const left = features - first;
      int const n = static_cast<int>(left < width ? left : width);
      noise.fill(key, first_sample + sample, first, n, z);
      for (int i = 0; i < n; ++i) {
        if (fixed != nullptr && fixed[sample * features + first + i] != 0) continue;
        sum += static_cast<double>(z[i]) * static_cast<double>(z[i]);
      }
    }
    out[sample] = sum;
  }
};

/// Visits one number per sample in order. Off the host it waits for the device, which the
/// execution object's read_back(to, from, bytes) does.
template <class Exec, class F>
void for_each_measured(Exec const& exec, double const* values, std::int64_t batch, F const& f) {
  if constexpr (Exec::on_host) {
    for (std::int64_t i = 0; i < batch; ++i) f(values[i]);
  } else {
    constexpr std::int64_t chunk = 256;
    double here[chunk];
    for (std::int64_t first = 0; first < batch; first += chunk) {
      std::int64_t const n = std::min(chunk, batch - first);
      exec.read_back(here, values + first, static_cast<std::size_t>(n) * sizeof(double));
      for (std::int64_t i = 0; i < n; ++i) f(here[i]);
    }
  }
}

/// Root mean square over all elements of the batch; 0 for an empty one.
template <class Exec, class Op>
double root_mean_square(Exec const& exec, std::int64_t batch, Op const& op) {
  if (batch == 0) return 0.0;
  exec.for_each_sample(batch, op);
  double sum = 0.0;
  for_each_measured(exec, op.out, batch, [&](double v) { sum += v; });
  return std::sqrt(sum / static_cast<double>(batch * op.features));
}

/// Mean over the batch of the samples' Euclidean norms; 0 for an empty one.
template <class Exec, class Op>
double mean_norm(Exec const& exec, std::int64_t batch, Op const& op) {
  if (batch == 0) return 0.0;
  exec.for_each_sample(batch, op);
  double sum = 0.0;
  for_each_measured(exec, op.out, batch, [&](double v) { sum += std::sqrt(v); });
  return sum / static_cast<double>(batch);
}

}  // namespace diffx::detail
