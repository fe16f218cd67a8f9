// analysis/class_kernel.hpp, chain_law.hpp and float_race.hpp: laws of steps and chains as numbers.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/analysis/class_kernel.hpp>
#include <diffx/analysis/float_race.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>

#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace {

using namespace diffx;
using numbers = std::vector<double>;

template <class Process>
void check_process(Process const& p) {
  int const states = analysis::state_count(p), width = p.limit().classes;
  auto const n = static_cast<std::size_t>(states);
  level const s = p.at(0.3), t = p.at(0.55);
  auto const first = analysis::transition(p, {}, s), step = analysis::transition(p, s, t),
             all = analysis::transition(p, {}, t);
  numbers posterior;
  for (int i = 0; i < width; ++i) posterior.push_back(1.0 + i);
  posterior = analysis::normalised(posterior);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0.0;
      for (std::size_t k = 0; k < n; ++k) sum += first[i * n + k] * step[k * n + j];
      CHECK(std::fabs(sum - all[i * n + j]) < 1e-15);
      auto const b = analysis::bridge(p, t, s, static_cast<int>(j), static_cast<int>(i));
      for (std::size_t k = 0; k < n; ++k) {
        double const want =
            sum > 0.0 ? step[k * n + j] * first[i * n + k] / sum : 0.0;  // Bayes' rule
        CHECK(std::fabs(b[k] - want) < 1e-14);
      }
    }
  }
  for (int now = 0; now < states; ++now) {
    // The mixture of the posterior is the plug-in form of the cavity.
    if (p.limit().mask >= 0 && now != p.limit().mask) continue;
    auto const cavity = analysis::cavity_of_posterior(p, t, now, posterior);
    auto const a = analysis::mixture_kernel(p, t, s, now, posterior);
    auto const b = analysis::plug_in_kernel(p, t, s, now, cavity);
    CHECK(std::accumulate(a.begin(), a.end(), 0.0) == doctest::Approx(1.0).epsilon(1e-14));
    for (std::size_t k = 0; k < n; ++k) CHECK(std::fabs(a[k] - b[k]) < 1e-14);
  }
}

TEST_CASE("laws of steps: composition, Bayes' rule, and the two forms of the reverse step") {
  check_process(process::uniform<>(3));
  check_process(process::marginal<>({0.5, 0.3, 0.2}));
  check_process(process::absorbing<>(3));
}

TEST_CASE("laws of logits: no mask, what is seen is itself, and no distribution is refused") {
  constexpr double none = -std::numeric_limits<double>::infinity();
  process::absorbing<> const inner(3, 1);
  numbers const logits{std::log(0.2), 7.0, std::log(0.6)};
  auto const law = analysis::law_of_logits<double>(inner.limit(), 1, logits);
  CHECK(law[0] == doctest::Approx(0.25).epsilon(1e-15));
  CHECK(law[1] == 0.0);
  CHECK(analysis::law_of_logits<double>(inner.limit(), 2, logits) == numbers{0.0, 0.0, 1.0});
  process::uniform<> const p(3);
  CHECK_THROWS_AS(analysis::law_of_logits<double>(p.limit(), 0, numbers{none, none, none}), error);
  CHECK_THROWS_AS(analysis::law_of_logits<double>(p.limit(), 0, numbers{0.0, 0.0}), error);
}

TEST_CASE("the reverse step from alpha = 0: a class among masks, which no data leads to, stays") {
  process::absorbing<> const p(3);
  auto const kernel = analysis::mixture_kernel(p, p.at(1.0), p.at(0.75), 1, numbers{0.0, 1.0, 0.0});
  CHECK(kernel == numbers{0.0, 1.0, 0.0, 0.0});
}

TEST_CASE("laws of chains: independent positions stay so, and a start of another size is refused") {
  process::uniform<> const p(2);
  auto const network = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i)
          out.data[i] = i % 2 == 0 ? 0.0 : std::log(3.0);
      });
  auto const kernel = [&](int now, std::span<double const> logits, level const& t, level const& s) {
    return analysis::mixture_kernel(p, t, s, now, analysis::law_of_logits(p.limit(), now, logits));
  };
  auto const grid = grid::uniform_t(p, 3);
  auto const law = analysis::chain_law(
      p, network, grid, 2, analysis::independent_law(analysis::limit_row(p), 2), kernel);
  numbers const want{1.0 / 16, 3.0 / 16, 3.0 / 16, 9.0 / 16};
  CHECK(analysis::total_variation(law, want) < 1e-15);
  CHECK_THROWS_AS(analysis::chain_law(p, network, grid, 2, numbers(3, 1.0), kernel), error);
}

TEST_CASE("races of floats: nothing lost over few classes, nearly everything over many") {
  // To first order the intended odds, less half a step of 2^-24 for each class.
  double const p = 1e-3;
  CHECK(analysis::float_race_probability(2, p) ==
        doctest::Approx(p / (1 - p) - 0x1p-24).epsilon(1e-6));
  CHECK(analysis::float_race_probability(126464, p) < 0.01 * p);
  CHECK_THROWS_AS(analysis::float_race_probability(0.0, p), error);
  CHECK_THROWS_AS(analysis::float_race_probability(2.0, 1.0), error);
}

}  // namespace
