#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/config.hpp>
#include <diffx/noise/address.hpp>

#include <cstdint>
#include <string_view>

namespace diffx::noise {

/// No noise at all: a stochastic solver's mean path, and the reference of impulse tests.
///
/// Errors    none. A fork is zero too.
struct zero {
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::zero";

  template <class T>
  DIFFX_HD void fill(key, std::int64_t, std::int64_t, int n, T* out) const noexcept {
    for (int e = 0; e < n; ++e) out[e] = T(0);
  }

  zero fork(std::uint64_t) const noexcept { return {}; }
};

static_assert(noise_source<zero>);

}  // namespace diffx::noise
