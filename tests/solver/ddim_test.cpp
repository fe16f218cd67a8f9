#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddim_inverse.hpp>
#include <diffx/solver/ddpm.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::ddim;
using diffx::solver::ddim_inverse;
using diffx::solver::ddpm;
using diffx::solver::ddpm_large;
using diffx::solver::ddpm_learned;

diffx::timetable rough(bool to_zero = false) {
  std::vector<level> l{test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5)};
  if (to_zero) l.push_back(test::clean());
  return diffx::timetable(l);
}

double square(double x) { return x * x; }

TEST_CASE("ddim: Eq. 12 and 16 in alpha bar, for every eta") {
  auto const grid = rough(true);
  for (double const eta : {0.0, 0.4, 1.0}) {
    for (int i = 0; i < grid.steps(); ++i) {
      double const bar = square(grid[i].alpha), next = square(grid[i + 1].alpha);
      double const sd = eta * std::sqrt((1.0 - next) / (1.0 - bar) * (1.0 - bar / next));
      double const x = 0.8, x0 = -0.3, eps = (x - std::sqrt(bar) * x0) / std::sqrt(1.0 - bar);
      double const want = std::sqrt(next) * x0 + std::sqrt(1.0 - next - sd * sd) * eps + sd * 0.9;
      test::interpreter run(x);
      auto const plan = test::plan_of(ddim{.eta = eta}, grid, i);
      CHECK(plan.size() == 1);
      run.step(
          plan, [&](double, level const&) { return x0; }, [](auto const&) { return 0.9; });
      CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
    }
  }
  auto const last = test::plan_of(ddim{.eta = 1.0}, grid, 3).at(0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.output == 1.0);
  CHECK(last.noise[0].weight == 0.0);
}

TEST_CASE("ddim: a step with the raw eps under a hook on x0") {
  auto const grid = rough();
  level const s = grid[1], t = grid[2];
  double const x = 0.8, x0 = 1.4, hooked = 1.0, eps = (x - s.alpha * x0) / s.sigma;
  auto const kept = test::plan_of(ddim{.keeps_raw_eps = true}, grid, 1).at(0);
  double const got = kept.state[0] * x + kept.output * hooked + kept.hook * (hooked - x0);
  CHECK(got == doctest::Approx(t.alpha * hooked + t.sigma * eps).epsilon(1e-12));
}

TEST_CASE("ddim: eta 0 is of order 1, any eta of weak order 1 with the exact mean") {
  auto const order = test::measure_order([](int n) { return test::mixture_error(ddim{}, n); });
  CHECK(order.has_order(1.0));
  for (double const eta : {0.5, 1.0}) {
    double mean = 0.0;
    auto const weak = test::weak_order(ddim{.eta = eta}, mean);
    CHECK(std::fabs(weak.fitted - 1.0) < 0.15);
    CHECK(mean < 1e-12);
  }
}

TEST_CASE("ddpm: Eq. 7 with both variances; the small one is DDIM with eta = 1") {
  auto const grid = rough(true);
  for (int i = 0; i < grid.steps(); ++i) {
    double const bar = square(grid[i].alpha), next = square(grid[i + 1].alpha);
    double const beta = 1.0 - bar / next, small = (1.0 - next) / (1.0 - bar) * beta;
    auto const s = test::plan_of(ddpm{}, grid, i).at(0);
    CHECK(s.output == doctest::Approx(std::sqrt(next) * beta / (1.0 - bar)).epsilon(1e-12));
    CHECK(s.state[0] ==
          doctest::Approx(std::sqrt(bar / next) * (1.0 - next) / (1.0 - bar)).epsilon(1e-12));
    CHECK(s.noise[0].weight == doctest::Approx(std::sqrt(small)).epsilon(1e-12));
    auto const d = test::plan_of(ddim{.eta = 1.0}, grid, i).at(0);
    CHECK(s.state[0] == doctest::Approx(d.state[0]).epsilon(1e-12));
    CHECK(s.output == doctest::Approx(d.output).epsilon(1e-12));
    CHECK(s.noise[0].weight == doctest::Approx(d.noise[0].weight).epsilon(1e-12));
    auto const l = test::plan_of(ddpm_large{}, grid, i).at(0);
    CHECK(l.noise[0].weight == doctest::Approx(i == 3 ? 0.0 : std::sqrt(beta)).epsilon(1e-12));
    auto const v = test::plan_of(ddpm_learned{}, grid, i).at(0);
    if (i == 3) continue;
    CHECK(v.noise[0].weight == 1.0);
    for (double const p : {-1.0, 0.25, 1.0}) {
      double const f = 0.5 * (p + 1.0);
      CHECK(
          v.log_std[0] + p * v.log_std[1] ==
          doctest::Approx(0.5 * (f * std::log(beta) + (1.0 - f) * std::log(small))).epsilon(1e-12));
    }
  }
}

