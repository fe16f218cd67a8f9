// Measures of synthetic tables: known values, bounds, and what they promise of equal tables.

#include <diffx/analysis/table_quality.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using doctest::Approx;
using doctest::Contains;
using numbers = std::vector<double>;
using codes = std::vector<std::int32_t>;

TEST_CASE("ks_complement: the largest distance of two distributions") {
  CHECK(analysis::ks_complement(numbers{1, 2, 3}, numbers{3, 1, 2}) == 1.0);
  CHECK(analysis::ks_complement(numbers{1, 2}, numbers{3, 4}) == 0.0);
  CHECK(analysis::ks_complement(numbers{1, 2, 3, 4}, numbers{1, 1, 1, 1}) == 0.25);
  CHECK(analysis::ks_complement(numbers{0, 1}, numbers{0, 0, 1, 1}) == 1.0);  // shares, not counts
  CHECK(analysis::ks_complement(numbers{0}, numbers{0, 1}) == 0.5);
}

TEST_CASE("tv_complement and contingency_similarity: the common mass") {
  CHECK(analysis::tv_complement(codes{0, 1, 1, 2}, codes{1, 2, 0, 1}) == 1.0);
  CHECK(analysis::tv_complement(codes{0, 0}, codes{1, 2147483647}) == 0.0);
  CHECK(analysis::tv_complement(codes{0, 1}, codes{0, 0, 0, 1}) == 0.75);
  codes const a{0, 0, 1, 1}, b{0, 1, 0, 1}, c{0, 0, 1, 1};
  CHECK(analysis::contingency_similarity(a, b, a, b) == 1.0);
  CHECK(analysis::contingency_similarity(a, b, a, c) ==
        0.5);  // the same margins, another joint law
  CHECK(analysis::contingency_similarity(codes{0}, codes{1}, codes{1}, codes{0}) == 0.0);
}

TEST_CASE("correlation_similarity: half the distance of two correlations") {
  numbers const x{1, 2, 3, 4}, up{2, 4, 6, 8}, down{4, 3, 2, 1}, flat{5, 5, 5, 5};
  CHECK(analysis::correlation_similarity(x, up, x, up) == 1.0);
  CHECK(std::fabs(analysis::correlation_similarity(x, up, x, down)) < 1e-15);
  CHECK(analysis::correlation_similarity(x, up, x, flat) == Approx(0.5).epsilon(1e-15));
}

TEST_CASE("mixed_similarity: numbers cut into bins of the real range") {
  CHECK(analysis::bins_of(numbers{0, 10}, numbers{-0.1, 0, 0.99, 1, 9.99, 10, 10.1}) ==
        codes{0, 1, 1, 2, 10, 10, 11});
  CHECK(analysis::bins_of(numbers{5, 5}, numbers{4, 5, 6}, 3) == codes{0, 1, 4});
  numbers const x{0, 1, 9, 10};
  codes const low{0, 0, 1, 1}, turned{1, 1, 0, 0};
  CHECK(analysis::mixed_similarity(x, low, x, low) == 1.0);
  CHECK(analysis::mixed_similarity(x, low, x, turned) == 0.0);
}

TEST_CASE("closest_records: both distances, and the ratio") {
  numbers const real{0, 0, 10, 1, 5, 5};  // ranges 10 and 5
  codes const kind{0, 1, 2};
  numbers const made{10, 1, 5, 0};
  codes const made_kind{2, 0};
  analysis::mixed_rows const r{3, 2, 1, real.data(), kind.data()};
  analysis::mixed_rows const s{2, 2, 1, made.data(), made_kind.data()};
  auto const l1 = analysis::closest_records(r, s);
  CHECK(l1[0].first == Approx(0.5 + 0.8));  // nearer than the same numbers of another kind
  CHECK(l1[0].second == 2.0);
  CHECK(l1[0].ratio() == Approx(0.65));
  CHECK(l1[1].first == Approx(0.5));
  CHECK(l1[1].second == Approx(0.5 + 0.2 + 2.0));
  auto const l2 = analysis::closest_records(r, s, analysis::record_distance::l2);
  CHECK(l2[1].first == Approx(0.5));
  CHECK(l2[1].second == Approx(std::sqrt(0.25 + 0.04 + 1.0)));
  // Every row of a copy is at distance 0; of a table of doubles, twice.
  for (auto const& c : analysis::closest_records(r, r)) CHECK(c.first == 0.0);
  numbers const doubles{1, 1};
  analysis::mixed_rows const d{2, 1, 0, doubles.data(), nullptr};
  CHECK(analysis::closest_records(d, d)[0].ratio() == 1.0);
}

