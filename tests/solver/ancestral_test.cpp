#include <diffx/solver/dpmpp_2s_ancestral.hpp>
#include <diffx/solver/dpmpp_sde.hpp>
#include <diffx/solver/euler_ancestral.hpp>
#include <diffx/solver/kdpm2.hpp>
#include <diffx/solver/kdpm2_ancestral.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::dpmpp_2s_ancestral;
using diffx::solver::dpmpp_sde;
using diffx::solver::dpmpp_sde_of;
using diffx::solver::kdpm2_ancestral;
using diffx::solver::stage_noise;
using independent = dpmpp_sde_of<stage_noise::independent>;

double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }

/// Distinct numbers for the variates of a step.
double variate(diffx::noise::key const& k) { return k.draw == 0 ? 1.7 : -0.6; }

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::clean()});
}

double split_up(double a, double b, double eta) {
  return std::min(b, eta * std::sqrt(b * b * (a * a - b * b) / (a * a)));
}

TEST_CASE("kdpm2_ancestral: the midpoint step to s_down, then the noise") {
  auto const grid = rough();
  for (double const eta : {0.0, 0.6, 1.0}) {
    for (int i = 0; i < 3; ++i) {
      level const s = grid[i], t = grid[i + 1];
      double const a = s.edm_sigma(), b = t.edm_sigma(), up = split_up(a, b, eta);
      double const down = std::sqrt(b * b - up * up), y = 0.8 / s.alpha;
      level const m = test::vp(-0.5 * (std::log(a) + std::log(down)));
      double const middle = y + (m.edm_sigma() - a) * wavy(0.8, s);
      double const end = y + (down - a) * wavy(middle * m.alpha, m) + 0.9 * up * 1.7;
      test::interpreter run(0.8);
      auto const plan = test::plan_of(kdpm2_ancestral{.eta = eta, .s_noise = 0.9}, grid, i);
      CHECK(plan.size() == 2);
      run.step(plan, wavy, variate);
      CHECK(run.x() == doctest::Approx(end * t.alpha).epsilon(1e-12));
    }
  }
  // Without noise it is KDPM2.
  test::interpreter a(0.8), b(0.8);
  a.step(test::plan_of(kdpm2_ancestral{.eta = 0.0}, grid, 1), wavy);
  b.step(test::plan_of(diffx::solver::kdpm2{}, grid, 1), wavy);
  CHECK(a.x() == doctest::Approx(b.x()).epsilon(1e-12));
}

