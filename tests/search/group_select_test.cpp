// The best of many groups, against all of them.

#include <diffx/analysis/running_moments.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/search/group_select.hpp>

#include "../support/message.hpp"
#include "../support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using doctest::Approx;
using numbers = std::vector<double>;
using search::group_select;
using search::moments_score;
using search::skewness_axis;

constexpr noise::counted source{11};

/// A law of `width` columns, none like the other.
struct law {
  numbers mean, variance;
  explicit law(int width) {
    for (int j = 0; j < width; ++j) {
      mean.push_back(std::sin(j));
      variance.push_back(0.3 + 0.1 * (j % 7));
    }
  }
};

batch_view<double const> view(numbers const& x, std::int64_t width) {
  return {x.data(), std::ssize(x) / width, width};
}

double norm(numbers const& x) {
  double sum = 0.0;
  for (double const v : x) sum += v * v;
  return std::sqrt(sum);
}

double score_of(group_select<> const& s, law const& l, std::int64_t g) {
  auto const x = s.draw(g, l.mean, l.variance, source);
  return s.score(s.score.of(view(x, std::ssize(l.mean)), l.mean, l.variance));
}

TEST_CASE("moments_score: the norms of what running_moments counts") {
  for (int const width : {1, 3, 64, 65, 200}) {
    law const l(width);
    auto const x = group_select<>{.size = 7}.draw(3, l.mean, l.variance, source);
    analysis::running_moments m(width);
    m.add(view(x, width));
    numbers mean = m.mean(), deviation = m.variance();
    for (std::size_t j = 0; j < mean.size(); ++j) {
      mean[j] -= l.mean[j];
      deviation[j] = std::sqrt(deviation[j]) - std::sqrt(l.variance[j]);
    }
    moments_score const score{0.25};
    auto const t = score.of(view(x, width), l.mean, l.variance);
    CHECK(t.mean == Approx(norm(mean)).epsilon(1e-12));
    CHECK(t.deviation == Approx(norm(deviation)).epsilon(1e-12));
    CHECK(t.skewness == Approx(norm(m.skewness())).epsilon(1e-12));
    CHECK(score(t) == t.mean + t.deviation + 0.25 * t.skewness);
  }
}

TEST_CASE("moments_score: the other axis sums over the columns of every sample") {
  constexpr int width = 70, size = 5;
  law const l(width);
  auto const x = group_select<>{.size = size}.draw(2, l.mean, l.variance, source);
  analysis::running_moments m(width);
  m.add(view(x, width));
  auto const mean = m.mean(), variance = m.variance();
  numbers sums(size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      sums[i] += std::pow((x[i * width + j] - mean[j]) / std::sqrt(variance[j]), 3);
    }
  }
  moments_score const samples, dimensions{0.1, skewness_axis::dimensions};
  auto const a = samples.of(view(x, width), l.mean, l.variance),
             b = dimensions.of(view(x, width), l.mean, l.variance);
  CHECK(b.mean == a.mean);
  CHECK(b.deviation == a.deviation);
  CHECK(b.skewness == Approx(norm(sums) * 70.0 / (69.0 * 68.0)).epsilon(1e-12));
  CHECK(b.skewness != a.skewness);
}

TEST_CASE("the best group is the best of all, and can be drawn again from its number") {
  law const l(90);
  for (auto const axis : {skewness_axis::samples, skewness_axis::dimensions}) {
    group_select<> const s{.groups = 300, .size = 4, .score = {0.1, axis}, .first = 17};
    auto const best = s.run(l.mean, l.variance, source);
    double least = INFINITY;
    std::int64_t which = -1;
    for (std::int64_t g = 17; g < 317; ++g) {
      double const score = score_of(s, l, g);
      if (score < least) {
        least = score;
        which = g;
      }
    }
    CHECK(best.group == which);
    CHECK(best.score == least);
  }
}

TEST_CASE("neither batches nor threads nor a cut of the search change what is found") {
  law const l(33);
  group_select<> s{.groups = 200, .size = 5};
  auto const best = s.run(l.mean, l.variance, source);
  for (std::int64_t const batch : {1, 7, 200, 1000}) {
    s.batch = batch;
    auto const one = s.run(l.mean, l.variance, source);
    auto const many = s.run(l.mean, l.variance, source, exec::threads(3));
    CHECK(one.group == best.group);
    CHECK(one.score == best.score);
    CHECK(many.group == best.group);
    CHECK(many.score == best.score);
  }
  group_select<> const low{.groups = 120, .size = 5}, high{.groups = 80, .size = 5, .first = 120};
  auto const a = low.run(l.mean, l.variance, source), b = high.run(l.mean, l.variance, source);
  CHECK(std::min(a.score, b.score) == best.score);
  CHECK((a.score <= b.score ? a.group : b.group) == best.group);
  CHECK(s.run(l.mean, l.variance, noise::counted{12}).group != best.group);
}

TEST_CASE("the groups come from the law") {
  law const l(5);
  group_select<> const s{.size = 10};
  analysis::running_moments m(5);
  for (std::int64_t g = 0; g < 5000; ++g) m.add(view(s.draw(g, l.mean, l.variance, source), 5));
  auto const mean = m.mean(), variance = m.variance();
  for (std::size_t j = 0; j < 5; ++j) {
    CHECK(test::passes("group_select: mean of a column",
                       test::p_of_z(test::z_of_mean(mean[j], l.mean[j], l.variance[j], 5e4))));
    CHECK(test::passes("group_select: variance of a column",
                       test::p_of_z(test::z_of_variance(variance[j], l.variance[j], 5e4))));
  }
}

