#include <diffx/exec/host.hpp>
#include <diffx/prediction/v.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/late_churn.hpp>

#include "support/impulses.hpp"
#include "support/levels.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <numbers>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::churn;
using diffx::solver::churn_amount;
using diffx::solver::euler;
using diffx::solver::heun;
using diffx::solver::late_churn;

double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::clean()});
}

TEST_CASE("churn: Algorithm 2 with Heun, where S_min <= s <= S_max") {
  auto const grid = rough();
  churn_amount const amount{.churn = 1.2, .from = 1.0, .to = 6.0, .s_noise = 1.003};
  for (int i = 0; i < 4; ++i) {
    level const s = grid[i], t = grid[i + 1];
    double const a = s.edm_sigma(), b = t.edm_sigma();
    bool const churns = a >= 1.0 && a <= 6.0;
    CHECK(churns == (i == 1 || i == 2 || i == 3));
    double const hat = a * (1.0 + (churns ? 0.3 : 0.0));
    double const y = 0.8 / s.alpha + 1.003 * std::sqrt(hat * hat - a * a) * 1.7;
    level const up = test::vp(-std::log(hat));
    double const d = wavy(y * up.alpha, up), e = y + (b - hat) * d;
    double const end = b == 0.0 ? e : y + (b - hat) * 0.5 * (d + wavy(e * t.alpha, t));
    test::interpreter run(0.8);
    auto const plan = test::plan_of(churn<>{{}, amount}, grid, i);
    CHECK(plan.size() == (churns ? 1u : 0u) + (i == 3 ? 1u : 2u));
    run.step(plan, wavy, [](auto const& key) {
      CHECK(key.step >= 1);
      return 1.7;
    });
    CHECK(run.x() == doctest::Approx(end * t.alpha).epsilon(1e-12));
  }
  CHECK(churn_amount{.churn = 80.0}.gamma(1.0, 4) == std::numbers::sqrt2 - 1.0);
  CHECK(churn_amount{}.gamma(1.0, 4) == 0.0);
}

TEST_CASE("churn: without an amount it is its inner solver; the real loop does the same") {
  auto const grid = rough();
  for (int i = 0; i < 4; ++i) {
    auto const a = test::plan_of(churn<euler>{}, grid, i), b = test::plan_of(euler{}, grid, i);
    CHECK(a.size() == 1);
    CHECK(a[0].state[0] == b[0].state[0]);
    CHECK(a[0].output == b[0].output);
  }
  diffx::denoiser::gaussian const data(0.7, 0.6);
  diffx::timetable const part({test::vp(-0.9), test::vp(-0.5), test::vp(0.4)});
  churn<heun> const s{{}, {.churn = 0.4}};
  auto const by_run =
      test::law_of_chain(test::compose(test::vp_process{}, s), data, part, {0.2, 0.9});
  auto const by_plan = test::law_of_plans(s, data, part, {0.2, 0.9});
  CHECK(by_run.mean == doctest::Approx(by_plan.mean).epsilon(1e-12));
  CHECK(by_run.variance == doctest::Approx(by_plan.variance).epsilon(1e-12));
}

TEST_CASE("churn: weak order on Gaussian data") {
  double mean = 0.0;
  auto const euler_order = test::weak_order(churn<euler>{{}, {.churn = 1.0}}, mean);
  CHECK(std::fabs(euler_order.fitted - 1.0) < 0.15);
  CHECK(mean < 1e-12);
  auto const heun_order = test::weak_order(churn<heun>{{}, {.churn = 1.0}}, mean);
  CHECK(std::fabs(heun_order.fitted - 2.0) < 0.15);
}

TEST_CASE("late_churn: the library's formula, on alpha = 1") {
  diffx::timetable const grid({level::edm(3.0, 3.0), level::edm(1.2, 2.0), level::edm(0.5, 1.0)});
  struct edm_process : test::vp_process {
    level at_lambda(double lambda) const { return level::edm(std::exp(-lambda)); }
  };
  for (bool const of_v : {false, true}) {
    double const s = 3.0, hat = 3.6, t = 1.2, x = 0.8, p = -0.3, xi = 1.7;
    double const lifted = x + 1.003 * std::sqrt(hat * hat - s * s) * xi;
    double const x0 =
        of_v ? -p * s / std::sqrt(s * s + 1.0) + lifted / (s * s + 1.0) : lifted - hat * p;
    double const want = lifted + (lifted - x0) / hat * (t - hat);
    diffx::plan out;
    edm_process const process;
    diffx::plan_context<edm_process> const c{process, grid, 0, 0, 1};
    churn_amount const amount{.churn = 0.4, .s_noise = 1.003};
    diffx::linear_form form;
    if (of_v) {
      using v = diffx::prediction::normalised<diffx::prediction::v>;
      late_churn<v>{{}, amount, true}.plan(c, out);
      form = v{}.to(diffx::frame::x0, out.stages().at(0).convert);
    } else {
      late_churn<>{{}, amount}.plan(c, out);
      form = diffx::prediction::normalised<diffx::prediction::eps>{}.to(diffx::frame::x0,
                                                                        out.stages().at(0).convert);
    }
    auto const& stage = out.stages().at(0);
    CHECK(stage.at.edm_sigma() == s);
    double const m = form.state * x + form.output * p;
    CHECK(stage.state[0] * x + stage.output * m + stage.noise[0].weight * xi ==
          doctest::Approx(want).epsilon(1e-12));
  }
  CHECK_THROWS_AS(test::plan_of(late_churn<>{}, rough(), 0), diffx::error);
}

TEST_CASE("churn: bad arguments") {
  auto const grid = rough();
  diffx::timetable const up({test::vp(1.0), test::vp(0.2)});
  CHECK_THROWS_AS(test::plan_of(churn<>{}, up, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(churn<>{{}, {.churn = -1.0}}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(churn<>{{}, {.s_noise = -1.0}}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(churn<>{{}, {.from = 2.0, .to = 1.0}}, grid, 0), diffx::error);
}

}  // namespace
