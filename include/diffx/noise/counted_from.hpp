#pragma once

#include <diffx/concepts/noise.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/random.hpp>

#include <cstdint>
#include <string_view>

namespace diffx::noise {

/// noise::counted with its seed in memory, read when a number is drawn. A recorded loop
/// (exec::cuda_graph) gives other samples when another seed is written there, and is not recorded
/// again.
///
/// Bits      those of noise::counted of that seed, and its forks those of counted's forks. Forks of
///           forks are independent too, with labels of their own.
/// Requires  a seed in the executor's memory that stays what it is while a run draws.
/// Errors    none. A checkpoint does not know the seed: resume with the one that it was made with.
struct counted_from {
  using kind = noise_tag;
  static constexpr std::string_view name = "noise::counted_from";

  std::uint64_t const* seed_at = nullptr;
  bool forked = false;
  std::uint64_t label = 0;

  template <class T>
  DIFFX_HD void fill(key k, std::int64_t sample, std::int64_t first, int n, T* out) const noexcept {
    now().fill(k, sample, first, n, out);
  }

  template <class T>
  void fill_rows(key k, std::int64_t sample, std::int64_t features, std::int64_t first, int n,
                 T* out) const noexcept {
    now().fill_rows(k, sample, features, first, n, out);
  }

  DIFFX_HD random::words4 words(key k, std::int64_t sample, std::int64_t position) const noexcept {
    return now().words(k, sample, position);
  }

  template <int Lanes>
  void words(key k, std::int64_t const (&sample)[Lanes], std::int64_t const (&position)[Lanes],
             std::uint32_t (&out)[4][Lanes]) const noexcept {
    now().words(k, sample, position, out);
  }

  counted_from fork(std::uint64_t of) const noexcept {
    return {seed_at, true, forked ? random::derive_seed(label, of) : of};
  }

 private:
  DIFFX_HD counted now() const noexcept {
    return {forked ? random::derive_seed(*seed_at, label) : *seed_at};
  }
};

static_assert(word_source<counted_from>);

}  // namespace diffx::noise
