#include <diffx/solver/dpm_solver_singlestep.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::frame;
using diffx::level;
using diffx::solver::dpm_solver_2s;
using diffx::solver::dpm_solver_3s;
using diffx::solver::dpm_solver_singlestep;
using diffx::solver::dpmpp_2s;
using diffx::solver::dpmpp_3s;
using diffx::solver::res_2s;
using diffx::solver::singlestep_form;

/// Any smooth function: the weights must not depend on what the outputs mean.
double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }

TEST_CASE("dpm_solver_singlestep: the paper's formulas, in the eps frame") {
  diffx::timetable const grid({test::vp(-0.9), test::vp(-0.2)});
  level const s = grid[0], t = grid[1];
  double const h = t.lambda - s.lambda, x = 0.8, e = wavy(x, s);

  double const r = 0.4;
  level const m = test::vp(s.lambda + r * h);
  double const u = m.alpha / s.alpha * x - m.sigma * std::expm1(r * h) * e;
  double const second = t.alpha / s.alpha * x - t.sigma * std::expm1(h) * e -
                        t.sigma / (2.0 * r) * std::expm1(h) * (wavy(u, m) - e);
  test::interpreter two(x);
  two.step(test::plan_of(dpm_solver_2s{.r1 = r}, grid, 0), wavy);
  CHECK(two.x() == doctest::Approx(second).epsilon(1e-12));

  double const r1 = 1.0 / 3.0, r2 = 2.0 / 3.0;
  level const a = test::vp(s.lambda + r1 * h), b = test::vp(s.lambda + r2 * h);
  double const u1 = a.alpha / s.alpha * x - a.sigma * std::expm1(r1 * h) * e;
  double const d1 = wavy(u1, a) - e;
  double const u2 = b.alpha / s.alpha * x - b.sigma * std::expm1(r2 * h) * e -
                    b.sigma * r2 / r1 * (std::expm1(r2 * h) / (r2 * h) - 1.0) * d1;
  double const third = t.alpha / s.alpha * x - t.sigma * std::expm1(h) * e -
                       t.sigma / r2 * (std::expm1(h) / h - 1.0) * (wavy(u2, b) - e);
  test::interpreter three(x);
  three.step(test::plan_of(dpm_solver_3s{}, grid, 0), wavy);
  CHECK(three.x() == doctest::Approx(third).epsilon(1e-12));
}

TEST_CASE("dpm_solver_singlestep: DPM-Solver++ and RES, in the x0 frame") {
  diffx::timetable const grid({test::vp(-0.9), test::vp(0.3)});
  level const s = grid[0], t = grid[1];
  double const h = t.lambda - s.lambda, x = 0.8, d = wavy(x, s), r = 0.5;
  level const m = test::vp(s.lambda + r * h);
  double const u = m.sigma / s.sigma * x - m.alpha * std::expm1(-r * h) * d;
  double const dm = wavy(u, m);
  double const base = t.sigma / s.sigma * x - t.alpha * std::expm1(-h) * d;
  test::interpreter paper(x);
  paper.step(test::plan_of(dpmpp_2s{}, grid, 0), wavy);
  CHECK(paper.x() ==
        doctest::Approx(base - t.alpha / (2.0 * r) * std::expm1(-h) * (dm - d)).epsilon(1e-12));

  // b2 = phi_2(-h) / c, b1 = phi_1(-h) - b2
  double const phi1 = -std::expm1(-h) / h, b2 = (1.0 - phi1) / h / r;
  test::interpreter res(x);
  res.step(test::plan_of(res_2s{}, grid, 0), wavy);
  CHECK(res.x() ==
        doctest::Approx(t.sigma / s.sigma * x + t.alpha * h * ((phi1 - b2) * d + b2 * dm))
            .epsilon(1e-12));

  double const r1 = 1.0 / 3.0, r2 = 2.0 / 3.0;
  level const a = test::vp(s.lambda + r1 * h), b = test::vp(s.lambda + r2 * h);
  double const d1 = wavy(a.sigma / s.sigma * x - a.alpha * std::expm1(-r1 * h) * d, a) - d;
  double const u2 = b.sigma / s.sigma * x - b.alpha * std::expm1(-r2 * h) * d +
                    b.alpha * r2 / r1 * (std::expm1(-r2 * h) / (r2 * h) + 1.0) * d1;
  test::interpreter three(x);
  three.step(test::plan_of(dpmpp_3s{}, grid, 0), wavy);
  CHECK(three.x() ==
        doctest::Approx(base + t.alpha / r2 * (std::expm1(-h) / h + 1.0) * (wavy(u2, b) - d))
            .epsilon(1e-12));
}

