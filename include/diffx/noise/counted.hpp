#pragma once

#include <cstdint>
#include <string_view>

#include <diffx/concepts/noise.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/random.hpp>

namespace diffx::noise {

/// Standard normals computed from their address: nothing is stored, nothing is advanced.
///
/// Source    Philox4x32-10 and Box-Muller, see random.hpp; |z| <= 6.77.
/// Shapes    any; one block of random words serves four neighbouring elements of a sample.
/// Bits      equal for vector bodies and tails, any split into calls, any number of threads.
/// Errors    none.
struct counted {
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::counted";

  std::uint64_t seed = 0;

  /// Elements first .. first + n of one sample; `first` is a multiple of four.
  template <class T>
  DIFFX_HD void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const noexcept {
    auto const seed_key = random::key_from_seed(seed);
    std::int64_t group = first / 4;
#if !defined(__CUDA_ARCH__)
    constexpr int tile = 4 * lanes;
    for (; n >= tile; n -= tile, out += tile, group += lanes) {
      fill_lanes(seed_key, counter(k, sample, group), out);
    }
    if (n > 8) {  // a whole tile costs less than the scalar code of three groups
      T z[tile];
      fill_lanes(seed_key, counter(k, sample, group), z);
      for (int e = 0; e < n; ++e) out[e] = z[e];
      return;
    }
#endif
    for (; n > 0; n -= 4, out += 4, ++group) {
      T z[4];
      random::normals(random::philox4x32(counter(k, sample, group), seed_key), z);
      for (int e = 0; e < 4; ++e) {
        if (e < n) out[e] = z[e];
      }
    }
  }

  /// The source of a fork: independent of this one and of its other forks.
  counted fork(std::uint64_t label) const noexcept { return {random::derive_seed(seed, label)}; }

 private:
  static constexpr int lanes = 16;

  /// Neighbouring groups at once: the same arithmetic as the scalar code, in short loops over
  /// arrays of constant length, which is what every compiler vectorises.
  template <class T>
  static void fill_lanes(random::philox_key seed_key, random::words4 base, T* out) noexcept {
    std::uint32_t w0[lanes], w1[lanes], w2[lanes], w3[lanes];
    for (int i = 0; i < lanes; ++i) {
      random::words4 const w = random::philox4x32({{base.word[0] + static_cast<std::uint32_t>(i),
                                                    base.word[1], base.word[2], base.word[3]}},
                                                  seed_key);
      w0[i] = w.word[0];
      w1[i] = w.word[1];
      w2[i] = w.word[2];
      w3[i] = w.word[3];
    }
    T z0[lanes], z1[lanes], z2[lanes], z3[lanes];
    for (int i = 0; i < lanes; ++i) random::detail::box_muller(w0[i], w1[i], z0[i], z1[i]);
    for (int i = 0; i < lanes; ++i) random::detail::box_muller(w2[i], w3[i], z2[i], z3[i]);
    for (int i = 0; i < lanes; ++i) {
      out[4 * i] = z0[i];
      out[4 * i + 1] = z1[i];
      out[4 * i + 2] = z2[i];
      out[4 * i + 3] = z3[i];
    }
  }
};

static_assert(noise_source<counted>);

}  // namespace diffx::noise
