#include <diffx/solver/ddim.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/euler_ancestral.hpp>
#include <diffx/solver/flow_ancestral.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/runge_kutta.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::ddim;
using diffx::solver::euler;
using diffx::solver::euler_ancestral;
using diffx::solver::flow_ancestral;

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::clean()});
}

TEST_CASE("euler: y + (s' - s) eps, which is DDIM and Euler in flow time") {
  auto const grid = rough();
  for (int i = 0; i < grid.steps(); ++i) {
    level const s = grid[i], t = grid[i + 1];
    double const x = 0.8, x0 = -0.3, eps = (x - s.alpha * x0) / s.sigma;
    double const want = t.alpha * (x / s.alpha + (t.edm_sigma() - s.edm_sigma()) * eps);
    auto const p = test::plan_of(euler{}, grid, i);
    CHECK(p.size() == 1);
    CHECK(p[0].state[0] * x + p[0].output * x0 == doctest::Approx(want).epsilon(1e-12));
    auto const d = test::plan_of(ddim{}, grid, i).at(0);
    CHECK(p[0].state[0] == d.state[0]);
    CHECK(p[0].output == d.output);
    auto const f = test::plan_of(diffx::solver::flow_euler{}, grid, i).at(0);
    CHECK(f.state[0] * x + f.output * (eps - x0) == doctest::Approx(want).epsilon(1e-12));
  }
  CHECK(test::measure_order([](int n) { return test::mixture_error(euler{}, n); }).has_order(1.0));
}

TEST_CASE("euler_ancestral: s_up and s_down of the formula; DDIM of the same eta") {
  auto const grid = rough();
  for (double const eta : {0.0, 0.3, 1.0}) {
    for (int i = 0; i < grid.steps(); ++i) {
      level const s = grid[i], t = grid[i + 1];
      double const a = s.edm_sigma(), b = t.edm_sigma();
      double const up = std::min(b, eta * std::sqrt(b * b * (a * a - b * b) / (a * a)));
      double const down = std::sqrt(b * b - up * up);
      double const x = 0.8, x0 = -0.3, eps = (x - s.alpha * x0) / s.sigma;
      double const want = t.alpha * (x / s.alpha + (down - a) * eps + 0.9 * up * 1.7);
      auto const p = test::plan_of(euler_ancestral{.eta = eta, .s_noise = 0.9}, grid, i).at(0);
      CHECK(p.state[0] * x + p.output * x0 + p.noise[0].weight * 1.7 ==
            doctest::Approx(want).epsilon(1e-12));
      auto const d = test::plan_of(ddim{.eta = eta}, grid, i).at(0);
      CHECK(p.state[0] == doctest::Approx(d.state[0]).epsilon(1e-12));
      CHECK(p.output == doctest::Approx(d.output).epsilon(1e-12));
      CHECK(p.noise[0].weight == doctest::Approx(0.9 * d.noise[0].weight).epsilon(1e-12));
    }
  }
  // All noise new: the sampler of consistency models.
  auto const all =
      test::plan_of(euler_ancestral{.eta = std::numeric_limits<double>::infinity()}, grid, 1).at(0);
  auto const lcm = test::plan_of(diffx::solver::flow_lcm{}, grid, 1).at(0);
  CHECK(all.state[0] == 0.0);
  CHECK(all.output == lcm.output);
  CHECK(all.noise[0].weight == lcm.noise[0].weight);
  double mean = 0.0;
  CHECK(std::fabs(test::weak_order(euler_ancestral{}, mean).fitted - 1.0) < 0.15);
  CHECK(mean < 1e-12);
}

TEST_CASE("flow_ancestral: the formula in tau, on the straight path and on another") {
  diffx::timetable const flow({test::flow(1.0), test::flow(0.8), test::flow(0.35), test::clean()});
  for (double const eta : {0.0, 0.5, 1.0}) {
    for (int i = 0; i < 2; ++i) {
      double const s = flow[i].sigma, t = flow[i + 1].sigma, x = 0.8, x0 = -0.3;
      double const down = t * (1.0 + (t / s - 1.0) * eta);
      double const keep = (1.0 - t) / (1.0 - down);
      double const want = keep * (down / s * x + (1.0 - down / s) * x0) +
                          0.9 * std::sqrt(t * t - keep * keep * down * down) * 1.7;
      auto const p = test::plan_of(flow_ancestral{.eta = eta, .s_noise = 0.9}, flow, i).at(0);
      double const got = p.state[0] * x + p.output * x0 + p.noise[0].weight * 1.7;
      CHECK(got == doctest::Approx(want).epsilon(1e-7));  // the formula's root cancels at eta = 0
    }
  }
  auto const last = test::plan_of(flow_ancestral{}, flow, 2).at(0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.output == 1.0);
  CHECK(last.noise[0].weight == 0.0);
  auto const grid = rough();
  auto const plain = test::plan_of(flow_ancestral{.eta = 0.0}, grid, 1).at(0);
  auto const e = test::plan_of(euler{}, grid, 1).at(0);
  CHECK(plain.state[0] == doctest::Approx(e.state[0]).epsilon(1e-12));
  CHECK(plain.output == doctest::Approx(e.output).epsilon(1e-12));
  CHECK(plain.noise[0].weight == 0.0);
  double mean = 0.0;
  CHECK(std::fabs(test::weak_order(flow_ancestral{}, mean).fitted - 1.0) < 0.15);
  CHECK(mean < 1e-12);
}

TEST_CASE("euler, euler_ancestral, flow_ancestral: edges and bad arguments") {
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0), test::clean()});
  for (auto const& s :
       {test::plan_of(euler{}, noise, 0).at(0), test::plan_of(euler_ancestral{}, noise, 0).at(0),
        test::plan_of(flow_ancestral{}, noise, 0).at(0)}) {
    CHECK(std::isfinite(s.state[0]));
    CHECK(std::isfinite(s.output));
  }
  diffx::timetable const up({test::clean(), test::vp(1.0), test::vp(0.2)});
  CHECK_THROWS_AS(test::plan_of(euler{}, up, 0), diffx::error);
  CHECK_NOTHROW(test::plan_of(euler{}, up, 1));
  CHECK_THROWS_AS(test::plan_of(euler_ancestral{}, up, 1), diffx::error);
  CHECK_THROWS_AS(test::plan_of(euler_ancestral{.eta = -1.0}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(euler_ancestral{.s_noise = -1.0}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(flow_ancestral{.eta = 1.5}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(flow_ancestral{}, up, 1), diffx::error);
}

}  // namespace
