// process::edit: the laws of kinds, lengths and tokens, and what every script promises.

#include <diffx/process/edit.hpp>

#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using domain::text::apply;
using domain::text::edited;
using kind = domain::text::edit;
using text = std::vector<std::int32_t>;

// 200000 spans: four kinds to a total variation of 0.8 %, lengths of 15 cells to 1 % (power 0.99).
TEST_CASE("edit noise: kinds, lengths and tokens have their laws") {
  constexpr std::size_t spans = 200'000;
  process::edit<> const p(7);
  text const x(1'000'000, 3);
  auto const s = p.draw(x, 3, 11, 4);
  REQUIRE(s.ops.size() > spans);
  std::vector<std::int64_t> kinds(4, 0), lengths(15, 0), tokens(7, 0);
  for (std::size_t i = 0; i < spans; ++i) {
    auto const& op = s.ops[i];
    ++kinds[static_cast<std::size_t>(op.kind)];
    ++lengths[std::min<std::size_t>(14,
                                    static_cast<std::size_t>(std::max(op.removed, op.added)) - 1)];
  }
  for (auto const t : s.tokens) ++tokens[static_cast<std::size_t>(t)];
  std::vector<double> law(15, 0.0);
  double rest = 1.0;
  for (int l = 1; l < 15; ++l)
    rest -= law[static_cast<std::size_t>(l) - 1] = p.length().probability(l);
  law[14] = rest;
  CHECK(
      test::passes("kinds of edits",
                   test::test_cells(kinds, std::vector<double>(p.usual.begin(), p.usual.end())).p));
  CHECK(test::passes("lengths of edits", test::test_cells(lengths, law).p));
  CHECK(
      test::passes("tokens of edits", test::test_cells(tokens, std::vector<double>(7, 1.0 / 7)).p));
}

TEST_CASE("edit noise: a Poisson length given that it is not 0") {
  process::span_poisson const p{0.7};
  double sum = 0.0, mean = 0.0;
  for (int l = 1; l < 60; ++l) {
    // Just below and above the edge of each length.
    if (p.probability(l) > 1e-9) {
      CHECK(p.draw(sum + 1e-10) == l);
      CHECK(p.draw(sum + p.probability(l) - 1e-10) == l);
    }
    sum += p.probability(l);
    mean += l * p.probability(l);
  }
  CHECK(sum == doctest::Approx(1.0).epsilon(1e-14));
  CHECK(mean == doctest::Approx(0.7 / (1.0 - std::exp(-0.7))).epsilon(1e-13));
  CHECK(p.probability(0) == 0.0);
}

TEST_CASE("edit noise: scripts add up") {
  process::edit<> const p(3, {0.3, 0.3, 0.2, 0.2}, {1.5});
  for (std::int64_t sample = 0; sample < 200; ++sample) {
    text x(static_cast<std::size_t>(sample % 23), 1);
    text now = x;
    auto const chain = p.draw_chain(now, 9, sample, 5);
    text back = now, forth = x;
    std::vector<text> way;
    for (auto const& s : chain) {
      way.push_back(forth);
      std::int64_t drift = 0;
      for (auto const& op : s.ops) drift += op.added - op.removed;
      auto const next = apply(s, forth);
      CHECK(static_cast<std::int64_t>(next.size()) - static_cast<std::int64_t>(forth.size()) ==
            drift);
      CHECK(edited(domain::text::script_between(forth, next)) <= edited(s));
      forth = next;
    }
    CHECK(forth == now);
    for (std::size_t i = chain.size(); i-- > 0;) {
      back = apply(domain::text::inverse(chain[i], way[i]), back);
    }
    CHECK(back == x);
  }
}

