// Points of rows, their clusters, votes and matches.

#include <diffx/domain/relational/clusters.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/features.hpp>
#include <diffx/domain/relational/match.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::relational;
using doctest::Approx;
using doctest::Contains;
using ints = std::vector<std::int64_t>;
using numbers = std::vector<double>;

points points_of(std::int64_t width, numbers values) {
  return {static_cast<std::int64_t>(values.size()) / width, width, std::move(values)};
}
points random_points(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
  numbers x(static_cast<std::size_t>(rows * width));
  draws const random(seed, purpose::rows, 0);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = random.uniform(static_cast<std::int64_t>(i));
  return points_of(width, x);
}
double distance(points const& a, std::int64_t i, points const& b, std::int64_t j) {
  double d = 0.0;
  for (std::int64_t k = 0; k < a.width; ++k) {
    d += (a.row(i)[k] - b.row(j)[k]) * (a.row(i)[k] - b.row(j)[k]);
  }
  return d;
}

TEST_CASE("match_nearest_unique is the greedy choice, and no better than the best assignment") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto const q = random_points(6, 2, seed), c = random_points(8, 2, 100 + seed);
    auto const got = match_nearest_unique(q.view(), c.view());
    std::set<std::int64_t> free{0, 1, 2, 3, 4, 5, 6, 7};
    double total = 0.0;
    for (std::int64_t i = 0; i < 6; ++i) {
      auto const best = *std::min_element(free.begin(), free.end(), [&](auto a, auto b) {
        return distance(q, i, c, a) < distance(q, i, c, b);
      });
      CHECK(got[static_cast<std::size_t>(i)] == best);
      free.erase(best);
      total += distance(q, i, c, best);
    }
    double least = std::numeric_limits<double>::infinity();
    ints order(8);
    std::iota(order.begin(), order.end(), std::int64_t{0});
    do {
      double sum = 0.0;
      for (std::int64_t i = 0; i < 6; ++i) {
        sum += distance(q, i, c, order[static_cast<std::size_t>(i)]);
      }
      least = std::min(least, sum);
    } while (std::next_permutation(order.begin(), order.end()));
    CHECK(total >= least);
  }
}

TEST_CASE("match_nearest_unique: a permutation of separable rows is found, ties go to the first") {
  auto const c = points_of(1, {50, 10, 40, 20, 30});
  CHECK(match_nearest_unique(points_of(1, {11, 21, 31, 41, 51}).view(), c.view()) ==
        ints{1, 3, 4, 2, 0});
  CHECK(match_nearest_unique(points_of(1, {25, 25, 25}).view(), c.view()) == ints{3, 4, 1});
  CHECK(match_nearest_unique(points_of(1, {10, 10}).view(), points_of(1, {10, 10, 10}).view()) ==
        ints{0, 1});
  CHECK(match_nearest(points_of(1, {25, 25, 49}).view(), c.view()) == ints{3, 3, 0});
  CHECK(match_nearest_unique(points_of(1, {}).view(), c.view()).empty());
  CHECK_THROWS_WITH_AS(match_nearest_unique(c.view(), points_of(1, {1}).view()),
                       Contains("candidates = 1, must be at least as many as queries, 5"), error);
  CHECK_THROWS_WITH_AS(match_nearest(c.view(), points_of(2, {1, 2}).view()),
                       Contains("width of the candidates = 2"), error);
  CHECK_THROWS_WITH_AS(match_nearest_unique(points_of(1, {NAN}).view(), c.view()),
                       Contains("a feature = nan"), error);
}

