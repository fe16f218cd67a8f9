#include <diffx/analysis/rans.hpp>
#include <diffx/random.hpp>

#include "support/message.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <vector>

namespace {

using namespace diffx;
using bytes = std::vector<std::uint8_t>;

std::uint32_t word(std::uint64_t seed, std::uint32_t i) {
  return diffx::random::philox4x32({{i, 0, 0, 0}}, diffx::random::key_from_seed(seed)).word[0];
}

template <class T>
std::vector<std::uint32_t> widths_of(std::vector<T> const& logits, int excluded, int bits) {
  std::vector<std::uint32_t> out(logits.size());
  REQUIRE(analysis::slot_widths(std::span<T const>(logits), excluded, bits, std::span(out)));
  return out;
}

/// Logits over some tens of nats, a few of them -inf.
template <class T>
std::vector<T> hostile_row(std::uint64_t seed, std::size_t classes) {
  std::vector<T> row(classes);
  for (std::size_t v = 0; v < classes; ++v) {
    auto const w = word(seed, static_cast<std::uint32_t>(v));
    row[v] = w % 13 == 0 ? -std::numeric_limits<T>::infinity()
                         : static_cast<T>(static_cast<double>(w) * 0x1p-32 * 40.0 - 300.0);
  }
  row[classes / 2] = static_cast<T>(-270.0);
  return row;
}

TEST_CASE("slot_widths: every class has a share, and the shares fill the range") {
  std::uint64_t seed = 0;
  for (int const bits : {1, 2, 8, 12, 16, 24, 30, 31}) {
    for (std::size_t const classes : {1u, 2u, 3u, 128u, 4096u, 200000u}) {
      if (classes > std::size_t{1} << bits) continue;
      for (int const excluded : {-1, 0, static_cast<int>(classes) - 1}) {
        if (excluded >= 0 && classes == 1) continue;
        auto row = hostile_row<double>(++seed, classes);
        if (excluded >= 0) row[static_cast<std::size_t>(excluded)] = 1e300;  // not looked at
        auto const w = widths_of(row, excluded, bits);
        CHECK(std::accumulate(w.begin(), w.end(), std::uint64_t{0}) == std::uint64_t{1} << bits);
        for (std::size_t v = 0; v < classes; ++v) {
          bool const is_out = static_cast<int>(v) == excluded;
          if ((w[v] == 0) != is_out) FAIL("class ", v, " has width ", w[v]);
        }
      }
    }
  }
}

// A class that should have z slots has at least z - 1 (one is given, less than one each is lost to
// two roundings, none to the share of the guaranteed ones beyond C / 2^bits of itself); the
// exponential is good to 2^-31 of the largest class.
TEST_CASE("slot_widths follow the softmax") {
  for (int const bits : {12, 20, 24, 31}) {
    auto const row = hostile_row<double>(77, 300);
    auto const w = widths_of(row, 5, bits);
    double sum = 0.0;
    for (std::size_t v = 0; v < row.size(); ++v) sum += v == 5 ? 0.0 : std::exp(row[v] + 260.0);
    double const slots = std::ldexp(1.0, bits);
    double cost = 0.0, entropy = 0.0;
    for (std::size_t v = 0; v < row.size(); ++v) {
      if (v == 5) continue;
      double const p = std::exp(row[v] + 260.0) / sum;
      double const z = p * (slots - 299.0);
      CHECK(w[v] >= z - 1.0 - 0x1p-30 * slots);
      if (p < 0.5) CHECK(w[v] <= 1.0 + z + (p > 0.03 ? 299.0 : 1.0) + 0x1p-30 * slots);
      if (p > 0.0) {
        entropy -= p * std::log(p);
        cost -= p * std::log(w[v] / slots);
      }
    }
    CHECK(cost >= entropy);
    CHECK(cost <= entropy - std::log1p(-299.0 / slots) + 0x1p-29 * 300);
  }
}

TEST_CASE("slot_widths: the same bits from float and double, for shifts, and on every target") {
  std::vector<float> const f{-3.5f, 0.25f, 2.0f, -INFINITY, 1.125f, -40.0f};
  std::vector<double> const d(f.begin(), f.end());
  auto const w = widths_of(f, 1, 24);
  CHECK(w == widths_of(d, 1, 24));
  std::vector<double> shifted;
  for (double const v : d) shifted.push_back(v + 1024.0);
  CHECK(w == widths_of(shifted, 1, 24));
  // softmax(-3.5, 2, -inf, 1.125, -40) of 2^24 - 5 slots, and one each. In exact arithmetic one
  // slot of the fifth class is the third's.
  CHECK(w == std::vector<std::uint32_t>{48253, 0, 11807050, 1, 4921911, 1});
}

TEST_CASE("slot_widths: rows that are no distribution") {
  std::vector<std::uint32_t> out(3);
  auto const works = [&](std::vector<float> const& row, int excluded = -1) {
    return analysis::slot_widths(std::span<float const>(row), excluded, 16, std::span(out));
  };
  CHECK(works({0.0f, 3e38f, -3e38f}));
  CHECK_FALSE(works({0.0f, NAN, 1.0f}));
  CHECK_FALSE(works({0.0f, INFINITY, 1.0f}));
  CHECK_FALSE(works({-INFINITY, -INFINITY, -INFINITY}));
  CHECK(works({0.0f, NAN, 1.0f}, 1));
  CHECK_FALSE(works({-INFINITY, 2.0f, -INFINITY}, 1));
}

struct message {
  std::vector<std::vector<std::uint32_t>> widths;
  std::vector<int> symbols;
  double ideal_bits = 0.0;
};

message some_message(int bits, int count, std::size_t classes) {
  message m;
  for (int i = 0; i < count; ++i) {
    auto const seed = static_cast<std::uint64_t>(i) + 100;
    m.widths.push_back(widths_of(hostile_row<float>(seed, classes), -1, bits));
    auto const slot = word(seed, 999999u) >> (32 - bits);
    m.symbols.push_back(analysis::symbol_of(m.widths.back(), slot).first);
    m.ideal_bits +=
        bits -
        std::log2(static_cast<double>(analysis::slots_of(m.widths.back(), m.symbols.back()).width));
  }
  return m;
}

bytes encode(message const& m, int bits) {
  analysis::rans_encoder coder(bits);
  for (std::size_t i = m.symbols.size(); i-- > 0;) {
    coder.push(analysis::slots_of(m.widths[i], m.symbols[i]));
  }
  return coder.finish();
}

std::vector<int> decode(message const& m, bytes const& stream, int bits) {
  analysis::rans_decoder coder(stream, bits);
  std::vector<int> out;
  for (auto const& w : m.widths) {
    auto const [symbol, slots] = analysis::symbol_of(w, coder.slot());
    coder.pop(slots);
    out.push_back(symbol);
  }
  coder.finish();
  return out;
}

TEST_CASE("symbol_of and slots_of: each slot has its class") {
  std::vector<std::uint32_t> const w{3, 0, 1, 4};
  int const want[] = {0, 0, 0, 2, 3, 3, 3, 3};
  for (std::uint32_t slot = 0; slot < 8; ++slot) {
    auto const [symbol, range] = analysis::symbol_of(w, slot);
    CHECK(symbol == want[slot]);
    CHECK(range.start == analysis::slots_of(w, symbol).start);
    CHECK(range.width == w[static_cast<std::size_t>(symbol)]);
    CHECK((range.start <= slot && slot < range.start + range.width));
  }
}

TEST_CASE("rans: what is decoded is what was encoded, at its ideal length and 7 bytes") {
  for (int const bits : {1, 2, 8, 16, 24, 31}) {
    auto const classes = bits < 8 ? 2u : 50u;
    for (int const count : {0, 1, 2, 100, 5000}) {
      message const m = some_message(bits, count, classes);
      bytes const stream = encode(m, bits);
      CHECK(decode(m, stream, bits) == m.symbols);
      // The state holds between 48 and 56 bits, and each step rounds off 2^-17 of a bit at most.
      double const length = 8.0 * static_cast<double>(stream.size());
      CHECK(length >= m.ideal_bits + 40.0);
      CHECK(length <= m.ideal_bits + 56.0 + count * 0x1p-16);
    }
  }
}

TEST_CASE("rans: a certain symbol costs nothing") {
  message m;
  for (int i = 0; i < 1000; ++i) {
    m.widths.push_back({0, 1u << 31, 0});
    m.symbols.push_back(1);
  }
  bytes const stream = encode(m, 31);
  CHECK(stream.size() == 7);
  CHECK(decode(m, stream, 31) == m.symbols);
}

// Known answer, from integers of any length.
TEST_CASE("rans: the stream of a fixed message") {
  analysis::rans_encoder coder(4);
  for (std::uint32_t const start : {9u, 0u, 5u, 12u, 3u, 7u}) coder.push({start, 3});
  CHECK(coder.finish() == bytes{0x59, 0xe6, 3, 0x82, 0xfc, 0x23, 0x68, 0xb5});
}

TEST_CASE("rans: a stream that is cut off or changed is an error, never a hang") {
  message const m = some_message(16, 200, 20);
  bytes const stream = encode(m, 16);
  for (std::size_t n = 0; n < stream.size(); ++n) {
    bytes const cut(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(n));
    auto const said = test::message_of([&] { decode(m, cut, 16); });
    CHECK(said.find("diffx::analysis::rans_decoder: the stream ends after " + std::to_string(n)) ==
          0);
  }
  bytes longer = stream;
  longer.push_back(0);
  CHECK_THROWS_AS(decode(m, longer, 16), error);
  for (std::size_t bit = 0; bit < 8 * stream.size(); ++bit) {
    bytes changed = stream;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1u << bit % 8));
    CHECK_THROWS_AS(decode(m, changed, 16), error);
  }
  CHECK_THROWS_WITH_AS(analysis::rans_decoder(bytes(9, 0), 16),
                       doctest::Contains("no state of a coder"), error);
  CHECK_THROWS_WITH_AS(decode(some_message(16, 199, 20), stream, 16),
                       doctest::Contains("written with other probabilities"), error);
}

}  // namespace
