#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/row_group.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/random.hpp>

#include <cstdint>

namespace diffx::detail {

/// The words of one position, block after block.
template <class Noise>
struct position_words {
  Noise const* noise;
  noise::key key;
  std::int64_t sample, position;

  DIFFX_HD random::words4 operator()(int block) const {
    noise::key k = key;
    k.draw += block;
    return noise->words(k, sample, position);
  }
};

/// The same where block 0 is at hand.
template <class Noise>
struct begun_words {
  random::words4 first;
  position_words<Noise> more;

  DIFFX_HD random::words4 operator()(int block) const { return block == 0 ? first : more(block); }
};

/// Random words of several places at once, one column a place: the same as one by one, and where
/// the source can, in loops that compilers vectorise.
template <int Lanes, class Noise>
DIFFX_HD void words_of(Noise const& noise, noise::key key, std::int64_t const (&sample)[Lanes],
                       std::int64_t const (&position)[Lanes], std::uint32_t (&out)[4][Lanes]) {
#if !defined(__CUDA_ARCH__)
  if constexpr (requires { noise.words(key, sample, position, out); }) {
    noise.words(key, sample, position, out);
    return;
  }
#endif
  for (int i = 0; i < Lanes; ++i) {
    random::words4 const w = noise.words(key, sample[i], position[i]);
    for (int k = 0; k < 4; ++k) out[k][i] = w.word[k];
  }
}

/// The same of the places of a group, from its first sample on.
template <class Noise>
struct group_words {
  std::uint32_t word[4][row_group::most];

  group_words(Noise const& noise, noise::key key, group_places const& at,
              std::int64_t first_sample) {
    std::int64_t sample[row_group::most];
    for (int i = 0; i < row_group::most; ++i) sample[i] = first_sample + at.sample[i];
    words_of(noise, key, sample, at.position, word);
  }

  random::words4 operator[](int i) const noexcept {
    return {{word[0][i], word[1][i], word[2][i], word[3][i]}};
  }
};

}  // namespace diffx::detail
