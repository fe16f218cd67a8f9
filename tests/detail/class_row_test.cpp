// The one read of a row of logits: what it draws is enumerated over a grid of uniforms, without
// statistics.

#include <diffx/detail/class_row.hpp>
#include <diffx/detail/limit_law.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <utility>
#include <vector>

namespace {

using diffx::detail::class_row;
using diffx::detail::limit_law;
using diffx::detail::unit_uniform;

constexpr double infinity = std::numeric_limits<double>::infinity();
double const smallest = unit_uniform(0, 0), largest = unit_uniform(0xFFFFFFFFu, 0xFFFFFFFFu);

/// Logits between -4 and 4, every seventh ruled out.
template <class T>
std::vector<T> logits(int classes, double seed = 0.37) {
  std::vector<T> l(static_cast<std::size_t>(classes));
  for (std::size_t k = 0; k < l.size(); ++k) {
    double const x = static_cast<double>(k);
    l[k] = k % 7 == 3 ? static_cast<T>(-infinity)
                      : static_cast<T>(4.0 * std::sin(seed + 1.7 * x + 0.01 * x * x));
  }
  return l;
}

std::vector<double> softmax(std::vector<double> l) {
  double const top = *std::max_element(l.begin(), l.end());
  double sum = 0.0;
  for (double& v : l) sum += v = std::exp(v - top);
  for (double& v : l) v /= sum;
  return l;
}

template <class T>
class_row<T, 1> row_of(std::vector<T> const& l) {
  class_row<T, 1> row;
  row.source[0] = l.data();
  row.weight[0] = T(1);
  row.classes = static_cast<int>(l.size());
  return row;
}

/// Counts of every class over m midpoints of the unit interval, against m p.
template <class Row>
double worst_count(Row const& row, std::vector<double> const& p, int m) {
  std::vector<int> count(p.size(), 0);
  for (int i = 0; i < m; ++i) {
    int const k = row.draw((i + 0.5) / m);
    REQUIRE(k >= 0);
    REQUIRE(k < static_cast<int>(p.size()));
    ++count[static_cast<std::size_t>(k)];
  }
  double worst = 0.0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    if (p[k] == 0.0) CHECK(count[k] == 0);
    worst = std::max(worst, std::abs(count[k] - m * p[k]));
  }
  return worst;
}

template <class T>
void check_draws(int classes, int m) {
  CAPTURE(classes);
  auto const l = logits<T>(classes);
  auto const p = softmax({l.begin(), l.end()});
  auto row = row_of(l);
  REQUIRE(row.scan());
  // Within one of m p where the cumulative sum is exact; the sums of float are good to 1e-6.
  CHECK(worst_count(row, p, m) <= 1.0 + m * (sizeof(T) == 4 ? 2e-6 : 1e-12) + 1e-9);
  double sum = 0.0, off = 0.0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    double const have = row.probability(static_cast<int>(k));
    if (p[k] == 0.0) CHECK(have == 0.0);
    off = std::max(off, std::abs(have - p[k]));
    sum += have;
  }
  CHECK(off < (sizeof(T) == 4 ? 1e-6 : 1e-14));
  CHECK(std::abs(sum - 1.0) < (sizeof(T) == 4 ? 2e-6 : 1e-12));
  // The ends of the unit interval give the first and the last class that can be.
  auto const possible = [&](double v) { return v > 0.0; };
  CHECK(row.draw(smallest) == std::find_if(p.begin(), p.end(), possible) - p.begin());
  CHECK(p[static_cast<std::size_t>(row.draw(largest))] > 0.0);
}

TEST_CASE("class_row: every class as often as its probability, those ruled out never") {
  for (int const classes : {1, 2, 3, 15, 16, 17, 255, 256, 257, 1000, 50257}) {
    check_draws<float>(classes, 20011);
    check_draws<double>(classes, 20011);
  }
  check_draws<float>(300000, 4001);  // more than max_tiles tiles: wider ones
}

TEST_CASE("class_row: two branches mix as log-probabilities; what either rules out is ruled out") {
  auto const a = logits<double>(700);
  auto b = logits<double>(700, 1.9);
  for (std::size_t k = 0; k < b.size(); ++k) {
    if (b[k] == -infinity) b[k] = 0.25;
    if (k % 5 == 1) b[k] = -infinity;
  }
  for (auto const& mix : {std::pair{0.5, 0.5}, {1.0, 0.0}, {2.5, -1.5}}) {
    double const w = mix.first, rest = mix.second;
    CAPTURE(w);
    class_row<double, 2> row;
    row.source[0] = a.data();
    row.source[1] = b.data();
    row.weight[0] = w;
    row.weight[1] = rest;
    row.classes = 700;
    REQUIRE(row.scan());
    std::vector<double> mixed(a.size());
    for (std::size_t k = 0; k < a.size(); ++k) {
      bool const ruled_out = a[k] == -infinity || (rest != 0.0 && b[k] == -infinity);
      mixed[k] = ruled_out ? -infinity : row.weight[0] * a[k] + row.weight[1] * b[k];
    }
    CHECK(worst_count(row, softmax(mixed), 5003) <= 1.0 + 1e-6);
    if (w == 1.0) {  // the conditional branch alone, bit for bit
      auto one = row_of(a);
      REQUIRE(one.scan());
      for (int i = 0; i < 1000; ++i) {
        double const u = (i + 0.5) / 1000;
        CHECK(row.draw(u) == one.draw(u));
      }
    }
  }
}