TEST_CASE("repair_duplicates: later ones take the smallest index that stands nowhere") {
  CHECK(repair_duplicates(ints{3, 3, 0, 1, 3, 1}) == ints{3, 2, 0, 1, 4, 5});
  CHECK(repair_duplicates(ints{0, 0, 1}) == ints{0, 2, 1});
  CHECK(repair_duplicates(ints{9, 9}) == ints{9, 0});
  CHECK(repair_duplicates(ints{}).empty());
  CHECK_THROWS_WITH_AS(repair_duplicates(ints{-1}), Contains("index = -1"), error);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    draws const random(seed, purpose::repair, 0);
    ints x;
    for (std::int64_t i = 0; i < 20; ++i) x.push_back(random.below(25, i));
    auto const fixed = repair_duplicates(x);
    CHECK(std::set<std::int64_t>(fixed.begin(), fixed.end()).size() == 20);
    CHECK(*std::max_element(fixed.begin(), fixed.end()) < 25);
    for (std::size_t i = 0; i < x.size(); ++i) {
      bool const first = std::find(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(i), x[i]) ==
                         x.begin() + static_cast<std::ptrdiff_t>(i);
      if (first) CHECK(fixed[i] == x[i]);
    }
  }
}

TEST_CASE("match: the three ways give every query a candidate of its own") {
  auto const q = random_points(30, 2, 1), c = random_points(40, 2, 2);
  draws const random(1, purpose::matching, 0);
  for (auto const how :
       {matching::nearest_unique, matching::nearest_repaired, matching::shuffled}) {
    auto const m = match(how, q.view(), c.view(), random);
    CHECK(m.size() == 30);
    CHECK(std::set<std::int64_t>(m.begin(), m.end()).size() == 30);
    for (std::int64_t const i : m) CHECK((i >= 0 && i < 40));
  }
  CHECK(match(matching::nearest_repaired, q.view(), c.view(), random) ==
        repair_duplicates(match_nearest(q.view(), c.view())));
  CHECK(match(matching::shuffled, q.view(), c.view(), random) !=
        match(matching::nearest_unique, q.view(), c.view(), random));
  CHECK_THROWS_WITH_AS(match(matching::shuffled, c.view(), q.view(), random),
                       Contains("candidates = 30"), error);
}

// ---- features ----

TEST_CASE("feature_map: scaled to one range, or raw") {
  table::typed_table const a({table::numeric_column("x", {0, 10, NAN}),
                              table::category_column("c", {"q", "p", std::nullopt})});
  table::typed_table const b(
      {table::numeric_column("x", {5, 5, 5}), table::category_column("c", {"r", "p", "p"})});
  table::typed_table const* const both[] = {&a, &b};
  feature_map const scaled(both, feature_form::scaled);
  CHECK(scaled.width() == 5);  // x, missing, p, q, r
  CHECK(scaled.encode(a, 3).values == numbers{-1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0});
  CHECK(scaled.encode(b, 3).row(0)[4] == 1.0);
  feature_map const raw(both, feature_form::raw);
  CHECK(raw.encode(a, 3).values == numbers{0, 2, 10, 1, 5, 0});

  feature_map const few(both, feature_form::scaled, 3);
  CHECK(few.width() == 1);
  CHECK(few.skipped() == std::vector<std::string>{"c"});
  CHECK(feature_map(both, feature_form::raw, 3).width() == 2);

  table::typed_table const* const only_a[] = {&a};
  CHECK_THROWS_WITH_AS(feature_map(only_a, feature_form::scaled).encode(b, 3),
                       Contains("row 0, column 'c': a category of none"), error);
  CHECK_THROWS_WITH_AS(scaled.encode(a, 4), Contains("rows = 4"), error);
  table::typed_table const none({table::numeric_column("x", {NAN})});
  table::typed_table const* const only_none[] = {&none};
  CHECK(feature_map(only_none, feature_form::scaled).encode(none, 1).values == numbers{0});
  CHECK(feature_map({}, feature_form::scaled).encode(table::typed_table(), 7).rows == 7);
}

TEST_CASE("matching by raw features is ruled by the largest unit, by scaled ones it is not") {
  // The same four people in another order; their pay has changed by little, of its range.
  table::typed_table const a({table::numeric_column("age", {20, 40, 60, 30}),
                              table::numeric_column("pay", {50000, 50100, 50200, 100000})});
  table::typed_table const b({table::numeric_column("age", {60, 20, 40, 30}),
                              table::numeric_column("pay", {50110, 50210, 50010, 100000})});
  table::typed_table const* const both[] = {&a, &b};
  auto const found = [&](feature_form form) {
    feature_map const m(both, form);
    return match_nearest_unique(m.encode(a, 4).view(), m.encode(b, 4).view());
  };
  CHECK(found(feature_form::scaled) == ints{1, 2, 0, 3});
  CHECK(found(feature_form::raw) == ints{2, 0, 1, 3});
}

