#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/detail/sample_sums.hpp>
#include <diffx/noise/address.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

// What a solver that looks at its own state measures: one sum of squares per sample, in double and
// in the order of sample_sums, so that it does not depend on tile, thread or backend.

namespace diffx::detail {

/// Where a loop over n of W neighbouring elements ends. Of four all are gone through, those that
/// are not there as zeros: a bound that is known keeps them in registers.
template <int W>
DIFFX_HD inline constexpr int end_of(int n) noexcept {
  return W == 4 ? W : n;
}

/// The first n of W neighbouring elements, of four with 16-byte accesses.
template <int W, class V, class T>
DIFFX_HD inline void read(V const* from, int n, T (&to)[W]) noexcept {
  if constexpr (W == 4) {
    bool const aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(quad<V>) == 0;
    if (n == W && aligned) return load<true>(from, n, to);
    load<false>(from, n, to);
  } else {
    for (int i = 0; i < n; ++i) to[i] = widened<T>(from[i]);
  }
}

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
    for (int j = 0; j < terms; ++j) {
      sum = fma(weight[j], widened<double>(tensor[j][i]), sum);
    }
    return sum;
  }
  /// The n <= W of them from `first`.
  template <int W>
  DIFFX_HD void at(std::int64_t first, int n, double (&sum)[W]) const noexcept {
    for (int i = 0; i < end_of<W>(n); ++i) sum[i] = 0.0;
    for (int j = 0; j < terms; ++j) {
      arithmetic_t<T> values[W];
      read(tensor[j] + first, n, values);
      for (int i = 0; i < end_of<W>(n); ++i) {
        sum[i] = fma(weight[j], static_cast<double>(values[i]), sum[i]);
      }
    }
  }
};

/// Adds the squares of what is free.
template <int W>
DIFFX_HD inline void add_squares(double const (&value)[W], std::uint8_t const* fixed, int n,
                                 double (&sum)[W]) noexcept {
  for (int i = 0; i < end_of<W>(n); ++i) {
    double const v = i >= n || (fixed != nullptr && fixed[i] != 0) ? 0.0 : value[i];
    sum[i] = fma(v, v, sum[i]);
  }
}

/// How an error is weighed: |value| over atol + rtol max(|a|, |b|), or over the larger of the two.
enum class tolerance_rule { sum, larger };

/// Sum of squares of a combination.
template <class T>
struct squares_op {
  static constexpr int sums = 1;

  combination<T> value;
  std::int64_t features;
  double* out;                          // [batch]
  std::uint8_t const* fixed = nullptr;  // 1 where an element does not count

  struct row_type {
    squares_op const& op;
    std::int64_t sample;

    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[1][W]) const noexcept {
      std::int64_t const at = sample * op.features + first;
      double v[W];
      op.value.at(at, n, v);
      add_squares(v, op.fixed != nullptr ? op.fixed + at : nullptr, n, sum[0]);
    }
    DIFFX_HD void finish(double const (&sum)[1]) const noexcept { op.out[sample] = sum[0]; }
  };
  DIFFX_HD row_type row(std::int64_t sample) const noexcept { return {*this, sample}; }
};

/// Sum of squares of a combination, every element over its tolerance.
template <class T>
struct scaled_squares_op {
  static constexpr int sums = 1;

  combination<T> value, a, b;
  double atol, rtol;
  tolerance_rule rule;
  std::int64_t features;
  double* out;  // [batch]

  struct row_type {
    scaled_squares_op const& op;
    std::int64_t sample;

    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[1][W]) const noexcept {
      std::int64_t const at = sample * op.features + first;
      double value[W], a[W], b[W];
      op.value.at(at, n, value);
      op.a.at(at, n, a);
      op.b.at(at, n, b);
      for (int i = 0; i < end_of<W>(n); ++i) {
        double const size_a = ::fabs(a[i]), size_b = ::fabs(b[i]);
        double const size = size_a > size_b ? size_a : size_b, relative = op.rtol * size;
        double const larger = relative > op.atol ? relative : op.atol;
        value[i] /= op.rule == tolerance_rule::sum ? fma(op.rtol, size, op.atol) : larger;
      }
      add_squares(value, nullptr, n, sum[0]);
    }
    DIFFX_HD void finish(double const (&sum)[1]) const noexcept { op.out[sample] = sum[0]; }
  };
  DIFFX_HD row_type row(std::int64_t sample) const noexcept { return {*this, sample}; }
};

/// Sum of squares of a variate.
template <class T, class Noise>
struct noise_squares_op {
  static constexpr int sums = 1;

  Noise noise;
  noise::key key;
  std::int64_t first_sample, features;
  double* out;                          // [batch]
  std::uint8_t const* fixed = nullptr;  // 1 where an element does not count

  struct row_type {
    noise_squares_op const& op;
    std::int64_t sample;

    template <int W>
    DIFFX_HD void add(std::int64_t first, int n, double (&sum)[1][W]) const noexcept {
      arithmetic_t<T> z[W];
      double v[W];
      op.noise.fill(op.key, op.first_sample + sample, first, n, z);
      for (int i = 0; i < end_of<W>(n); ++i) v[i] = i < n ? static_cast<double>(z[i]) : 0.0;
      std::int64_t const at = sample * op.features + first;
      add_squares(v, op.fixed != nullptr ? op.fixed + at : nullptr, n, sum[0]);
    }
    DIFFX_HD void finish(double const (&sum)[1]) const noexcept { op.out[sample] = sum[0]; }
  };
  DIFFX_HD row_type row(std::int64_t sample) const noexcept { return {*this, sample}; }
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
  for_each_sum(exec, batch, op);
  double sum = 0.0;
  for_each_measured(exec, op.out, batch, [&](double v) { sum += v; });
  return std::sqrt(sum / static_cast<double>(batch * op.features));
}

/// Mean over the batch of the samples' Euclidean norms; 0 for an empty one.
template <class Exec, class Op>
double mean_norm(Exec const& exec, std::int64_t batch, Op const& op) {
  if (batch == 0) return 0.0;
  for_each_sum(exec, batch, op);
  double sum = 0.0;
  for_each_measured(exec, op.out, batch, [&](double v) { sum += std::sqrt(v); });
  return sum / static_cast<double>(batch);
}

}  // namespace diffx::detail
