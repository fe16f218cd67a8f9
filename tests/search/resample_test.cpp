// Systematic resampling, against the counts that its definition allows.

#include <diffx/search/resample.hpp>

#include <doctest/doctest.h>

using namespace diffx;

TEST_CASE("resample: children are floor or ceil of K w, survivors stay") {
  for (std::int64_t const K : {1, 2, 1000, 4096}) {
    auto const n = static_cast<std::size_t>(K);
    for (int step = 0; step < 20; ++step) {
      std::vector<double> logs(n), w(n);
      std::vector<std::int64_t> from(n), children(n);
      search::resampled found[1];
      double sum = 0.0, squares = 0.0;
      for (std::size_t j = 0; j < n; ++j) {
        noise::counted{5}.fill({step}, static_cast<std::int64_t>(j), 0, 1, &logs[j]);
        sum += w[j] = std::exp(logs[j]);
        squares += w[j] * w[j];
      }
      search::resample(logs, K, noise::counted{6}, {step}, 0, from, found);
      CHECK(found[0].effective == doctest::Approx(sum * sum / squares));
      CHECK(found[0].log_mean == doctest::Approx(std::log(sum / static_cast<double>(K))));
      for (auto const a : from) ++children[static_cast<std::size_t>(a)];
      bool close = true, stay = true;
      for (std::size_t j = 0; j < n; ++j) {
        double const c = static_cast<double>(children[j]);
        close = close && std::abs(c - static_cast<double>(K) * w[j] / sum) < 1.0 + 1e-6;
        stay = stay && (children[j] == 0 || from[j] == static_cast<std::int64_t>(j));
      }
      CHECK(close);
      CHECK(stay);
    }
  }
}

TEST_CASE("resample: equal weights move nothing, one heavy particle takes all") {
  std::vector<double> logs(100, -700.0);
  std::vector<std::int64_t> from(100);
  search::resampled found[1];
  search::resample(logs, 100, noise::counted{1}, {}, 0, from, found);
  for (std::size_t j = 0; j < 100; ++j) CHECK(from[j] == static_cast<std::int64_t>(j));
  CHECK(found[0].effective == doctest::Approx(100.0));
  logs[17] = 0.0;
  search::resample(logs, 100, noise::counted{1}, {}, 0, from, found);
  for (auto const a : from) CHECK(a == 17);
  logs[17] = std::nan("");
  CHECK_THROWS_AS(search::resample(logs, 100, noise::counted{1}, {}, 0, from, found), error);
  logs.assign(100, -HUGE_VAL);
  CHECK_THROWS_AS(search::resample(logs, 100, noise::counted{1}, {}, 0, from, found), error);
}