// ---- clusters ----

/// Three round clouds, far apart.
points clouds(std::int64_t each) {
  numbers x;
  noise::counted const source{9};
  for (std::int64_t i = 0; i < 3 * each; ++i) {
    double z[4];
    source.fill({}, i, 0, 4, z);
    std::int64_t const c = i % 3;
    x.push_back((c == 0 ? 0.0 : 10.0) + 0.5 * z[0]);
    x.push_back((c == 2 ? 10.0 : 0.0) + 1.0 * z[1]);
  }
  return points_of(2, x);
}

TEST_CASE("k_means and diagonal_gmm find clouds that are apart") {
  auto const x = clouds(400);
  cluster_options o;
  o.clusters = 3;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    draws const random(seed, purpose::clusters, 0);
    auto const k = k_means(x.view(), o, random);
    auto const g = diagonal_gmm(x.view(), o, random);
    CHECK(k.converged);
    CHECK(g.converged);
    CHECK(k.clusters == 3);
    for (auto const& found : {k, g}) {
      CHECK(std::set<std::int64_t>(found.labels.begin(), found.labels.begin() + 3).size() == 3);
      for (std::size_t i = 3; i < found.labels.size(); ++i) {
        CHECK(found.labels[i] == found.labels[i % 3]);
      }
    }
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(g.weights[c] == Approx(1.0 / 3.0).epsilon(1e-6));
      // 400 points: a variance is within 30 % with probability above 1 - 1e-4.
      CHECK(std::fabs(g.variances[2 * c] / 0.25 - 1.0) < 0.3);
      CHECK(std::fabs(g.variances[2 * c + 1] - 1.0) < 0.3);
    }
    CHECK(k_means(x.view(), o, random).labels == k.labels);
  }
}

TEST_CASE("k_means: a fixed point of its two steps") {
  auto const x = random_points(200, 2, 3);
  cluster_options o;
  o.clusters = 7;
  auto const k = k_means(x.view(), o, draws(1, purpose::clusters, 0));
  REQUIRE(k.converged);
  points const centres = points_of(2, k.means);
  double objective = 0.0;
  numbers sums(14, 0.0), counts(7, 0.0);
  for (std::int64_t i = 0; i < 200; ++i) {
    auto const label = k.labels[static_cast<std::size_t>(i)];
    for (std::int64_t c = 0; c < 7; ++c) {
      CHECK(distance(x, i, centres, label) <= distance(x, i, centres, c));
    }
    objective += distance(x, i, centres, label);
    for (std::size_t j = 0; j < 2; ++j) {
      sums[2 * static_cast<std::size_t>(label) + j] += x.row(i)[j];
    }
    counts[static_cast<std::size_t>(label)] += 1.0;
  }
  for (std::size_t c = 0; c < 7; ++c) {
    CHECK(k.means[2 * c] == Approx(sums[2 * c] / counts[c]));
    CHECK(k.means[2 * c + 1] == Approx(sums[2 * c + 1] / counts[c]));
  }
  CHECK(k.objective == Approx(objective));
  cluster_options one = o;
  one.clusters = 1;
  CHECK(k_means(x.view(), one, draws(1, purpose::clusters, 0)).objective > k.objective);
}

