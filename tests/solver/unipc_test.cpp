#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/unipc.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::frame;
using diffx::level;
using diffx::solver::unipc;
using diffx::solver::unipc_form;

double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::vp(0.4)});
}

/// UniPC-2 as its paper writes it, with saved samples: B(h), the systems solved by hand.
double written_out(diffx::timetable const& grid, double x, unipc_form form, int corrected_steps) {
  std::vector<double> d;  // outputs, oldest first
  double sample = x;      // the corrected sample at the current level
  double predicted = x;
  double previous = 0.0;  // the corrected sample one level back
  int last_order = 0;
  for (int i = 0; i < grid.steps(); ++i) {
    d.push_back(wavy(predicted, grid[i]));
    sample = predicted;
    auto const base = [&](int k, double s) {  // the step from level k
      double const h = grid[k + 1].lambda - grid[k].lambda;
      return grid[k + 1].sigma / grid[k].sigma * s -
             grid[k + 1].alpha * std::expm1(-h) * d[static_cast<std::size_t>(k)];
    };
    if (i > 0 && i <= corrected_steps) {
      int const k = i - 1;
      double const h = grid[i].lambda - grid[k].lambda, hh = -h;
      double const b = form == unipc_form::bh1 ? hh : std::expm1(hh);
      double const phi1 = std::expm1(hh) / hh, g1 = phi1 - 1.0, g2 = g1 / hh - 0.5;
      double const dt = d[static_cast<std::size_t>(i)] - d[static_cast<std::size_t>(k)];
      if (last_order == 1) {
        double const rho = form == unipc_form::exact ? g1 / b : 0.5;
        sample = base(k, previous) - grid[i].alpha * b * rho * dt;
      } else {
        double const r = (grid[k - 1].lambda - grid[k].lambda) / h;
        double const b1 = g1 / b, b2 = 2.0 * g2 / b;  // rho1 + rho2 = b1, r rho1 + rho2 = b2
        double const rho1 = (b2 - b1) / (r - 1.0), rho2 = b1 - rho1;
        double const d1 = (d[static_cast<std::size_t>(k - 1)] - d[static_cast<std::size_t>(k)]) / r;
        sample = base(k, previous) - grid[i].alpha * b * (rho1 * d1 + rho2 * dt);
      }
    }
    last_order = std::min({2, i + 1, grid.steps() - i});
    predicted = base(i, sample);
    if (last_order == 2) {
      double const h = grid[i + 1].lambda - grid[i].lambda, hh = -h;
      double const b = form == unipc_form::bh1 ? hh : std::expm1(hh);
      double const g1 = std::expm1(hh) / hh - 1.0;
      double const rho = form == unipc_form::exact ? g1 / b : 0.5;
      double const r = (grid[i - 1].lambda - grid[i].lambda) / h;
      predicted -= grid[i + 1].alpha * b * rho *
                   (d[static_cast<std::size_t>(i - 1)] - d[static_cast<std::size_t>(i)]) / r;
    }
    previous = sample;
  }
  return predicted;
}

TEST_CASE("unipc: order 2 equals the paper's algorithm with saved samples") {
  auto const grid = rough();
  for (auto const form : {unipc_form::exact, unipc_form::bh1, unipc_form::bh2}) {
    for (int const corrected : {0, 1, 3}) {
      unipc<2> solver{.form = form};
      for (int i = corrected; i < 4; ++i) solver.uncorrected.push_back(i);
      test::interpreter run(0.8);
      for (int i = 0; i < 4; ++i) run.step(test::plan_of(solver, grid, i), wavy);
      CHECK(run.x() == doctest::Approx(written_out(grid, 0.8, form, corrected)).epsilon(1e-12));
    }
  }
}

TEST_CASE("unipc: without its corrector it is exponential Adams-Bashforth") {
  auto const grid = rough();
  for (int i = 0; i < 4; ++i) {
    auto const a = test::plan_of(unipc<3>{.short_run = 0, .corrects = false}, grid, i).at(0);
    auto const b =
        test::plan_of(diffx::solver::dpm_solver_multistep<frame::x0, 3>{.short_run = 0}, grid, i)
            .at(0);
    CHECK(a.state[0] == doctest::Approx(b.state[0]).epsilon(1e-14));
    CHECK(a.output == doctest::Approx(b.output).epsilon(1e-12));
    CHECK(a.history[0] == doctest::Approx(b.history[0]).epsilon(1e-12));
    CHECK(a.history[1] == doctest::Approx(b.history[1]).epsilon(1e-12));
  }
}

TEST_CASE("unipc: measured orders on a mixture") {
  auto const order = [](auto const& solver, int exact = 0) {
    return test::measure_order([&](int n) { return test::mixture_error(solver, n, exact); },
                               {160, 320, 640, 1280});
  };
  CHECK(order(unipc<1>{}).has_order(2.0));
  CHECK(order(unipc<2>{}).has_order(3.0));
  CHECK(order(unipc<3>{}, 3).has_order(4.0));  // its own start adds an error of order 3
  CHECK(order(unipc<2>{.form = unipc_form::bh1}).has_order(3.0));
  CHECK(order(unipc<2>{.form = unipc_form::bh2}).has_order(3.0));
  CHECK(order(unipc<2, frame::eps>{}).has_order(3.0));
}

TEST_CASE("unipc: constant outputs are exact, short runs and sigma = 0") {
  auto const constant = [](double, level const&) { return 0.7; };
  for (int n = 1; n <= 4; ++n) {
    diffx::timetable const grid(test::uniform_lambda(-2.0, 1.0, n + 1));
    test::interpreter run(grid[0].alpha * 0.7 + grid[0].sigma * -0.3);
    for (int i = 0; i < n; ++i) {
      auto const stages = test::plan_of(unipc<3>{}, grid, i);
      CHECK(stages.size() == 1);
      run.step(stages, constant);
    }
    CHECK(run.x() == doctest::Approx(grid[n].alpha * 0.7 + grid[n].sigma * -0.3).epsilon(1e-12));
  }
  auto levels = test::uniform_lambda(-2.0, 2.0, 4);
  levels.insert(levels.begin(), test::pure_noise());
  levels.push_back(test::clean());
  diffx::timetable const zero(levels);
  test::interpreter run(-0.3);
  for (int i = 0; i < zero.steps(); ++i)
    run.step(test::plan_of(unipc<3>{.short_run = 0}, zero, i), constant);
  CHECK(run.x() == doctest::Approx(0.7).epsilon(1e-12));
}

}  // namespace
