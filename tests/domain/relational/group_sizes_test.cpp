// Numbers of children, drawn from their histograms.

#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/group_sizes.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <set>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::relational;
using doctest::Approx;
using doctest::Contains;
using ints = std::vector<std::int64_t>;

TEST_CASE("size_histogram: the first size whose cumulative probability reaches u") {
  size_histogram const h({{7, 5}, {2, 3}, {4, 2}});  // not sorted: the order of the entries counts
  CHECK(h.probability(1) == 0.3);
  CHECK(h.size_at(1e-300) == 7);
  CHECK(h.size_at(0.5) == 7);
  CHECK(h.size_at(std::nextafter(0.5, 1.0)) == 2);
  CHECK(h.size_at(0.8) == 2);
  CHECK(h.size_at(0.9) == 4);
  CHECK(h.size_at(1.0) == 4);
  // Seven sevenths add up to less than 1: the last entry takes the rest.
  size_histogram const sevenths({{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}});
  CHECK(sevenths.size_at(1.0) == 6);
  CHECK_THROWS_WITH_AS(size_histogram({}), Contains("entries = 0"), error);
  CHECK_THROWS_WITH_AS(size_histogram({{-1, 1}}), Contains("size = -1"), error);
  CHECK_THROWS_WITH_AS(size_histogram({{1, 0}}), Contains("count = 0"), error);
  CHECK_THROWS_WITH_AS(size_histogram({{1, 1}, {1, 2}}), Contains("stands twice"), error);
}

TEST_CASE("group_sizes: fitted with and without empty groups") {
  ints const labels{0, 0, 5, 0, 5, 9}, sizes{3, 0, 2, 1, 2, 0};
  auto const out = group_sizes::fit(labels, sizes);
  using entry = size_histogram::entry;
  auto const entries = [](group_sizes const& g, std::int64_t l) {
    return std::vector<entry>(g.find(l)->entries().begin(), g.find(l)->entries().end());
  };
  CHECK(entries(out, 0) == std::vector<entry>{{3, 1}, {1, 1}});
  CHECK(entries(out, 5) == std::vector<entry>{{2, 2}});
  CHECK(out.find(9)->size_at(0.5) == 0);
  CHECK(out.find(1) == nullptr);
  auto const all = group_sizes::fit(labels, sizes, childless::counted);
  CHECK(entries(all, 0) == std::vector<entry>{{3, 1}, {0, 1}, {1, 1}});
  CHECK(entries(all, 9) == std::vector<entry>{{0, 1}});

  auto const drawn = out.draw(ints{5, 9, 1, 5, 77, -1}, draws(1, purpose::sizes, 0));
  CHECK(drawn.sizes == ints{2, 0, 0, 2, 0, 0});
  CHECK(drawn.total == 4);
  CHECK(drawn.unknown == 3);
  CHECK_THROWS_WITH_AS(group_sizes::fit(ints{1}, ints{}), Contains("labels = 1"), error);
  CHECK_THROWS_WITH_AS(group_sizes::fit(ints{}, ints{}), Contains("groups = 0"), error);
  CHECK_THROWS_WITH_AS(group_sizes::fit(ints{1}, ints{-1}), Contains("size = -1"), error);
}

TEST_CASE("group_sizes: a draw depends on its address alone") {
  auto const g = group_sizes::fit(ints{0, 0, 0, 0, 1, 1}, ints{1, 2, 3, 4, 5, 6});
  draws const random(3, purpose::sizes, 2);
  ints labels(200, 0);
  auto const all = g.draw(labels, random);
  for (std::size_t i = 0; i < labels.size(); i += 2) labels[i] = 1;
  auto const other = g.draw(labels, random);
  for (std::size_t i = 1; i < labels.size(); i += 2) CHECK(other.sizes[i] == all.sizes[i]);
  labels.resize(50);
  CHECK(g.draw(labels, random).sizes == ints(other.sizes.begin(), other.sizes.begin() + 50));
  CHECK(g.draw(labels, draws(3, purpose::sizes, 3)).sizes != g.draw(labels, random).sizes);
  CHECK(g.draw(labels, draws(3, purpose::rows, 2)).sizes != g.draw(labels, random).sizes);
  CHECK(g.draw(labels, draws(4, purpose::sizes, 2)).sizes != g.draw(labels, random).sizes);
}

TEST_CASE("group_sizes: drawn sizes have the law of the histogram") {
  ints sizes;
  for (std::int64_t n : {0, 0, 0, 1, 1, 1, 1, 3, 3, 8}) sizes.push_back(n);
  ints const labels(sizes.size(), 0), many(100000, 0);
  for (auto const kind : {childless::left_out, childless::counted}) {
    auto const g = group_sizes::fit(labels, sizes, kind);
    auto const drawn = g.draw(many, draws(11, purpose::sizes, 0));
    std::map<std::int64_t, double> count;
    for (std::int64_t const s : drawn.sizes) count[s] += 1.0;
    double chi2 = 0.0;
    for (std::size_t i = 0; i < g.find(0)->entries().size(); ++i) {
      double const want = g.find(0)->probability(i) * 1e5;
      double const got = count[g.find(0)->entries()[i].size];
      chi2 += (got - want) * (got - want) / want;
    }
    CHECK(count.size() == g.find(0)->entries().size());
    // 2 or 3 degrees of freedom: exceeded by chance with probability below 1e-4.
    CHECK(chi2 < 21.1);
    CHECK((count.count(0) > 0) == (kind == childless::counted));
    // Neighbours are independent: equal as often as two draws are, within 5 deviations.
    double equal = 0.0, want = 0.0;
    for (std::size_t i = 1; i < drawn.sizes.size(); ++i) {
      equal += drawn.sizes[i] == drawn.sizes[i - 1] ? 1e-5 : 0.0;
    }
    for (std::size_t i = 0; i < g.find(0)->entries().size(); ++i) {
      want += g.find(0)->probability(i) * g.find(0)->probability(i);
    }
    CHECK(std::fabs(equal - want) < 5.0 * 0.5 / std::sqrt(1e5));
  }
}

TEST_CASE("draws: bounded, and shuffles are permutations") {
  draws const random(5, purpose::dealing, 1);
  for (std::int64_t i = 0; i < 1000; ++i) {
    CHECK(random.uniform(i) > 0.0);
    CHECK(random.uniform(i) < 1.0);
    std::int64_t const k = random.below(3, i, 7);
    CHECK(k >= 0);
    CHECK(k < 3);
  }
  std::map<ints, int> seen;
  for (std::int64_t p = 0; p < 6000; ++p) {
    ints x{0, 1, 2};
    random.shuffle(x, p);
    ++seen[x];
  }
  CHECK(seen.size() == 6);
  double chi2 = 0.0;
  for (auto const& [order, n] : seen) chi2 += (n - 1000.0) * (n - 1000.0) / 1000.0;
  CHECK(chi2 < 25.7);  // 5 degrees of freedom, probability 1e-4
}

}  // namespace