TEST_CASE("a group's numbers are those of its samples' addresses") {
  constexpr int width = 150, size = 4;
  law const l(width);
  auto const x = group_select<>{.size = size}.draw(6, l.mean, l.variance, source);
  numbers z(width);
  for (std::size_t i = 0; i < size; ++i) {
    source.fill(noise::key{noise::prior_step, 0, 0, 1.0, 1.0}, 24 + static_cast<int>(i), 0, width,
                z.data());
    for (std::size_t j = 0; j < width; ++j) {
      CHECK(x[i * width + j] == Approx(l.mean[j] + std::sqrt(l.variance[j]) * z[j]).epsilon(1e-14));
    }
  }
}

// 400 searches over 50 groups: the best score is below the quantile a of one score with probability
// 1 - (1 - a)^50. A rate of 0.5 is known to 0.025.
TEST_CASE("the best of m falls with m as the least of m scores does") {
  law const l(12);
  group_select<> s{.groups = 50, .size = 6};
  numbers single;
  for (std::int64_t g = 20000; g < 60000; ++g) single.push_back(score_of(s, l, g));
  std::sort(single.begin(), single.end());
  double const a = 1.0 - std::pow(0.5, 1.0 / 50.0);
  double const quantile = single[static_cast<std::size_t>(a * 40000.0)];
  std::int64_t below = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    s.first = i * 50;
    below += s.run(l.mean, l.variance, source).score < quantile ? 1 : 0;
  }
  CHECK(test::passes("group_select: least of 50", test::p_of_binomial(below, 400, 0.5)));
  double before = INFINITY;
  s.first = 0;
  for (std::int64_t const m : {1, 10, 100, 1000, 10000}) {
    s.groups = m;
    double const score = s.run(l.mean, l.variance, source).score;
    CHECK(score < before);
    before = score;
  }
}

TEST_CASE("the chosen group is nearer to the law than any usual one") {
  constexpr int width = 64;
  law const l(width);
  group_select<> const s{.groups = 3000, .size = 10};
  auto const distance = [&](std::int64_t g) {
    analysis::running_moments m(width);
    m.add(view(s.draw(g, l.mean, l.variance, source), width));
    return analysis::frechet_squared(m.mean(), m.variance(), l.mean, l.variance);
  };
  double mean = 0.0, least = INFINITY;
  for (std::int64_t g = 0; g < 100; ++g) {
    mean += distance(g) / 100.0;
    least = std::min(least, distance(g));
  }
  double const chosen = distance(s.run(l.mean, l.variance, source).group);
  CHECK(chosen < 0.75 * mean);
  CHECK(chosen < least);
}

TEST_CASE("what is refused") {
  law const l(4);
  auto const running = [&](group_select<> const& s, numbers mean, numbers variance) {
    return test::message_of([&] { s.run(mean, variance, source); });
  };
  auto const with = [&](group_select<> const& s) { return running(s, l.mean, l.variance); };
  std::string const where = "diffx::search::group_select", score = "diffx::search::moments_score";
  CHECK(test::says(with({.groups = 0}), where, "groups", "0", "at least 1"));
  CHECK(test::says(with({.batch = 0}), where, "batch", "0", "at least 1"));
  CHECK(test::says(with({.size = 0}), where, "size", "0", "at least 1"));
  CHECK(test::says(with({.first = -1}), where, "first", "-1", "at least 0"));
  CHECK(test::says(with({.first = noise::max_sample / 10}), where, "first",
                   detail::text(static_cast<long long>(noise::max_sample / 10)), "at least 0"));
  CHECK(test::says(with({.size = 2}), score, "samples of a group", "2", "at least 3"));
  CHECK(test::says(with({.score = {-1.0}}), score, "skewness_weight", "-1", "at least 0"));
  CHECK(test::says(running({}, {}, {}), score, "columns", "0", "at least 1"));
  CHECK(test::says(running({.score = {0.1, skewness_axis::dimensions}}, {0, 0}, {1, 1}), score,
                   "columns", "2", "at least 3"));
  CHECK(test::says(running({}, {0, 0}, {1}), where, "variance.size()", "1", "mean.size() = 2"));
  CHECK(test::says(running({}, {0, NAN}, {1, 1}), where, "mean[1]", "nan", "finite"));
  CHECK(test::says(running({}, {0, 0}, {1, 0}), where, "variance[1]", "0", "positive and finite"));
  CHECK(test::says(test::message_of([&] { group_select<>{}.draw(-1, l.mean, l.variance, source); }),
                   where, "group", "-1", "a group that the noise has samples for"));
  numbers const flat{1, 2, 1, 3, 1, 4};
  auto const of = [&](numbers const& mean, numbers const& variance) {
    return test::message_of([&] { moments_score{}.of(view(flat, 2), mean, variance); });
  };
  CHECK(of({0, 0}, {1, 1}).rfind(score + ": the group is constant in a column", 0) == 0);
  CHECK(test::says(of({0}, {1, 1}), score, "moments of the law", "1", "those of the columns, 2"));
  CHECK(test::says(of({0, 0}, {1, 0}), score, "variance", "0", "positive"));
}

}  // namespace
