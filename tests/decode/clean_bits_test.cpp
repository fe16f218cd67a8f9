// Clean bits from the logits of either output: the threshold, the switch, and a mask's flips.

#include <diffx/decode/clean_bits.hpp>

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>

namespace {

using namespace diffx;
using decode::bit_source;
using decode::clean_bits;

TEST_CASE("clean_bits: the target says the bit, the mask whether it is flipped") {
  for (std::uint8_t const x : {std::uint8_t{0}, std::uint8_t{1}}) {
    for (double const logit : {-3.0, 0.0, 2.0}) {
      CHECK(clean_bits::bit(x, logit, 0.0, false) == (logit > 0.0 ? 1 : 0));
      CHECK(clean_bits::bit(x, logit, 0.0, true) == (logit > 0.0 ? 1 - x : x));
    }
    // A logit that is no number sets no bit, and flips none.
    CHECK(clean_bits::bit(x, std::nan(""), 0.0, false) == 0);
    CHECK(clean_bits::bit(x, std::nan(""), 0.0, true) == x);
  }
}

TEST_CASE("clean_bits: the limit is the threshold's logit") {
  CHECK(clean_bits{}.limit() == 0.0);
  for (double const threshold : {1e-6, 0.2, 0.9}) {
    double const limit = clean_bits{bit_source::target, threshold}.limit();
    CHECK(1.0 / (1.0 + std::exp(-limit)) == doctest::Approx(threshold).epsilon(1e-14));
  }
  for (double const bad : {0.0, 1.0, -0.5, std::nan("")}) {
    CHECK_THROWS_WITH_AS((clean_bits{bit_source::target, bad}.check()),
                         doctest::Contains("threshold"), error);
  }
}

TEST_CASE("clean_bits: half_half reads the mask in the half near the data") {
  clean_bits const half{bit_source::half_half, 0.5};
  int masks = 0;
  for (int t = 0; t < 10; ++t) masks += half.reads_mask(t, 10);
  CHECK(masks == 5);
  CHECK(half.reads_mask(4, 10));
  CHECK(!half.reads_mask(5, 10));
  CHECK(half.reads_mask(3, 7));  // 3 < 3.5
  CHECK(!half.reads_mask(4, 7));
  CHECK(clean_bits{bit_source::mask, 0.5}.reads_mask(9, 10));
  CHECK(!clean_bits{bit_source::target, 0.5}.reads_mask(0, 10));
}

}  // namespace