TEST_CASE("diagonal_gmm: overlapping components have the likelihood's variances, not k-means'") {
  // A narrow cloud within reach of a wide one, which k-means cuts in the middle.
  numbers values;
  noise::counted const source{4};
  for (std::int64_t i = 0; i < 4000; ++i) {
    double z[4];
    source.fill({}, i, 0, 4, z);
    bool const wide = i % 2 == 0;
    values.push_back(wide ? 4.0 + 3.0 * z[0] : 0.5 * z[0]);
  }
  auto const x = points_of(1, values);
  cluster_options o;
  o.clusters = 2;
  o.max_iterations = 500;
  o.tolerance = 1e-9;
  auto const g = diagonal_gmm(x.view(), o, draws(0, purpose::clusters, 0));
  CHECK(g.converged);
  auto const narrow = g.variances[0] < g.variances[1] ? std::size_t{0} : std::size_t{1};
  CHECK(std::fabs(g.variances[narrow] / 0.25 - 1.0) < 0.2);
  CHECK(g.variances[1 - narrow] == Approx(9.0).epsilon(0.2));
  CHECK(std::fabs(g.weights[narrow] - 0.5) < 0.05);
  // The objective is the mean log-likelihood of these parameters.
  double total = 0.0;
  for (double const v : values) {
    double p = 0.0;
    for (std::size_t c = 0; c < 2; ++c) {
      double const d = v - g.means[c];
      p += g.weights[c] * std::exp(-0.5 * d * d / g.variances[c]) /
           std::sqrt(2.0 * 3.14159265358979324 * g.variances[c]);
    }
    total += std::log(p) / 4000.0;
  }
  CHECK(g.objective == Approx(total).epsilon(1e-9));
}

TEST_CASE("clusters: fewer different points than clusters, and what is refused") {
  auto const x = points_of(1, {1, 1, 2, 2, 2});
  cluster_options o;
  auto const k = k_means(x.view(), o, draws(0, purpose::clusters, 0));
  CHECK(k.clusters == 2);
  CHECK(k.objective == 0.0);
  CHECK(k.labels[0] == k.labels[1]);
  CHECK(k.labels[0] != k.labels[2]);
  CHECK(diagonal_gmm(x.view(), o, draws(0, purpose::clusters, 0)).labels == k.labels);
  points const flat{4, 0, {}};
  CHECK(diagonal_gmm(flat.view(), o, draws(0, purpose::clusters, 0)).labels == ints(4, 0));

  draws const random(0, purpose::clusters, 0);
  CHECK_THROWS_WITH_AS(k_means(points{0, 1, {}}.view(), o, random), Contains("rows = 0"), error);
  CHECK_THROWS_WITH_AS(k_means(points_of(1, {INFINITY}).view(), o, random),
                       Contains("a feature = inf"), error);
  o.clusters = 0;
  CHECK_THROWS_WITH_AS(k_means(x.view(), o, random), Contains("clusters = 0"), error);
  o = {};
  o.least_variance = 0.0;
  CHECK_THROWS_WITH_AS(diagonal_gmm(x.view(), o, random), Contains("least_variance = 0"), error);
  o = {};
  o.max_iterations = 0;
  CHECK_THROWS_WITH_AS(diagonal_gmm(x.view(), o, random), Contains("max_iterations = 0"), error);
  o = {};
  o.tolerance = -1.0;
  CHECK_THROWS_WITH_AS(diagonal_gmm(x.view(), o, random), Contains("tolerance = -1"), error);
}

TEST_CASE("vote: the label of most rows, ties to the lowest, none is one more") {
  CHECK(vote(ints{0, 1, 1, 2, 2, 0, 0}, ints{3, 2, 2}) == ints{1, 2, 0});
  CHECK(vote(ints{7, 3, 3, 7, 9}, ints{4, 0, 1}) == ints{3, 10, 9});
  CHECK(vote(ints{5, 2, 8}, ints{3, 0}) == ints{2, 3});
  CHECK(vote(ints{}, ints{0, 0}) == ints{0, 0});
  CHECK_THROWS_WITH_AS(vote(ints{1}, ints{2}), Contains("sum of the lengths = 2"), error);
  CHECK_THROWS_WITH_AS(vote(ints{-1}, ints{1}), Contains("label = -1"), error);
  CHECK_THROWS_WITH_AS(vote(ints{1}, ints{2, -1}), Contains("length = -1"), error);
}

}  // namespace