TEST_CASE("closest_records: given ranges make two tables comparable") {
  numbers const wide{0, 100}, narrow{0, 1}, made{2};
  analysis::mixed_rows const w{2, 1, 0, wide.data(), nullptr};
  analysis::mixed_rows const n{2, 1, 0, narrow.data(), nullptr};
  analysis::mixed_rows const m{1, 1, 0, made.data(), nullptr};
  CHECK(analysis::ranges_of(w) == numbers{100});
  // By its own range the narrow table seems farther away, though its row 1 is the nearest.
  CHECK(analysis::closest_records(w, m)[0].first == Approx(0.02));
  CHECK(analysis::closest_records(n, m)[0].first == Approx(1.0));
  auto const kind = analysis::record_distance::l1;
  CHECK(analysis::closest_records(w, m, kind, {100})[0].first == Approx(0.02));
  CHECK(analysis::closest_records(n, m, kind, {100})[0].first == Approx(0.01));
  CHECK(analysis::closest_records(n, m, kind, {0})[0].first == Approx(1.0));
  CHECK_THROWS_WITH_AS(analysis::closest_records(n, m, kind, {1, 2}), Contains("ranges.size() = 2"),
                       error);
  CHECK_THROWS_WITH_AS(analysis::closest_records(n, m, kind, {-1}), Contains("a range = -1"),
                       error);
  numbers const none{0, NAN};
  analysis::mixed_rows const bad{2, 1, 0, none.data(), nullptr};
  CHECK_THROWS_AS(analysis::closest_records(bad, m, kind, {1}), error);
}

TEST_CASE("closer_to_training: a half for fresh data, ties count a half") {
  using c = analysis::closest;
  std::vector<c> const a{{1, 2}, {1, 2}, {3, 4}}, b{{2, 2}, {1, 2}, {1, 4}};
  CHECK(analysis::closer_to_training(a, b) == 0.5);
  CHECK(analysis::closer_to_training(a, a) == 0.5);
  CHECK_THROWS_AS(analysis::closer_to_training(a, std::vector<c>(2)), error);
  CHECK_THROWS_AS(analysis::closer_to_training(std::vector<c>(), std::vector<c>()), error);
}

TEST_CASE("table quality refuses what is no column") {
  double const nan = std::nan("");
  CHECK_THROWS_WITH_AS(analysis::ks_complement(numbers{}, numbers{1}), Contains("real.size() = 0"),
                       error);
  CHECK_THROWS_WITH_AS(analysis::ks_complement(numbers{1}, numbers{1, nan}),
                       Contains("synthetic[1] = nan"), error);
  CHECK_THROWS_WITH_AS(analysis::tv_complement(codes{-1}, codes{1}), Contains("real[0] = -1"),
                       error);
  CHECK_THROWS_AS(
      analysis::correlation_similarity(numbers{1}, numbers{1, 2}, numbers{1}, numbers{1}), error);
  CHECK_THROWS_AS(analysis::contingency_similarity(codes{1}, codes{1}, codes{1, 2}, codes{1}),
                  error);
  CHECK_THROWS_AS(analysis::bins_of(numbers{1}, numbers{1}, 0), error);
  numbers x{1, 2, nan};
  analysis::mixed_rows const two{2, 1, 0, x.data(), nullptr}, one{1, 1, 0, x.data(), nullptr},
      bad{3, 1, 0, x.data(), nullptr}, wide{1, 2, 0, x.data(), nullptr};
  CHECK_THROWS_WITH_AS(analysis::closest_records(one, two), Contains("real.rows = 1"), error);
  CHECK_THROWS_WITH_AS(analysis::closest_records(two, bad), Contains("a synthetic number = nan"),
                       error);
  CHECK_THROWS_AS(analysis::closest_records(bad, two), error);
  CHECK_THROWS_WITH_AS(analysis::closest_records(two, wide), Contains("synthetic.width = 2"),
                       error);
}

}  // namespace