TEST_CASE("dpmpp_2s_ancestral: 2S to s_down, then the noise") {
  auto const grid = rough();
  for (double const eta : {0.0, 0.6, 1.0}) {
    for (double const r : {0.5, 0.3}) {
      for (int i = 0; i < 3; ++i) {
        level const s = grid[i], t = grid[i + 1];
        double const a = s.edm_sigma(), b = t.edm_sigma(), up = split_up(a, b, eta);
        double const down = std::sqrt(b * b - up * up), y = 0.8 / s.alpha, d = wavy(0.8, s);
        double const h = std::log(a / down);
        level const m = test::vp(s.lambda + r * h);
        double const u = m.edm_sigma() / a * y - std::expm1(-r * h) * d;
        double const dm = wavy(u * m.alpha, m);
        double const mixed = (1.0 - 0.5 / r) * d + 0.5 / r * dm;
        double const end = down / a * y - std::expm1(-h) * mixed + 0.9 * up * 1.7;
        test::interpreter run(0.8);
        auto const plan =
            test::plan_of(dpmpp_2s_ancestral{.eta = eta, .s_noise = 0.9, .r = r}, grid, i);
        CHECK(plan.size() == 2);
        run.step(plan, wavy, variate);
        CHECK(run.x() == doctest::Approx(end * t.alpha).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("dpmpp_sde: both stages on one path, or with noise of their own") {
  auto const grid = rough();
  for (double const eta : {0.0, 0.6, 1.0}) {
    for (double const r : {0.5, 0.3}) {
      double const rate = eta * eta, k = 1.0 + rate;
      auto const spread = [&](level const& to, double h) {
        return 0.9 * to.sigma * std::sqrt(1.0 - std::exp(-2.0 * rate * h));
      };
      for (int i = 0; i < 3; ++i) {
        level const s = grid[i], t = grid[i + 1];
        double const h = t.lambda - s.lambda, x = 0.8, d = wavy(x, s);
        level const m = test::vp(s.lambda + r * h);
        double const first_noise = spread(m, r * h) * 1.7;
        double const u = m.sigma / s.sigma * std::exp(-rate * r * h) * x +
                         m.alpha * (1.0 - std::exp(-k * r * h)) * d + first_noise;
        double const mixed = (1.0 - 0.5 / r) * d + 0.5 / r * wavy(u, m);
        double const drift = t.sigma / s.sigma * std::exp(-rate * h) * x +
                             t.alpha * (1.0 - std::exp(-k * h)) * mixed;
        double const carried = t.sigma / m.sigma * std::exp(-rate * (1.0 - r) * h) * first_noise;
        test::interpreter shared(x), own(x);
        shared.step(test::plan_of(dpmpp_sde{.eta = eta, .s_noise = 0.9, .r = r}, grid, i), wavy,
                    variate);
        CHECK(shared.x() ==
              doctest::Approx(drift + carried - 0.6 * spread(t, (1.0 - r) * h)).epsilon(1e-12));
        own.step(test::plan_of(independent{.eta = eta, .s_noise = 0.9, .r = r}, grid, i), wavy,
                 variate);
        CHECK(own.x() == doctest::Approx(drift - 0.6 * spread(t, h)).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("two-stage stochastic solvers: weak orders on Gaussian data, with the exact mean") {
  auto const check = [](auto const& solver, double order) {
    double mean = 0.0;
    auto const c = test::weak_order(solver, mean);
    INFO(solver.name, ": weak order ", c.fitted);
    CHECK(std::fabs(c.fitted - order) < 0.15);
    return mean;
  };
  CHECK(check(dpmpp_sde{}, 2.0) < 1e-12);
  CHECK(check(dpmpp_sde{.eta = 0.6}, 2.0) < 1e-12);
  CHECK(check(independent{}, 1.0) < 1e-12);
  CHECK(check(dpmpp_2s_ancestral{}, 2.0) < 1e-12);
  CHECK(check(kdpm2_ancestral{}, 2.0) < 1e-12);
}

TEST_CASE("two-stage stochastic solvers: onto sigma = 0 one evaluation, no noise and the x0") {
  auto const grid = rough();
  level const s = grid[3];
  auto const check = [&](auto const& solver) {
    auto const plan = test::plan_of(solver, grid, 3);
    CHECK(plan.size() == 1);
    double const x = 0.8, x0 = -0.3, eps = (x - s.alpha * x0) / s.sigma;
    double const m = solver.frame == diffx::frame::x0 ? x0 : eps;
    CHECK(plan[0].state[0] * x + plan[0].output * m == doctest::Approx(x0).epsilon(1e-12));
    CHECK(plan[0].noise[0].weight == 0.0);
  };
  check(kdpm2_ancestral{});
  check(dpmpp_2s_ancestral{});
  check(dpmpp_sde{});
  check(independent{});

  diffx::timetable const noise({test::pure_noise(), test::vp(0.0), test::clean()});
  for (auto const& plan :
       {test::plan_of(dpmpp_2s_ancestral{}, noise, 0), test::plan_of(dpmpp_sde{}, noise, 0)}) {
    CHECK(plan.size() == 1);
    CHECK(std::isfinite(plan[0].state[0]));
    CHECK(std::isfinite(plan[0].output));
    CHECK(std::isfinite(plan[0].noise[0].weight));
  }
}

TEST_CASE("two-stage stochastic solvers: bad arguments") {
  auto const grid = rough();
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0)});
  diffx::timetable const up({test::vp(1.0), test::vp(0.2)});
  CHECK_THROWS_AS(test::plan_of(kdpm2_ancestral{}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(kdpm2_ancestral{}, up, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(kdpm2_ancestral{.eta = -0.1}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_2s_ancestral{.r = 1.0}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_2s_ancestral{.s_noise = -0.1}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_2s_ancestral{}, up, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_sde{.eta = -0.1}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_sde{.s_noise = -0.1}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_sde{.r = 0.0}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_sde{}, up, 0), diffx::error);
}

}  // namespace
