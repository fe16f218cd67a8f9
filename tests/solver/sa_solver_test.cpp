#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/sa_solver.hpp>

#include "support/impulses.hpp"
#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include "support/reference_integrals.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::frame;
using diffx::level;
using diffx::solver::sa_form;
using diffx::solver::sa_solver;

struct constant_tau {
  double value = 0.0;
  double operator()(level const&) const { return value; }
};
template <int P, int Q, frame F = frame::x0>
using sa = sa_solver<P, Q, F, constant_tau>;

double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }
double variate(diffx::noise::key k) { return std::cos(2.0 * k.step + 0.3); }

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::vp(0.4)});
}

TEST_CASE("sa_solver: the folded corrector equals predict, evaluate, correct with saved samples") {
  auto const grid = rough();
  double const tau = 0.8, k = 1.0 + tau * tau;
  for (bool const published : {false, true}) {
    sa<2, 2> const solver{{tau}, published ? sa_form::as_published : sa_form::exact, 0};
    test::interpreter run(0.8);
    double predicted = 0.8, sample = 0.8;
    std::vector<double> d;
    auto const slope_weight = [&](level const& to, double h) {
      double const exact =
          k * to.alpha * h * h * (k * h - 1.0 + std::exp(-k * h)) / (k * h * k * h);
      return published ? 0.5 * k * to.alpha * h * h : exact;  // of dm / dlambda
    };
    auto const step = [&](int i, double x) {  // everything but the slope
      level const from = grid[i], to = grid[i + 1];
      double const h = to.lambda - from.lambda;
      return to.sigma / from.sigma * std::exp(-tau * tau * h) * x -
             to.alpha * std::expm1(-k * h) * d[static_cast<std::size_t>(i)] +
             to.sigma * std::sqrt(-std::expm1(-2.0 * tau * tau * h)) * variate({i});
    };
    for (int i = 0; i < 4; ++i) {
      d.push_back(wavy(predicted, grid[i]));
      if (i == 0) {
        sample = predicted;
      } else {  // linear through the ends of the step that led here
        double const h = grid[i].lambda - grid[i - 1].lambda;
        sample = step(i - 1, sample) +
                 slope_weight(grid[i], h) *
                     (d[static_cast<std::size_t>(i)] - d[static_cast<std::size_t>(i - 1)]) / h;
      }
      predicted = step(i, sample);
      if (i > 0) {
        double const h = grid[i + 1].lambda - grid[i].lambda,
                     before = grid[i].lambda - grid[i - 1].lambda;
        predicted += slope_weight(grid[i + 1], h) *
                     (d[static_cast<std::size_t>(i)] - d[static_cast<std::size_t>(i - 1)]) / before;
      }
      run.step(test::plan_of(solver, grid, i), wavy, variate);
      CHECK(run.x() == doctest::Approx(predicted).epsilon(1e-12));
    }
  }
}

TEST_CASE("sa_solver: tau = 0 is exponential Adams; tau = 1 with P = 2 is SDE-DPM-Solver++ 2M") {
  auto const grid = rough();
  for (int i = 0; i < 4; ++i) {
    auto const a = test::plan_of(sa<3, 0>{{0.0}, sa_form::exact, 0}, grid, i).at(0);
    auto const b =
        test::plan_of(diffx::solver::dpm_solver_multistep<frame::x0, 3>{.short_run = 0}, grid, i)
            .at(0);
    CHECK(a.output == doctest::Approx(b.output).epsilon(1e-12));
    CHECK(a.history[1] == doctest::Approx(b.history[1]).epsilon(1e-12));
    CHECK(a.noise[0].weight == 0.0);
    auto const c = test::plan_of(sa<2, 0>{{1.0}, sa_form::exact, 0}, grid, i).at(0);
    auto const d =
        test::plan_of(diffx::solver::dpm_solver_multistep<frame::x0, 2, true>{.short_run = 0}, grid,
                      i)
            .at(0);
    CHECK(c.state[0] == doctest::Approx(d.state[0]).epsilon(1e-12));
    CHECK(c.output == doctest::Approx(d.output).epsilon(1e-12));
    CHECK(c.history[0] == doctest::Approx(d.history[0]).epsilon(1e-12));
    CHECK(c.noise[0].weight == doctest::Approx(d.noise[0].weight).epsilon(1e-12));
  }
}

TEST_CASE("sa_solver: measured order of the ODE") {
  auto const order = [](auto const& solver, int exact) {
    return test::measure_order([&](int n) { return test::mixture_error(solver, n, exact); });
  };
  CHECK(order(sa<1, 0>{}, 0).has_order(1.0));
  CHECK(order(sa<2, 2>{}, 0).has_order(2.0));
  CHECK(order(sa<2, 3>{}, 2).has_order(3.0));
  CHECK(order(sa<3, 0, frame::eps>{}, 2).has_order(3.0));
}

TEST_CASE("sa_solver: weak order on Gaussian data, without sampling") {
  diffx::denoiser::gaussian const data(0.7, 0.6);
  auto const check = [&](auto const& solver, double order) {
    auto const measured = test::measure_order([&](int n) {
      diffx::timetable const grid(test::uniform_lambda(-2.5, 2.5, n + 1));
      auto const variance = [](level const& at) {
        return 0.36 * at.alpha * at.alpha + at.sigma * at.sigma;
      };
      auto const law = test::law_of_chain(diffx::sampler{test::vp_process{}, solver}, data, grid,
                                          {0.7 * grid.front().alpha, variance(grid.front())});
      CHECK(law.mean == doctest::Approx(0.7 * grid.back().alpha).epsilon(1e-12));
      return std::fabs(law.variance - variance(grid.back()));
    });
    CHECK(std::fabs(measured.fitted - order) < 0.15);
  };
  check(sa<1, 0>{{1.0}}, 1.0);
  check(sa<2, 0>{{1.0}}, 2.0);
  check(sa<3, 4>{{1.0}}, 2.0);
  check(sa<3, 4>{{0.5}}, 2.0);
  check(sa<3, 3, frame::eps>{{1.0}}, 2.0);
}

TEST_CASE("sa_solver: tau by interval, short runs, sigma = 0, bad arguments") {
  auto const grid = rough();
  sa_solver<> const standard;
  for (int i = 0; i < 4; ++i) {
    bool const inside = grid[i].t >= 0.2 && grid[i].t <= 0.8;
    CHECK((test::plan_of(standard, grid, i).at(0).noise[0].weight > 0.0) == inside);
  }
  auto levels = test::uniform_lambda(-1.0, 1.0, 3);
  levels.push_back(test::clean());
  for (int n = 1; n <= 3; ++n) {
    diffx::timetable const zero(std::vector<level>(levels.end() - n - 1, levels.end()));
    test::interpreter run(0.4);
    for (int i = 0; i < n; ++i) {
      auto const stages = test::plan_of(standard, zero, i);
      CHECK(stages.size() == 1);
      run.step(
          stages, [](double, level const&) { return 0.7; }, variate);
    }
    CHECK(run.x() == doctest::Approx(0.7).epsilon(1e-12));
  }
  CHECK_THROWS_AS(test::plan_of(sa<2, 2>{{-1.0}}, grid, 0), diffx::error);
  diffx::timetable const back({test::vp(1.0), test::vp(-1.0)});
  CHECK_THROWS_AS(test::plan_of(sa<2, 2>{{1.0}}, back, 0), diffx::error);
  CHECK_NOTHROW(test::plan_of(sa<2, 2>{{0.0}}, back, 0));
}

}  // namespace
