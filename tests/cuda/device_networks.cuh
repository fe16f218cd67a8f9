#pragma once

// Networks that run wherever the executor does, element by element.

#include <diffx/concepts/denoiser.hpp>
#include <diffx/config.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace test {

struct wave {
  static constexpr int branches = 2;
  diffx::prediction::eps prediction{};

  struct op {
    float const* x;
    float* out;
    std::int64_t features;
    float t, shift;
    DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
      for (int i = 0; i < n; ++i) {
        std::int64_t const e = sample * features + first + i;
        out[e] = 0.8f * x[e] / (1.0f + 0.1f * x[e] * x[e]) + 0.05f * t + shift;
      }
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    exec.for_each_tile(x.batch, x.features,
                       op{x.data, out.data, x.features, static_cast<float>(q.at.t),
                          0.1f * static_cast<float>(q.branch)});
  }
};

/// One logit a packed bit, from the bit and its place.
struct logits_of_bits {
  diffx::prediction::x0_posterior<> prediction{};

  struct op {
    std::uint32_t const* x;
    float* out;
    std::int64_t words, bits;
    DIFFX_HD void operator()(std::int64_t i) const {
      std::int64_t const row = i / bits, k = i - row * bits;
      std::int64_t const one = x[row * words + k / 32] >> (k % 32) & 1u;
      out[i] = 0.3f * static_cast<float>((row * 7 + k * 5 + one * 3) % 13 - 6);
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<std::uint32_t const> x, diffx::query const&,
                  diffx::batch_view<float> out) const {
    exec.for_each_sample(out.size(), op{x.data, out.data, x.features, out.features});
  }
};

/// The largest difference, as a share of the largest value of the first.
inline double largest_difference(std::vector<float> const& a, std::vector<float> const& b) {
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::fmax(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::fmax(largest, std::fabs(static_cast<double>(a[i])));
  }
  return worst / largest;
}

}  // namespace test
