#include <diffx/decode/order.hpp>

#include "support/message.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <numeric>
#include <vector>

namespace {

using namespace diffx;
using numbers = std::vector<std::int32_t>;

template <class Order>
numbers ranks_of(Order const& order, std::int64_t sample, std::size_t positions) {
  numbers out(positions);
  decode::ranks(order, sample, out);
  return out;
}

TEST_CASE("orders: ranks are permutations, and the inverse of the positions by place") {
  for (std::size_t n : {1u, 2u, 7u, 300u}) {
    numbers identity(n);
    std::iota(identity.begin(), identity.end(), 0);
    numbers backwards(identity.rbegin(), identity.rend());
    auto const check = [&](auto const& order, std::int64_t sample) {
      numbers const rank = ranks_of(order, sample, n);
      numbers sorted = rank, by(n), back(n);
      std::sort(sorted.begin(), sorted.end());
      CHECK(sorted == identity);
      decode::positions_by_rank(order, sample, by);
      for (std::size_t r = 0; r < n; ++r) {
        CHECK(rank[static_cast<std::size_t>(by[r])] == static_cast<std::int32_t>(r));
      }
      decode::invert_order(rank, back);
      CHECK(back == by);
      return rank;
    };
    CHECK(check(decode::order::raster{}, 3) == identity);
    CHECK(check(decode::order::fixed(backwards), 3) == backwards);
    for (std::int64_t sample = 0; sample < 5; ++sample) {
      check(decode::order::random{noise::counted{7}}, sample);
    }
  }
}

TEST_CASE("order::random belongs to the sample and the seed, and to nothing else") {
  decode::order::random const a{noise::counted{1}}, b{noise::counted{2}};
  CHECK(ranks_of(a, 5, 64) == ranks_of(a, 5, 64));
  CHECK(ranks_of(a, 5, 64) != ranks_of(a, 6, 64));
  CHECK(ranks_of(a, 5, 64) != ranks_of(b, 5, 64));
}

// n = 120 000 over 24 cells sees a cell that is off by 12 %; pairs of samples 24 x 24 likewise.
TEST_CASE("order::random: all permutations alike, and independent between samples") {
  constexpr int samples = 120000;
  std::map<numbers, std::size_t> number;
  numbers p{0, 1, 2, 3};
  do {
    number.emplace(p, number.size());
  } while (std::next_permutation(p.begin(), p.end()));
  decode::order::random const order{noise::counted{11}};
  std::vector<std::int64_t> single(24), pairs(24 * 24);
  std::size_t before = 0;
  for (int s = 0; s < samples; ++s) {
    std::size_t const now = number.at(ranks_of(order, s, 4));
    ++single[now];
    if (s % 2 == 1) ++pairs[before * 24 + now];
    before = now;
  }
  auto const one = test::test_cells(single, std::vector<double>(24, 1.0 / 24));
  INFO(one.worst);
  CHECK(test::passes("order::random, 24 permutations", one.p));
  auto const two = test::test_cells(pairs, std::vector<double>(576, 1.0 / 576));
  INFO(two.worst);
  CHECK(test::passes("order::random, pairs of samples", two.p));
}

/// Equal priorities everywhere.
struct undecided {
  double priority(std::int64_t, std::int64_t) const { return 0.5; }
};

TEST_CASE("equal priorities go to the lower index first") {
  CHECK(ranks_of(undecided{}, 0, 5) == numbers{0, 1, 2, 3, 4});
}

TEST_CASE("order::fixed refuses what is no permutation, with its index") {
  auto const message = [](numbers rank) {
    return test::message_of([&] { decode::order::fixed{rank}; });
  };
  std::string const where = "diffx::decode::order::fixed";
  CHECK(test::says(message({}), where, "rank.size()", "0", "at least 1"));
  CHECK(test::says(message({0, 3, 1}), where, "rank[1]", "3", "in [0, 3), each once"));
  CHECK(test::says(message({0, -1, 1}), where, "rank[1]", "-1", "in [0, 3), each once"));
  CHECK(test::says(message({0, 2, 2}), where, "rank[2]", "2", "in [0, 3), each once"));
}

}  // namespace