TEST_CASE("dpm_solver_singlestep: measured orders on a mixture") {
  auto const order = [](auto const& solver) {
    return test::measure_order([&](int n) { return test::mixture_error(solver, n); });
  };
  CHECK(order(dpmpp_2s{}).has_order(2.0));
  CHECK(order(dpm_solver_2s{}).has_order(2.0));
  CHECK(order(res_2s{}).has_order(2.0));
  CHECK(order(dpmpp_3s{}).has_order(3.0));
  CHECK(order(dpm_solver_3s{}).has_order(3.0));
  CHECK(order(dpm_solver_singlestep<frame::x0, 3, singlestep_form::exact>{}).has_order(3.0));
}

TEST_CASE("dpm_solver_singlestep: outputs constant in x0 (eps) make any step exact") {
  auto const x0 = [](double, level const&) { return 0.7; };
  for (double const end : {-1.0, 0.8}) {
    diffx::timetable const grid({test::vp(-2.0), test::vp(end)});
    test::interpreter data(test::vp(-2.0).alpha * 0.7 + test::vp(-2.0).sigma * -0.3);
    data.step(test::plan_of(dpmpp_3s{}, grid, 0), x0);
    CHECK(data.x() ==
          doctest::Approx(test::vp(end).alpha * 0.7 + test::vp(end).sigma * -0.3).epsilon(1e-12));
    test::interpreter noise(test::vp(-2.0).alpha * -0.3 + test::vp(-2.0).sigma * 0.7);
    noise.step(test::plan_of(dpm_solver_3s{}, grid, 0), x0);
    CHECK(noise.x() ==
          doctest::Approx(test::vp(end).alpha * -0.3 + test::vp(end).sigma * 0.7).epsilon(1e-12));
  }
}

TEST_CASE("dpm_solver_singlestep: a budget is spent exactly; a step onto sigma = 0 costs one") {
  for (int budget = 3; budget <= 14; ++budget) {
    auto const cost = [&](auto solver) {
      solver.budget = budget;
      diffx::timetable const grid(test::uniform_lambda(-2.0, 2.0, solver.steps_for(budget) + 1));
      std::size_t evaluations = 0;
      for (int i = 0; i < grid.steps(); ++i) evaluations += test::plan_of(solver, grid, i).size();
      return static_cast<int>(evaluations);
    };
    CHECK(cost(dpm_solver_singlestep<frame::x0, 1>{}) == budget);
    CHECK(cost(dpmpp_2s{}) == budget);
    CHECK(cost(dpm_solver_3s{}) == budget);
  }
  diffx::timetable const zero({test::vp(-1.0), test::vp(1.0), test::clean()});
  CHECK(test::plan_of(dpmpp_3s{}, zero, 0).size() == 3);
  auto const last = test::plan_of(dpmpp_3s{}, zero, 1);
  CHECK(last.size() == 1);
  CHECK(last[0].state[0] == 0.0);
  CHECK(last[0].output == 1.0);
}

TEST_CASE("dpm_solver_singlestep: bad arguments") {
  diffx::timetable const grid({test::vp(-1.0), test::vp(1.0)});
  CHECK_THROWS_AS(test::plan_of(dpmpp_2s{.r1 = 0.0}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_3s{.r1 = 0.7}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_3s{.r2 = 1.0}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_2s{.budget = 7}, grid, 0), diffx::error);
}

}  // namespace
