// Bits of a given probability, digit by digit: against the comparison of whole numbers that they
// stand for.

#include <diffx/detail/bit_row.hpp>
#include <diffx/noise/counted.hpp>

#include "support/message.hpp"
#include <array>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using namespace diffx;
using detail::bernoulli_bits;

/// Words whose bit j holds the digits of a number of its own, from the highest; the digits beyond
/// are those of `rest`.
struct numbers {
  std::vector<std::uint64_t> value;  // 32 a word
  random::words4 words(noise::key, std::int64_t, std::int64_t position) const {
    auto const block = static_cast<int>(position / bernoulli_bits::most_words);
    auto const word = static_cast<std::size_t>(position % bernoulli_bits::most_words);
    random::words4 out{};
    for (int k = 0; k < 4; ++k) {
      for (std::size_t j = 0; j < 32; ++j) {
        std::uint64_t const digit = value[32 * word + j] >> (63 - 4 * block - k) & 1u;
        out.word[k] |= static_cast<std::uint32_t>(digit << j);
      }
    }
    return out;
  }
};

template <int Lanes>
std::array<std::uint32_t, Lanes> drawn(double p, numbers const& u) {
  std::int64_t sample[Lanes] = {}, word[Lanes];
  for (int i = 0; i < Lanes; ++i) word[i] = i;
  std::uint32_t ones[Lanes];
  bernoulli_bits(p).draw(u, {}, sample, word, ones);
  std::array<std::uint32_t, Lanes> out{};
  for (int i = 0; i < Lanes; ++i) out[static_cast<std::size_t>(i)] = ones[i];
  return out;
}

template <int Lanes>
void check(double p, numbers const& u) {
  auto const threshold = static_cast<std::uint64_t>(std::ldexp(p, 64));
  auto const ones = drawn<Lanes>(p, u);
  for (std::size_t i = 0; i < u.value.size(); ++i) {
    INFO("p = ", p, ", number ", u.value[i]);
    CHECK((ones[i / 32] >> (i % 32) & 1u) == (u.value[i] < threshold ? 1u : 0u));
  }
}

}  // namespace

TEST_CASE("bernoulli_bits: of all numbers of 8 digits, 256 p are below p") {
  numbers all;
  for (std::uint64_t m = 0; m < 256; ++m) all.value.push_back(m << 56);
  for (int d = 0; d < 256; ++d) check<8>(d / 256.0, all);
}

TEST_CASE("bernoulli_bits: numbers next to p, and their digits to the last") {
  for (double const p : {0.5, 0.25, 0.1, 1e-3, 0x1p-16, 0.3, 1e-9, 0.75, 0x1p-63}) {
    auto const d = static_cast<std::uint64_t>(std::ldexp(p, 64));
    numbers near;
    for (std::uint64_t const v : {d - 1, d, d + 1, std::uint64_t{0}, ~std::uint64_t{0}}) {
      near.value.push_back(v);
    }
    // One digit other than p's: each decides once.
    for (int k = 0; k < 59; ++k) near.value.push_back(d ^ std::uint64_t{1} << (63 - k));
    check<2>(p, near);
    near.value.resize(32);
    check<1>(p, near);
  }
}

TEST_CASE("bernoulli_bits: lanes do not matter, and what is no probability is refused") {
  noise::counted const source{5};
  std::int64_t sample[64], word[64];
  for (int i = 0; i < 64; ++i) {
    sample[i] = i / 5;
    word[i] = i % 5;
  }
  std::uint32_t all[64];
  bernoulli_bits const p(0.1);
  p.draw(source, {3, 0}, sample, word, all);
  for (int i = 0; i < 64; ++i) {
    std::int64_t const s[1] = {sample[i]}, w[1] = {word[i]};
    std::uint32_t one[1];
    p.draw(source, {3, 0}, s, w, one);
    CHECK(one[0] == all[i]);
  }
  for (double const bad : {-0.1, 1.0, HUGE_VAL, std::numeric_limits<double>::quiet_NaN()}) {
    auto const what = test::message_of([&] { bernoulli_bits{bad}; });
    CHECK(what.find("probability of a flip") != std::string::npos);
    CHECK(what.find("in [0, 1)") != std::string::npos);
  }
  CHECK(bernoulli_bits(0.0).never());
  CHECK_FALSE(bernoulli_bits(1e-9).never());
}

TEST_CASE("bits of words: how many words, and which bits of the last") {
  for (std::int64_t const bits : {1, 31, 32, 33, 64, 100}) {
    CHECK(detail::bit_words(bits) == (bits + 31) / 32);
    for (std::int64_t k = 0; k < 32 * detail::bit_words(bits); ++k) {
      CHECK((detail::bits_in_word(k / 32, bits) >> (k % 32) & 1u) == (k < bits ? 1u : 0u));
    }
  }
}

TEST_CASE("sigmoid: within 3e-7 of its value, certain at the ends") {
  for (double x = -40.0; x <= 40.0; x += 0.37) {
    double const value = 1.0 / (1.0 + std::exp(-x));
    CHECK(std::fabs(detail::sigmoid(x) - value) <= 4e-15 * value);
    auto const single = static_cast<double>(detail::sigmoid(static_cast<float>(x)));
    // The argument is rounded as well.
    CHECK(std::fabs(single - value) <= (3e-7 + 6e-8 * std::fabs(x)) * value);
  }
  CHECK(detail::sigmoid(HUGE_VALF) == 1.0f);
  CHECK(detail::sigmoid(-HUGE_VALF) < 1e-35f);
  CHECK(std::isnan(detail::sigmoid(std::nanf(""))));
}