TEST_CASE("class_row: an excluded class") {
  auto const l = logits<double>(40);
  for (int const at : {0, 17, 39}) {
    auto row = row_of(l);
    row.excluded = at;
    REQUIRE(row.scan());
    auto mine = l;
    mine[static_cast<std::size_t>(at)] = -infinity;
    CHECK(worst_count(row, softmax(mine), 5003) <= 1.0 + 1e-6);
  }
}

TEST_CASE("class_row: what is no distribution is said to be none") {
  std::vector<float> l(300, 0.5f);
  CHECK(row_of(l).scan());
  for (std::size_t const at : {std::size_t{0}, std::size_t{255}, std::size_t{299}}) {
    auto bad = l;
    bad[at] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(row_of(bad).scan());
    bad[at] = std::numeric_limits<float>::infinity();
    CHECK_FALSE(row_of(bad).scan());
    bad[at] = -std::numeric_limits<float>::infinity();
    CHECK(row_of(bad).scan());
  }
  std::vector<float> const none(300, -std::numeric_limits<float>::infinity());
  CHECK_FALSE(row_of(none).scan());
  // NaN in a tile, or a chunk of a wide one, that holds nothing else.
  for (std::size_t const size : {std::size_t{300}, std::size_t{300000}}) {
    std::vector<float> masked(size, -std::numeric_limits<float>::infinity());
    masked[size - 1] = 0.5f;
    CHECK(row_of(masked).scan());
    masked[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(row_of(masked).scan());
  }
  auto only = none;
  only[271] = -80.0f;
  auto row = row_of(only);
  REQUIRE(row.scan());
  CHECK(row.draw(smallest) == 271);
  CHECK(row.draw(largest) == 271);
  // Large logits neither overflow nor vanish.
  std::vector<float> const wide{-1e30f, 1e30f, 0.0f};
  row = row_of(wide);
  REQUIRE(row.scan());
  CHECK(row.draw(smallest) == 1);
  CHECK(row.draw(largest) == 1);
}

TEST_CASE("unit_uniform lies strictly inside (0, 1) at the extreme words") {
  CHECK(smallest > 0.0);
  CHECK(largest < 1.0);
  CHECK(unit_uniform(0x80000000u, 0) == doctest::Approx(0.5).epsilon(1e-15));
}

TEST_CASE("limit_law: draws as often as it says, at the extreme words too") {
  std::vector<double> const sums{0.0, 0.2, 0.2, 0.65, 1.0, 1.0};  // classes 0, 2 and 5 never
  for (limit_law const& law : {limit_law{6, -1, nullptr}, limit_law{6, -1, sums.data()},
                               limit_law{6, 6, nullptr}, limit_law{6, 2, nullptr}}) {
    constexpr int m = 6000;
    std::vector<int> count(7, 0);
    for (int i = 0; i < m; ++i) ++count[static_cast<std::size_t>(law.draw((i + 0.5) / m))];
    ++count[static_cast<std::size_t>(law.draw(smallest))];
    ++count[static_cast<std::size_t>(law.draw(largest))];
    for (int k = 0; k < 7; ++k) {
      double const p = k < law.classes || k == law.mask ? law.probability(k) : 0.0;
      if (p == 0.0) CHECK(count[static_cast<std::size_t>(k)] == 0);
      CHECK(std::abs(count[static_cast<std::size_t>(k)] - m * p) <= 3.0);
    }
  }
}

TEST_CASE("limit_law: few classes and many draw the same, the first sum above u") {
  for (int const classes : {1, 2, 15, 16, 17, 40, 100}) {
    CAPTURE(classes);
    std::vector<double> sums;  // every third class never
    for (int k = 0; k < classes; ++k) {
      double const before = k == 0 ? 0.0 : sums.back();
      sums.push_back(k % 3 == 1 ? before : before + 1.0 + k % 5);
    }
    for (double& v : sums) v /= sums.back();
    limit_law const law{classes, -1, sums.data()};
    auto const check = [&](double u) {
      auto const first = std::upper_bound(sums.begin(), sums.end(), u) - sums.begin();
      REQUIRE(law.draw(u) == first);
    };
    for (int i = 0; i < 3000; ++i) check((i + 0.5) / 3000);
    for (double const v : sums) {  // a sum itself is the next class's
      if (v < 1.0) check(v);
    }
    check(smallest);
    check(largest);
  }
}

}  // namespace
