#include <diffx/solver/dpm_solver_blocks.hpp>
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
using diffx::solver::block_form;
using diffx::solver::dpm_solver_blocks;

double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }

TEST_CASE("dpm_solver_blocks: on the inner points of the singlestep solver it is that solver") {
  double const h = 1.2;
  std::vector<double> const lambda{-0.9, -0.9 + h / 3.0, -0.9 + 2.0 * h / 3.0, -0.9 + h, 0.9, 1.3,
                                   1.8};
  std::vector<level> fine, coarse;
  for (double const l : lambda) fine.push_back(test::vp(l));
  coarse = {fine[0], fine[3]};
  auto const check = [&](auto blocks, auto singlestep) {
    blocks.form = block_form::ends;
    blocks.short_run = 0;
    test::interpreter a(0.8), b(0.8);
    for (int i = 0; i < 3; ++i) a.step(test::plan_of(blocks, diffx::timetable(fine), i), wavy);
    b.step(test::plan_of(singlestep, diffx::timetable(coarse), 0), wavy);
    CHECK(a.x() == doctest::Approx(b.x()).epsilon(1e-12));
  };
  check(dpm_solver_blocks<frame::x0, 3>{}, diffx::solver::dpmpp_3s{});
  check(dpm_solver_blocks<frame::eps, 3>{}, diffx::solver::dpm_solver_3s{});
}

TEST_CASE(
    "dpm_solver_blocks: a block's last step is the rule from its first level, noise included") {
  diffx::timetable const grid(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::vp(0.1)});
  level const s = grid[0], m = grid[1], t = grid[2];
  double const h = t.lambda - s.lambda, r = (m.lambda - s.lambda) / h;
  auto const z = [](diffx::noise::key k) { return k.step == 0 ? 0.6 : -0.35; };
  dpm_solver_blocks<frame::x0, 2, true> const solver{.short_run = 0};
  double const x = 0.8, d = wavy(x, s);
  test::interpreter run(x);
  run.step(test::plan_of(solver, grid, 0), wavy, z);
  double const hm = r * h;
  double const u = m.sigma / s.sigma * std::exp(-hm) * x - m.alpha * std::expm1(-2.0 * hm) * d +
                   m.sigma * std::sqrt(-std::expm1(-2.0 * hm)) * 0.6;
  CHECK(run.x() == doctest::Approx(u).epsilon(1e-12));
  run.step(test::plan_of(solver, grid, 1), wavy, z);
  // The noise of the first step is gone: the second goes from x with its own.
  double const exact = t.sigma / s.sigma * std::exp(-h) * x - t.alpha * std::expm1(-2.0 * h) * d +
                       t.alpha * (std::expm1(-2.0 * h) / (2.0 * h) + 1.0) / r * (wavy(u, m) - d) +
                       t.sigma * std::sqrt(-std::expm1(-2.0 * h)) * -0.35;
  CHECK(run.x() == doctest::Approx(exact).epsilon(1e-12));
}

TEST_CASE("dpm_solver_blocks: orders of the steps") {
  auto const orders = [](auto const& solver, std::vector<level> const& levels, int first = 0) {
    diffx::timetable const grid(levels);
    std::vector<int> out;
    for (int i = first; i < grid.steps(); ++i) {
      auto const s = test::plan_of(solver, grid, i, first).at(0);
      out.push_back(s.history[1] != 0.0 ? 3 : s.history[0] != 0.0 ? 2 : 1);
    }
    return out;
  };
  auto const levels = [](int n) { return test::uniform_lambda(-2.0, 2.0, n + 1); };
  dpm_solver_blocks<frame::x0, 3> const three{}, never{.short_run = 0};
  CHECK(orders(three, levels(1)) == std::vector{1});
  CHECK(orders(three, levels(2)) == std::vector{1, 2});
  CHECK(orders(three, levels(3)) == std::vector{1, 2, 1});
  CHECK(orders(three, levels(7)) == std::vector{1, 2, 3, 1, 2, 3, 1});
  CHECK(orders(three, levels(8)) == std::vector{1, 2, 3, 1, 2, 3, 1, 2});
  CHECK(orders(never, levels(6)) == std::vector{1, 2, 3, 1, 2, 3});
  CHECK(orders(dpm_solver_blocks<frame::x0, 2>{}, levels(4)) == std::vector{1, 2, 1, 1});
  // Starting inside a block, its rules need the outputs there are.
  CHECK(orders(never, levels(6), 1) == std::vector{1, 2, 1, 2, 3});

  auto zero = levels(4);
  zero.push_back(test::clean());
  CHECK(orders(never, zero).back() == 1);
  auto const last = test::plan_of(never, diffx::timetable(zero), 4).at(0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.output == 1.0);
}

TEST_CASE("dpm_solver_blocks: measured orders on a mixture") {
  std::vector<int> const counts{120, 240, 480, 960};
  auto const order = [&](auto solver) {
    solver.short_run = 0;
    return test::measure_order([&](int n) { return test::mixture_error(solver, n); }, counts);
  };
  CHECK(order(dpm_solver_blocks<frame::x0, 2>{}).has_order(2.0));
  CHECK(order(dpm_solver_blocks<frame::eps, 2>{}).has_order(2.0));
  CHECK(order(dpm_solver_blocks<frame::x0, 3>{}).has_order(3.0));
  CHECK(order(dpm_solver_blocks<frame::x0, 3>{.form = block_form::midpoint}).has_order(3.0));
}

TEST_CASE("dpm_solver_blocks: bad arguments") {
  diffx::timetable const grid({test::vp(-1.0), test::vp(1.0)});
  diffx::timetable const back({test::vp(1.0), test::vp(-1.0)});
  CHECK_THROWS_AS(test::plan_of(dpm_solver_blocks<frame::x0, 2>{.eta = 1.0}, grid, 0),
                  diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpm_solver_blocks<frame::x0, 2, true>{.eta = -1.0}, grid, 0),
                  diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpm_solver_blocks<frame::x0, 2, true>{}, back, 0), diffx::error);
}

}  // namespace