TEST_CASE("ddpm: the last step, and its variants") {
  auto const grid = rough(true);
  auto const last = test::plan_of(ddpm{}, grid, 3).at(0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.output == 1.0);
  CHECK(last.noise[0].weight == 0.0);
  ddpm floored;
  floored.variance_floor = 1e-20;
  CHECK(test::plan_of(floored, grid, 3).at(0).noise[0].weight == 0.0);
  floored.noise_onto_data = true;
  CHECK(test::plan_of(floored, grid, 3).at(0).noise[0].weight == doctest::Approx(1e-10));
  ddpm mean;
  mean.mean_at_end = true;
  CHECK(test::plan_of(mean, rough(), 2).at(0).noise[0].weight == 0.0);
  CHECK(test::plan_of(mean, rough(), 1).at(0).noise[0].weight > 0.0);
}

TEST_CASE("ddim_inverse: DDIM read backwards, with the network asked at the noisier level") {
  diffx::timetable const up({test::clean(), test::vp(1.0), test::vp(0.2), test::vp(-1.3)});
  for (int i = 0; i < up.steps(); ++i) {
    level const s = up[i], t = up[i + 1];
    auto const p = test::plan_of(ddim_inverse{}, up, i).at(0);
    CHECK(p.at.lambda == t.lambda);
    CHECK(p.convert.lambda == s.lambda);
    double const x = 0.8, eps = -0.4, x0 = (x - s.sigma * eps) / s.alpha;
    CHECK(p.state[0] * x + p.output * eps ==
          doctest::Approx(t.alpha * x0 + t.sigma * eps).epsilon(1e-12));
  }
  CHECK(test::plan_of(ddim_inverse{.asks_at_start = true}, up, 1).at(0).at.lambda == 1.0);
  // Down and up again with a constant eps: back where it began.
  diffx::timetable const down({test::vp(-1.3), test::vp(0.2), test::vp(1.0)});
  diffx::timetable const back({test::vp(1.0), test::vp(0.2), test::vp(-1.3)});
  auto const eps = [](double, level const&) { return 0.6; };
  test::interpreter run(0.9);
  for (int i = 0; i < 2; ++i) {
    run.step(test::plan_of(ddim{}, down, i),
             [&](double x, level const& at) { return (x - at.sigma * 0.6) / at.alpha; });
  }
  for (int i = 0; i < 2; ++i) run.step(test::plan_of(ddim_inverse{}, back, i), eps);
  CHECK(run.x() == doctest::Approx(0.9).epsilon(1e-12));
}

TEST_CASE("ddim, ddpm, ddim_inverse: alpha = 0 at the start, bad arguments") {
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0), test::clean()});
  for (auto const& s :
       {test::plan_of(ddim{.eta = 0.5}, noise, 0).at(0), test::plan_of(ddpm{}, noise, 0).at(0)}) {
    CHECK(std::isfinite(s.state[0]));
    CHECK(std::isfinite(s.output));
    CHECK(std::isfinite(s.noise[0].weight));
  }
  diffx::timetable const up({test::clean(), test::vp(1.0), test::vp(0.2)});
  CHECK_THROWS_AS(test::plan_of(ddim{.eta = -0.1}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(ddim{.eta = 1.1}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(ddim{}, up, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(ddim{.eta = 0.5}, up, 1), diffx::error);
  CHECK_NOTHROW(test::plan_of(ddim{}, up, 1));
  CHECK_THROWS_AS(test::plan_of(ddpm{}, up, 1), diffx::error);
  CHECK_THROWS_AS(test::plan_of(ddpm{.variance_floor = -1.0}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(ddim_inverse{}, noise, 0), diffx::error);
}

}  // namespace
