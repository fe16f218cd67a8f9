#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/position_words.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/random.hpp>

#include <cmath>
#include <cstdint>

namespace diffx::detail {

/// Bits of a row in words of 32: bit i is bit i mod 32, from the lowest, of word i / 32. What is
/// left of a row's last word is 0.
inline constexpr int word_bits = 32;

DIFFX_HD constexpr std::int64_t bit_words(std::int64_t bits) noexcept {
  return (bits + word_bits - 1) / word_bits;
}

/// The bits of word `word` that a row of so many bits has.
DIFFX_HD constexpr std::uint32_t bits_in_word(std::int64_t word, std::int64_t bits) noexcept {
  std::int64_t const left = bits - word * word_bits;
  return left >= word_bits ? ~std::uint32_t{0} : (std::uint32_t{1} << left) - 1;
}

/// Words whose bits are 1 with a probability p, each by itself.
///
/// Every bit compares a uniform number u with p, both in binary digits from the highest: the first
/// digit that differs decides, and u < p where p has the 1 there. A digit of 32 numbers is one
/// random word, and two digits decide a bit on average. P(bit = 1) is p in 64 binary digits: exact,
/// but for a p below 2^-11 whose last digits fall below 2^-64.
///
/// Digits 4 c to 4 c + 3 of a word are block c of its random words, at position c 2^28 + word.
class bernoulli_bits {
 public:
  static constexpr std::int64_t most_words = std::int64_t{1} << 28;

  bernoulli_bits() = default;
  /// p in [0, 1).
  explicit bernoulli_bits(double p) {
    require(p >= 0.0 && p < 1.0, "diffx::run", "probability of a flip", p, "in [0, 1)");
    digits_ = static_cast<std::uint64_t>(std::ldexp(p, digits));
  }

  DIFFX_HD bool never() const noexcept { return digits_ == 0; }

  /// One word a lane.
  template <int Lanes, class Noise>
  DIFFX_HD void draw(Noise const& noise, noise::key key, std::int64_t const (&sample)[Lanes],
                     std::int64_t const (&word)[Lanes], std::uint32_t (&ones)[Lanes]) const {
    std::uint32_t open[Lanes];  // bits whose digits are equal so far
    for (int i = 0; i < Lanes; ++i) {
      ones[i] = 0;
      open[i] = ~std::uint32_t{0};
    }
    int block = 0;
    for (; block < together && has_digits(block); ++block) {
      std::int64_t position[Lanes];
      std::uint32_t r[4][Lanes];
      for (int i = 0; i < Lanes; ++i) position[i] = block * most_words + word[i];
      words_of(noise, key, sample, position, r);
      for (int k = 0; k < 4; ++k) {
        std::uint32_t const d = digit(4 * block + k);
        for (int i = 0; i < Lanes; ++i) {
          ones[i] |= open[i] & d & ~r[k][i];
          open[i] &= ~(r[k][i] ^ d);
        }
      }
    }
    if (!has_digits(block)) return;  // u >= p in what is left
    for (int i = 0; i < Lanes; ++i) {
      for (int b = block; open[i] != 0 && has_digits(b); ++b) {
        random::words4 const r = noise.words(key, sample[i], b * most_words + word[i]);
        for (int k = 0; k < 4; ++k) {
          std::uint32_t const d = digit(4 * b + k);
          ones[i] |= open[i] & d & ~r.word[k];
          open[i] &= ~(r.word[k] ^ d);
        }
      }
    }
  }

 private:
  static constexpr int digits = 64;
  static constexpr int together = 3;  // blocks that are drawn at once: 1 in 128 words needs more

  /// False if p has no digit 1 from this block on.
  DIFFX_HD bool has_digits(int block) const noexcept {
    return block < digits / 4 && digits_ << (4 * block) != 0;
  }
  /// All ones, or 0.
  DIFFX_HD std::uint32_t digit(int i) const noexcept {
    return std::uint32_t{0} - static_cast<std::uint32_t>(digits_ >> (digits - 1 - i) & 1u);
  }

  std::uint64_t digits_ = 0;
};

/// 1 / (1 + e^-x) in [0, 1]; NaN for NaN.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T sigmoid(T x) noexcept {
  return T(1) / (T(1) + exp(-x));
}

/// Draws bits with a probability each: u < p, u uniform in 32 binary digits, of which 16 are drawn
/// first and the others only if these are those of p.
///
/// Bit j of a word takes half (j / 4) mod 2 of word j / 8 of block j mod 4 of its random words, at
/// position 4 word + j mod 4; the other digits stand at the same place from position 2^31 on.
template <int Words>
struct bit_draws {
  static constexpr int count = Words * word_bits;

  std::int32_t first[count];  // 16 digits of every bit

  template <class Noise>
  DIFFX_HD void draw(Noise const& noise, noise::key key, std::int64_t const (&sample)[Words],
                     std::int64_t const (&word)[Words]) {
    constexpr int lanes = 4 * Words;
    std::int64_t of[lanes], position[lanes];
    for (int w = 0; w < Words; ++w) {
      for (int c = 0; c < 4; ++c) {
        of[4 * w + c] = sample[w];
        position[4 * w + c] = 4 * word[w] + c;
      }
    }
    std::uint32_t r[4][lanes];
    words_of(noise, key, of, position, r);
    for (int w = 0; w < Words; ++w) {
      for (int k = 0; k < 4; ++k) {
        for (int c = 0; c < 4; ++c) {
          first[w * word_bits + 8 * k + c] = static_cast<std::int32_t>(r[k][4 * w + c] & 0xFFFFu);
          first[w * word_bits + 8 * k + 4 + c] = static_cast<std::int32_t>(r[k][4 * w + c] >> 16);
        }
      }
    }
  }

  /// The other digits of bit j of a word.
  template <class Noise>
  DIFFX_HD static std::int32_t last(Noise const& noise, noise::key key, std::int64_t sample,
                                    std::int64_t word, int j) {
    random::words4 const r = noise.words(key, sample, (std::int64_t{1} << 31) + 4 * word + j % 4);
    std::uint32_t chosen = r.word[0];  // by selection: registers have no index
    for (int k = 1; k < 4; ++k) chosen = j / 8 == k ? r.word[k] : chosen;
    return static_cast<std::int32_t>(chosen >> (j / 4 % 2 * 16) & 0xFFFFu);
  }
};

}  // namespace diffx::detail
