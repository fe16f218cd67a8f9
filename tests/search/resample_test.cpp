// Systematic resampling, against the counts that its definition allows.

#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/search/resample.hpp>
#include <diffx/solver/ddim.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/statistics.hpp"
#include "support/thread_team.hpp"
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

TEST_CASE("resample: the mean number of children is K w") {
  // Child counts are floor or ceil: K w - floor is the probability of the upper one.
  std::vector<double> const logs{0.0, std::log(0.45), std::log(0.05), std::log(0.7), -HUGE_VAL};
  double const w[] = {1.0, 0.45, 0.05, 0.7, 0.0};
  constexpr int draws = 20000;
  std::vector<double> many;
  for (int i = 0; i < draws; ++i) many.insert(many.end(), logs.begin(), logs.end());
  std::vector<std::int64_t> from(many.size());
  std::vector<search::resampled> found(draws);
  search::resample(many, 5, noise::counted{8}, {}, 0, from, found);
  double mean[5] = {};
  for (auto const a : from) mean[static_cast<std::size_t>(a)] += 1.0 / draws;
  for (int j = 0; j < 5; ++j) {
    double const expected = 5.0 * w[j] / 2.2, rest = expected - std::floor(expected);
    // Six deviations of a mean of Bernoulli draws: 2e-9 a side.
    CHECK(std::abs(mean[j] - expected) <= 6.0 * std::sqrt(rest * (1.0 - rest) / draws) + 1e-12);
  }
}

TEST_CASE("resample_on: a team finds what one thread finds, bit for bit") {
  for (std::int64_t const K : {1, 2, 3, 31, 32, 33, 1000}) {
    CAPTURE(K);
    constexpr std::int64_t groups = 4;
    auto const n = static_cast<std::size_t>(groups * K);
    for (double const spread : {0.0, 1.0, 30.0}) {
      std::vector<double> logs(n);
      for (std::size_t i = 0; i < n; ++i) {
        noise::counted{5}.fill({}, static_cast<std::int64_t>(i), 0, 1, &logs[i]);
        logs[i] *= spread;
        if (i % 7 == 3 && K > 7) logs[i] = -HUGE_VAL;
      }
      std::vector<std::int64_t> one(n), many(n);
      std::vector<search::resampled> found(groups), shared(groups);
      search::resample(logs, K, noise::counted{6}, {2}, 9, one, found);
      std::vector<std::uint64_t> memory(
          static_cast<std::size_t>(search::resample_workspace_size(groups, K)) / 8);
      search::resample_on(test::by_teams{}, logs.data(), groups, K, noise::counted{6}, {2}, 9,
                          std::as_writable_bytes(std::span(memory)), many.data(), shared.data());
      CHECK(one == many);
      for (std::size_t g = 0; g < groups; ++g) {
        CHECK(found[g].effective == shared[g].effective);
        CHECK(found[g].log_mean == shared[g].log_mean);
      }
    }
  }
}

TEST_CASE("resample_on: a group without weights keeps its particles and is found NaN") {
  for (double const bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    std::vector<double> logs{0.0, -1.0, -2.0, -3.0};
    logs[2] = bad;
    if (bad == -HUGE_VAL) logs[3] = bad;
    std::vector<std::int64_t> from(4, -5);
    search::resampled found[2];
    std::vector<std::uint64_t> memory(16);
    search::resample_on(test::by_teams{}, logs.data(), 2, 2, noise::counted{6}, {}, 0,
                        std::as_writable_bytes(std::span(memory)), from.data(), found);
    CHECK(std::isfinite(found[0].effective));
    CHECK(std::isnan(found[1].effective));
    CHECK(std::isnan(found[1].log_mean));
    CHECK(from[2] == 0);
    CHECK(from[3] == 1);
  }
  std::vector<std::uint64_t> small(15);
  CHECK_THROWS_AS(search::resample_on(test::by_teams{}, nullptr, 2, 4, noise::counted{6}, {}, 0,
                                      std::as_writable_bytes(std::span(small)), nullptr, nullptr),
                  error);
}

namespace {

/// The exact eps of data N(0, 1) on a variance-preserving path.
struct normal_data {
  prediction::eps prediction{};
  template <class Exec>
  void operator()(Exec const&, batch_view<double const> x, query const& q,
                  batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = q.at.sigma * x.data[i];
  }
};

}  // namespace

TEST_CASE("run::replace: a filter of particles has the tilted law") {
  // Data N(0, 1), reward a x0. Steered by a E[x0 | x_t] = a alpha x_t, whose weights telescope, the
  // samples have density N(x; 0, 1) exp(a x): N(a, 1), up to the steps and the number of particles.
  constexpr double a = 0.8;
  constexpr std::int64_t K = 4096;
  sampler const s{test::vp_process{}, solver::ddim{.eta = 1.0}};
  timetable const times(test::uniform_lambda(-4.0, 4.0, 41));
  normal_data const net;
  std::vector<double> x(K), logs(K), reward(K, 0.0);
  batch_view<double> const view{x.data(), K, 1};
  diffx::detail::workspace const memory(s.workspace_size(exec::host{}, net, view));
  auto r = s.start(exec::host{}, net, times, view, memory.span(), options{noise::counted{3}});
  std::vector<std::int64_t> from(K);
  double evidence = 0.0;
  auto const weigh = [&] {
    auto const at = r.status().at;
    std::vector<double> next(K);
    for (std::size_t i = 0; i < K; ++i) {
      next[i] = a * at.alpha * x[i];
      logs[i] = next[i] - reward[i];
    }
    search::resampled found[1];
    search::resample(logs, K, noise::counted{4}, {r.step()}, 0, from, found);
    r.replace(K, from.data());
    for (std::size_t i = 0; i < K; ++i) reward[i] = next[static_cast<std::size_t>(from[i])];
    evidence += found[0].log_mean;
  };
  weigh();
  while (!r.done()) {
    r.advance();
    weigh();
  }
  double mean = 0.0, square = 0.0;
  for (double const v : x) mean += v / K;
  for (double const v : x) square += (v - mean) * (v - mean) / K;
  // Resampling at all 41 levels costs at most a few times the variance of K independent samples;
  // with 8 times it six deviations are 6 sqrt(8 / K) = 0.27.
  CHECK(std::abs(mean - a) < 0.27);
  CHECK(std::abs(square - 1.0) < 0.27 * std::sqrt(2.0));
  CHECK(std::abs(evidence - 0.5 * a * a) < 0.27);
  CHECK(mean > 0.4);  // what no filter would give
  CHECK_THROWS_AS(r.replace(3, from.data()), error);
}