// 40000 texts: a drift of 0.05 tokens off is seen (power 0.99).
TEST_CASE("edit noise: the length drifts by what is inserted less what is removed") {
  // Spans of one token: as many draws at places as tokens, each after a geometric number of
  // insertions; one more at the end. Inserted: (n + 1) / (1 - p) - (n + 1) without the last one's
  // repetition; removed: n times the share of remove among the kinds that take a token.
  constexpr std::int64_t n = 12, texts = 40'000;
  process::edit<process::span_fixed> const p(5, {0.4, 0.1, 0.3, 0.2}, {1});
  double const ins = 0.3;
  // Before every token insertions until another kind comes: mean q / (1 - q). The draw at the end
  // is one alone: mean q.
  double const inserted = n * ins / (1 - ins) + ins, removed = n * 0.2 / (1 - ins);
  double const variance =
      n * ins / ((1 - ins) * (1 - ins)) + ins * (1 - ins) + n * (0.2 / 0.7) * (1 - 0.2 / 0.7);
  double sum = 0.0;
  for (std::int64_t i = 0; i < texts; ++i) {
    text x(n, 2);
    p.draw_chain(x, 31, i, 1);
    sum += static_cast<double>(x.size()) - n;
  }
  CHECK(test::passes("drift of lengths", test::p_of_z(test::z_of_mean(
                                             sum / texts, inserted - removed, variance, texts))));
}

TEST_CASE("edit noise: keep alone changes nothing, and limits hold") {
  process::edit<> const still(4, {1.0, 0.0, 0.0, 0.0});
  text const x{1, 2, 3, 0, 1, 2};
  CHECK(apply(still.draw(x, 1, 2, 3), x) == x);
  CHECK(edited(still.draw(x, 1, 2, 3)) == 0);
  CHECK(still.draw({}, 1, 2, 3).ops.empty());
  process::edit<> const growing(4, {0.1, 0.0, 0.9, 0.0}, {}, 50);
  for (std::int64_t i = 0; i < 20; ++i) {
    text y = x;
    growing.draw_chain(y, 1, i, 10);
    CHECK(y.size() == 50);
  }
  text none;
  growing.draw_chain(none, 1, 0, 10);
  CHECK(none.size() > 0);  // the empty text can be added to
  process::edit<> const shrinking(4, {0.0, 0.0, 0.0, 1.0});
  CHECK(apply(shrinking.draw(x, 1, 2, 3), x).empty());
  // Draws belong to (seed, sample, step).
  process::edit<> const p(4);
  text const longer(200, 1);
  CHECK(p.draw(longer, 1, 2, 3) == p.draw(longer, 1, 2, 3));
  CHECK(p.draw(longer, 1, 2, 3) != p.draw(longer, 2, 2, 3));
  CHECK(p.draw(longer, 1, 2, 3) != p.draw(longer, 1, 3, 3));
  CHECK(p.draw(longer, 1, 2, 3) != p.draw(longer, 1, 2, 4));
}

TEST_CASE("edit noise refuses what is none, with name, value and range") {
  CHECK_THROWS_WITH_AS(process::edit<>(0), doctest::Contains("vocabulary = 0"), error);
  CHECK_THROWS_WITH_AS((process::edit<>(3, {0.5, 0.2, 0.1, 0.1})),
                       doctest::Contains("sum of the kinds"), error);
  CHECK_THROWS_WITH_AS((process::edit<>(3, {1.2, 0.0, -0.2, 0.0})),
                       doctest::Contains("probability of a kind = -0.2"), error);
  CHECK_THROWS_WITH_AS((process::edit<>(3, {0.0, 0.0, 1.0, 0.0})),
                       doctest::Contains("probability of insert"), error);
  CHECK_THROWS_WITH_AS((process::edit<>(3, process::edit<>::usual, {0.0})),
                       doctest::Contains("mean = 0"), error);
  CHECK_THROWS_WITH_AS((process::edit<process::span_fixed>(3, process::edit<>::usual, {0})),
                       doctest::Contains("length = 0"), error);
  CHECK_THROWS_WITH_AS((process::edit<>(3, process::edit<>::usual, {}, -1)),
                       doctest::Contains("max_length = -1"), error);
}

}  // namespace
