#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/random.hpp>

#include <cstdint>
#include <string_view>

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
    for (; n >= 4 * lanes; n -= 4 * lanes, out += 4 * lanes, group += lanes) {
      fill_lanes<lanes>(seed_key, counter(k, sample, group), out);
    }
    for (; n >= 4 * few_lanes; n -= 4 * few_lanes, out += 4 * few_lanes, group += few_lanes) {
      fill_lanes<few_lanes>(seed_key, counter(k, sample, group), out);
    }
    if (n > 16) {  // all lanes cost as much as the scalar code of 3 (AVX-512) to 7 (SSE2) groups
      T z[4 * few_lanes];
      fill_lanes<few_lanes>(seed_key, counter(k, sample, group), z);
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

  /// Elements first .. first + n of rows of `features` laid end to end, of one sample after the
  /// other. Short rows share the lanes; `first` is any.
  template <class T>
  void fill_rows(key k, std::int64_t sample, std::int64_t features, std::int64_t first, int n,
                 T* out) const noexcept {
    std::int64_t const row = first / features, column = first - row * features;
    place at{sample + row, column / 4, static_cast<int>(column % 4)};
    auto const seed_key = random::key_from_seed(seed);
    while (n > 0) {
      std::int64_t const left = features - 4 * at.group;
      int done;
      if (at.skip == 0 && left >= 4 * lanes) {
        done = static_cast<int>(left < n ? left : n);
        fill(k, at.sample, 4 * at.group, done, out);
        at = {at.sample + 1, 0, 0};  // where the row has not ended, n has
      } else if (n > 4 * few_lanes) {
        done = fill_places<lanes>(seed_key, k, features, at, n, out);
      } else {
        done = fill_places<few_lanes>(seed_key, k, features, at, n, out);
      }
      n -= done;
      out += done;
    }
  }

  /// The words of one position of a block of classes. Normals take one block of words for four
  /// elements; blocks of the state have addresses of their own, so the two never meet.
  DIFFX_HD random::words4 words(key k, std::int64_t sample, std::int64_t position) const noexcept {
    return random::philox4x32(counter(k, sample, position), random::key_from_seed(seed));
  }

  /// The same of many places at once, one column each, in loops that compilers vectorise.
  template <int Lanes>
  void words(key k, std::int64_t const (&sample)[Lanes], std::int64_t const (&position)[Lanes],
             std::uint32_t (&out)[4][Lanes]) const noexcept {
    // Word by word: each is a loop without the others' arithmetic.
    for (int i = 0; i < Lanes; ++i) out[0][i] = counter(k, sample[i], position[i]).word[0];
    for (int i = 0; i < Lanes; ++i) out[1][i] = counter(k, sample[i], position[i]).word[1];
    for (int i = 0; i < Lanes; ++i) out[2][i] = counter(k, sample[i], position[i]).word[2];
    for (int i = 0; i < Lanes; ++i) out[3][i] = counter(k, sample[i], position[i]).word[3];
    random::philox4x32_lanes(out[0], out[1], out[2], out[3], random::key_from_seed(seed));
  }

  /// The source of a fork: independent of this one and of its other forks.
  counted fork(std::uint64_t label) const noexcept { return {random::derive_seed(seed, label)}; }

 private:
  static constexpr int lanes = 64, few_lanes = 16;

  /// Neighbouring groups at once: the same arithmetic as the scalar code, in short loops over
  /// arrays of constant length, which is what every compiler vectorises.
  template <int Lanes, class T>
  static void fill_lanes(random::philox_key seed_key, random::words4 base, T* out) noexcept {
    std::uint32_t w0[Lanes], w1[Lanes], w2[Lanes], w3[Lanes];
    for (int i = 0; i < Lanes; ++i) {
      w0[i] = base.word[0] + static_cast<std::uint32_t>(i);
      w1[i] = base.word[1];
      w2[i] = base.word[2];
      w3[i] = base.word[3];
    }
    normals_of<Lanes>(seed_key, w0, w1, w2, w3, out);
  }

  template <int Lanes, class T>
  static void normals_of(random::philox_key seed_key, std::uint32_t (&w0)[Lanes],
                         std::uint32_t (&w1)[Lanes], std::uint32_t (&w2)[Lanes],
                         std::uint32_t (&w3)[Lanes], T* out) noexcept {
    random::philox4x32_lanes(w0, w1, w2, w3, seed_key);
    T z0[Lanes], z1[Lanes], z2[Lanes], z3[Lanes];
    for (int i = 0; i < Lanes; ++i) random::detail::box_muller(w0[i], w1[i], z0[i], z1[i]);
    for (int i = 0; i < Lanes; ++i) random::detail::box_muller(w2[i], w3[i], z2[i], z3[i]);
    for (int i = 0; i < Lanes; ++i) {
      out[4 * i] = z0[i];
      out[4 * i + 1] = z1[i];
      out[4 * i + 2] = z2[i];
      out[4 * i + 3] = z3[i];
    }
  }

  /// A group of four elements, and how many of these are not asked for.
  struct place {
    std::int64_t sample, group;
    int skip = 0;
  };

  /// The groups of several rows at once. Returns how many elements it wrote, at most n; `at` goes
  /// on.
  template <int Lanes, class T>
  static int fill_places(random::philox_key seed_key, key k, std::int64_t features, place& at,
                         int n, T* out) noexcept {
    std::int64_t const groups = (features + 3) / 4;
    std::uint32_t w0[Lanes], w1[Lanes], w2[Lanes], w3[Lanes];
    int width[Lanes];  // of the group
    int const last = static_cast<int>(features - 4 * (groups - 1));
    int skip = at.skip;
    for (int i = 0; i < Lanes; ++i) {
      random::words4 const c = counter(k, at.sample, at.group);
      w0[i] = c.word[0];
      w1[i] = c.word[1];
      w2[i] = c.word[2];
      w3[i] = c.word[3];
      bool const ends = ++at.group == groups;
      width[i] = ends ? last : 4;
      at.group = ends ? 0 : at.group;
      at.sample += ends ? 1 : 0;
    }
    at.skip = 0;
    if (last == 4 && skip == 0 && n >= 4 * Lanes) {
      normals_of<Lanes>(seed_key, w0, w1, w2, w3, out);
      return 4 * Lanes;
    }
    T z[4 * Lanes];
    normals_of<Lanes>(seed_key, w0, w1, w2, w3, z);
    int done = 0;
    for (int i = 0; i < Lanes && done < n; ++i) {
      int const left = n - done, mine = width[i] - skip;
      T const* const from = z + 4 * i + skip;
      if (left >= 4 && skip == 0) {  // what is too much is written again
        for (int e = 0; e < 4; ++e) out[done + e] = from[e];
      } else {
        for (int e = 0; e < mine && e < left; ++e) out[done + e] = from[e];
      }
      done += mine < left ? mine : left;
      skip = 0;
    }
    return done;
  }
};

static_assert(word_source<counted>);

}  // namespace diffx::noise
