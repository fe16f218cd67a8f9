#include <diffx/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>

namespace {

namespace random = diffx::random;
using random::words4;

constexpr bool same(words4 a, words4 b) {
  for (int i = 0; i < 4; ++i) {
    if (a.word[i] != b.word[i]) return false;
  }
  return true;
}

struct known_answer {
  words4 counter;
  random::philox_key key;
  words4 ten, seven;
};

constexpr known_answer known[] = {
    {{{0, 0, 0, 0}},
     {{0, 0}},
     {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
     {{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}}},
    {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
     {{0xffffffff, 0xffffffff}},
     {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
     {{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}}},
    {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
     {{0xa4093822, 0x299f31d0}},
     {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
     {{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}}},
};

constexpr bool all_known() {
  for (auto const& k : known) {
    if (!same(random::philox4x32(k.counter, k.key), k.ten)) return false;
    if (!same(random::philox4x32<7>(k.counter, k.key), k.seven)) return false;
  }
  return true;
}
static_assert(all_known());

// C++26's std::philox4x32 with its default seed: its 10000th value.
static_assert(random::philox4x32({{2499, 0, 0, 0}}, {{20111115, 0}}).word[3] == 1955073260u);

constexpr std::uint32_t extreme[] = {0u,          1u,          2u,          0x3fffffffu,
                                     0x40000000u, 0x7fffffffu, 0x80000000u, 0xb504f333u,
                                     0xb504f334u, 0xbfffffffu, 0xc0000000u, 0xffffff7fu,
                                     0xffffff80u, 0xfffffffeu, 0xffffffffu};

double reference_radius(std::uint32_t a) {
  double const u = (static_cast<double>(a) + 0.5) * 0x1p-32;
  double const v = (static_cast<double>(~a) + 0.5) * 0x1p-32;  // 1 - u without rounding
  return std::sqrt(-2.0 * (u < 0.5 ? std::log(u) : std::log1p(-v)));
}

TEST_CASE("philox4x32 gives the known answers at run time, alone and in lanes") {
  for (auto const& k : known) {
    CHECK(same(random::philox4x32(k.counter, k.key), k.ten));
    CHECK(same(random::philox4x32<7>(k.counter, k.key), k.seven));
    std::uint32_t w[4][16];
    for (int word = 0; word < 4; ++word) std::fill_n(w[word], 16, k.counter.word[word]);
    random::philox4x32_lanes(w[0], w[1], w[2], w[3], k.key);
    for (int i = 0; i < 16; ++i) CHECK(same({{w[0][i], w[1][i], w[2][i], w[3][i]}}, k.ten));
  }
}

TEST_CASE("uniform lies strictly inside (0, 1) at the extreme words and never decreases") {
  float last_float = 0.0f;
  double last_double = 0.0;
  for (std::uint32_t const x : extreme) {
    auto const f = random::uniform<float>(x);
    auto const d = random::uniform<double>(x);
    CHECK(f > 0.0f);
    CHECK(f < 1.0f);
    CHECK(d > 0.0);
    CHECK(d < 1.0);
    CHECK(f >= last_float);
    CHECK(d > last_double);
    CHECK(std::abs(static_cast<double>(f) - d) < 1e-7);
    last_float = f;
    last_double = d;
  }
  CHECK(random::uniform<double>(0) == 0x1p-33);
  CHECK(random::uniform<double>(0xffffffffu) == 1.0 - 0x1p-33);
}

TEST_CASE("normals are finite and within the stated tail at every pair of extreme words") {
  double largest = 0.0;
  for (std::uint32_t const a : extreme) {
    for (std::uint32_t const b : extreme) {
      float f0, f1;
      double d0, d1;
      random::detail::box_muller(a, b, f0, f1);
      random::detail::box_muller(a, b, d0, d1);
      CHECK(std::isfinite(f0));
      CHECK(std::isfinite(f1));
      CHECK(std::abs(f0 - d0) < 2e-6);
      CHECK(std::abs(f1 - d1) < 2e-6);
      CHECK(std::sqrt(d0 * d0 + d1 * d1) == doctest::Approx(reference_radius(a)).epsilon(1e-14));
      largest = std::max({largest, std::abs(d0), std::abs(d1)});
    }
  }
  CHECK(largest == doctest::Approx(std::sqrt(-2.0 * std::log(0x1p-33))).epsilon(1e-6));
  CHECK(largest < 6.77);
}

TEST_CASE("float and double normals of 2^22 pairs of words differ by less than 2e-6") {
  double worst = 0.0, worst_radius = 0.0;
  for (std::uint32_t i = 0; i < (1u << 22); ++i) {
    std::uint32_t const a = i << 10 | (i * 2654435769u) >> 22, b = i * 2246822519u;
    float f0, f1;
    double d0, d1;
    random::detail::box_muller(a, b, f0, f1);
    random::detail::box_muller(a, b, d0, d1);
    worst = std::max({worst, std::abs(f0 - d0), std::abs(f1 - d1)});
    if (i % 16 == 0) {
      double const r = reference_radius(a);
      worst_radius = std::max(worst_radius, std::abs(std::sqrt(d0 * d0 + d1 * d1) / r - 1.0));
    }
  }
  MESSAGE("largest |float - double| ", worst, ", largest relative error in double ", worst_radius);
  CHECK(worst < 2e-6);
  CHECK(worst_radius < 1e-14);
}

TEST_CASE("the angle of every octant is the stated one, in double to 1e-14") {
  double const pi = std::acos(-1.0);
  for (std::uint32_t i = 0; i < 4096; ++i) {
    std::uint32_t const b = i << 20 | 12345u;
    double z0, z1;
    random::detail::box_muller(0x12345678u, b, z0, z1);
    double const r = reference_radius(0x12345678u);
    auto const part = static_cast<std::int32_t>(b << 2);
    double const angle = (static_cast<double>(part) + 2.0) * 0x1p-32 * (pi / 2.0);
    double c = std::cos(angle), s = std::sin(angle);
    if ((b >> 30 & 1u) != 0) std::swap(c, s);
    double const sign = b >> 31 != 0 ? -1.0 : 1.0;
    REQUIRE(std::abs(z0 / r - sign * c) < 1e-14);
    REQUIRE(std::abs(z1 / r - sign * s) < 1e-14);
  }
}

TEST_CASE("derived seeds differ for labels that differ in any word") {
  constexpr std::uint64_t labels[] = {0, 1, 2, std::uint64_t{1} << 32, ~std::uint64_t{0}};
  for (auto const a : labels) {
    for (auto const b : labels) {
      CHECK((random::derive_seed(7, a) == random::derive_seed(7, b)) == (a == b));
      CHECK((random::derive_seed(a, 7) == random::derive_seed(b, 7)) == (a == b));
    }
    CHECK(random::derive_seed(a, a) != a);
  }
}

}  // namespace
