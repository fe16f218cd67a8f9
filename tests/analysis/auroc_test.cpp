// The area under the ROC curve, against the count of pairs.

#include <diffx/analysis/auroc.hpp>

#include "../support/message.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using numbers = std::vector<double>;
using labels = std::vector<std::uint8_t>;

double by_pairs(numbers const& scores, labels const& anomaly) {
  double wins = 0.0, pairs = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (anomaly[i] == 0 || anomaly[j] != 0) continue;
      pairs += 1.0;
      wins += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
    }
  }
  return wins / pairs;
}

TEST_CASE("auroc: known values") {
  CHECK(analysis::auroc(numbers{0, 1, 2, 3}, labels{0, 0, 1, 1}) == 1.0);
  CHECK(analysis::auroc(numbers{3, 2, 1, 0}, labels{0, 0, 1, 1}) == 0.0);
  CHECK(analysis::auroc(numbers{5, 5, 5, 5, 5}, labels{0, 1, 0, 0, 1}) == 0.5);
  CHECK(analysis::auroc(numbers{-INFINITY, 0, INFINITY, INFINITY}, labels{0, 1, 1, 0}) == 0.625);
  CHECK(analysis::auroc(numbers{2, 1}, labels{7, 0}) == 1.0);  // any label but 0 is an anomaly
}

TEST_CASE("auroc: the share of pairs, ties a half, whatever the order of the rows") {
  std::uint32_t state = 1;
  auto const draw = [&](std::uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % n;
  };
  for (std::uint32_t const values : {2u, 7u, 1000u}) {
    numbers scores;
    labels anomaly;
    for (int i = 0; i < 60; ++i) {
      scores.push_back(draw(values));
      anomaly.push_back(draw(3) == 0 ? 1 : 0);
    }
    double const want = by_pairs(scores, anomaly);
    CHECK(analysis::auroc(scores, anomaly) == doctest::Approx(want).epsilon(1e-14));
    numbers turned(scores.rbegin(), scores.rend());
    labels turned_labels(anomaly.rbegin(), anomaly.rend());
    CHECK(analysis::auroc(turned, turned_labels) == analysis::auroc(scores, anomaly));
  }
}

TEST_CASE("auroc: what it refuses") {
  auto const says = [](numbers const& s, labels const& l, std::string const& parameter,
                       std::string const& value, std::string const& range) {
    return test::says(test::message_of([&] { analysis::auroc(s, l); }), "diffx::analysis::auroc",
                      parameter, value, range);
  };
  CHECK(says({1, 2}, {0}, "labels.size()", "1", "scores.size() = 2"));
  CHECK(says({1, NAN}, {0, 1}, "scores[1]", "nan", "a number"));
  CHECK(says({1, 2}, {0, 0}, "number of anomalies", "0", "at least 1"));
  CHECK(says({1, 2}, {1, 1}, "number of normal rows", "0", "at least 1"));
  CHECK(says({}, {}, "number of anomalies", "0", "at least 1"));
}

}  // namespace
