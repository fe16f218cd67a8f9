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

/// The same of the places of a group, samples counted from `first_sample`: the first two blocks are
/// drawn for all places when one asks for them.
template <class Noise>
class group_words {
 public:
  DIFFX_HD group_words(Noise const& noise, noise::key key, group_places const& at,
                       std::int64_t first_sample)
      : noise_(&noise), key_(key) {
    for (int i = 0; i < row_group::most; ++i) {
      sample_[i] = first_sample + at.sample[i];
      position_[i] = at.position[i];
    }
  }

  DIFFX_HD random::words4 operator()(int place, int block) {
    if (block >= drawn) {
      return position_words<Noise>{noise_, key_, sample_[place], position_[place]}(block);
    }
    auto const& w = of_all(block);
    return {{w[0][place], w[1][place], w[2][place], w[3][place]}};
  }

  static constexpr int drawn = 2;

  /// Block 0 or 1 of all places, one column a place.
  DIFFX_HD auto const& of_all(int block) {
    auto& w = word_[block];
    if (!has_[block]) {
      noise::key k = key_;
      k.draw += block;
      words_of(*noise_, k, sample_, position_, w);
      has_[block] = true;
    }
    return w;
  }

 private:
  Noise const* noise_;
  noise::key key_;
  std::int64_t sample_[row_group::most], position_[row_group::most];
  std::uint32_t word_[drawn][4][row_group::most];
  bool has_[drawn] = {};
};

/// Those of one place.
template <class Noise>
struct place_words {
  group_words<Noise>* group;
  int place;

  DIFFX_HD random::words4 operator()(int block) const { return (*group)(place, block); }
};

}  // namespace diffx::detail
