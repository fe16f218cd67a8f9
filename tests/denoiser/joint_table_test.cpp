#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>

#include "support/oracles.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using weights = std::vector<double>;

/// The largest distance between exp(logits) and a table of probabilities [position][class].
template <class Denoiser>
double distance(Denoiser const& d, int width, std::vector<int> const& state, double alpha,
                nlohmann::json const& want) {
  auto const length = static_cast<std::int64_t>(state.size());
  std::vector<double> out(state.size() * static_cast<std::size_t>(width));
  query q;
  q.at.alpha = alpha;
  d(exec::host{}, batch_view<int const>{state.data(), 1, length}, q,
    batch_view<double>{out.data(), 1, length * width});
  double worst = 0.0;
  for (std::size_t l = 0; l < state.size(); ++l) {
    for (std::size_t v = 0; v < want[l].size(); ++v) {
      double const have = std::exp(out[l * static_cast<std::size_t>(width) + v]);
      worst = std::max(worst, std::abs(have - want[l][v].get<double>()));
    }
  }
  return worst;
}

TEST_CASE("joint_table: posteriors and cavities of the oracle") {
  auto const oracle = test::load_oracles().at("categorical");
  auto const w = oracle.at("weights").get<weights>();
  process::absorbing<> const masked(3);
  denoiser::joint_table const exact(masked, 3, 3, w, prediction::x0_posterior<double>{});
  for (auto const& entry : oracle.at("absorbing_posterior")) {
    CHECK(distance(exact, 3, entry[0].get<std::vector<int>>(), 0.37, entry[1]) < 1e-14);
  }
  int compared = 0;
  for (auto const& entry : oracle.at("stationary")) {
    if (!entry.contains("posterior_P")) continue;
    process::marginal<> const p(entry.at("pi").get<weights>());
    auto const state = entry.at("x_t").get<std::vector<int>>();
    double const alpha = entry.at("alpha").get<double>();
    denoiser::joint_table const posterior(p, 3, 3, w, prediction::x0_posterior<double>{});
    denoiser::joint_table const cavity(p, 3, 3, w, prediction::x0_cavity<double>{});
    CHECK(distance(posterior, 3, state, alpha, entry.at("posterior_P")) < 1e-14);
    CHECK(distance(cavity, 3, state, alpha, entry.at("cavity_C")) < 1e-14);
    ++compared;
  }
  CHECK(compared == 2);
}

TEST_CASE("joint_table: a mask among the logits gets none of the probability") {
  process::absorbing<> const p(4, 3);
  denoiser::joint_table const d(p, 3, 1, {1.0, 2.0, 1.0}, prediction::x0_posterior<double>{});
  CHECK(distance(d, 4, {3}, 0.5, nlohmann::json{{0.25, 0.5, 0.25, 0.0}}) < 1e-15);
}

TEST_CASE("joint_table refuses what does not fit it") {
  process::absorbing<> const p(3);
  auto const make = [&](int classes, int positions, weights w) {
    denoiser::joint_table const d(p, classes, positions, std::move(w));
    static_cast<void>(d);
  };
  CHECK_THROWS_WITH_AS(make(0, 1, {}), doctest::Contains("classes = 0"), error);
  CHECK_THROWS_WITH_AS(make(2, 0, {}), doctest::Contains("positions = 0"), error);
  CHECK_THROWS_WITH_AS(make(4, 1, {1, 1, 1, 1}), doctest::Contains("classes of the process"),
                       error);
  CHECK_THROWS_WITH_AS(make(2, 2, {1, 1, 1}), doctest::Contains("weights.size() = 3"), error);
  CHECK_THROWS_WITH_AS(make(2, 1, {1, -1}), doctest::Contains("a weight = -1"), error);
  // Data without class 1 cannot have shown it.
  denoiser::joint_table const d(p, 3, 1, {1.0, 0.0, 1.0});
  std::vector<int> const x{1};
  std::vector<float> out(3);
  query q;
  q.at.alpha = 0.5;
  CHECK_THROWS_WITH_AS(d(exec::host{}, batch_view<int const>{x.data(), 1, 1}, q,
                         batch_view<float>{out.data(), 1, 3}),
                       doctest::Contains("no such data"), error);
}

}  // namespace
