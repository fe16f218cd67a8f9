#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>

namespace diffx::noise {

/// The standard normal quantile, 0 < u < 1, to about 1e-15: Newton's iteration on erfc, with a
/// second-order correction, from the start of Abramowitz and Stegun 26.2.23.
inline double normal_quantile(double u) noexcept {
  double const tail = u < 0.5 ? u : 1.0 - u;
  double const t = std::sqrt(-2.0 * std::log(tail));
  double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                     (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 3; ++i) {  // x > 0 with upper tail `tail`
    double const excess = 0.5 * std::erfc(x * 0.70710678118654752440) - tail;
    double const d = excess * 2.50662827463100050242 * std::exp(0.5 * x * x);
    x += d / (1.0 - 0.5 * x * d);
  }
  return u < 0.5 ? -x : x;
}

/// Every quantile once, in order: element e of sample s is the normal quantile of
/// u_k = (k + 1/2) / m with k = (s features + e) mod m. Sums over a grid replace statistics.
///
/// Shapes    [batch, features]; all keys give the same numbers, and so do forks.
/// Errors    m < 1 or features < 1 throws on construction.
class grid {
 public:
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::grid";

  grid(std::int64_t m, std::int64_t features) : m_(m), features_(features) {
    constexpr auto where = "diffx::noise::grid";
    detail::require(m >= 1, where, "m", static_cast<long long>(m), "at least 1");
    detail::require(features >= 1, where, "features", static_cast<long long>(features),
                    "at least 1");
  }

  double uniform(std::int64_t sample, std::int64_t element) const noexcept {
    std::int64_t const k = ((sample % m_) * (features_ % m_) + element) % m_;
    return (static_cast<double>(k) + 0.5) / static_cast<double>(m_);
  }

  template <class T>
  void fill(key, std::int64_t sample, std::int64_t first, int n, T* out) const noexcept {
    for (int e = 0; e < n; ++e) {
      out[e] = static_cast<T>(normal_quantile(uniform(sample, first + e)));
    }
  }

  grid fork(std::uint64_t) const noexcept { return *this; }

 private:
  std::int64_t m_, features_;
};

static_assert(noise_source<grid>);

}  // namespace diffx::noise
