#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_2m_sde.hpp>
#include <diffx/solver/dpmpp_3m.hpp>
#include <diffx/solver/dpmpp_3m_sde.hpp>

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
using diffx::solver::dpm_solver_multistep;
using diffx::solver::dpmpp_2m;
using diffx::solver::dpmpp_2m_sde;
using diffx::solver::dpmpp_3m;
using diffx::solver::dpmpp_3m_sde;
using diffx::solver::eta_convention;
using diffx::solver::second_order;
using diffx::solver::third_order;

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::vp(0.4)});
}

TEST_CASE("dpm_solver_multistep: 2M weights are those of the paper in both forms") {
  auto const grid = rough();
  for (int i = 1; i < 4; ++i) {
    auto const from = grid[i], to = grid[i + 1];
    double const h = to.lambda - from.lambda;
    double const r = (from.lambda - grid[i - 1].lambda) / h;
    double const first = to.alpha * (1.0 - std::exp(-h));
    double const exact = to.alpha * (std::expm1(-h) / h + 1.0) / r, half = 0.5 * first / r;
    auto const e = test::plan_of(dpmpp_2m{.short_run = 0}, grid, i).at(0);
    CHECK(e.state[0] == doctest::Approx(to.sigma / from.sigma).epsilon(1e-13));
    CHECK(e.output == doctest::Approx(first + exact).epsilon(1e-12));
    CHECK(e.history[0] == doctest::Approx(-exact).epsilon(1e-12));
    auto const m =
        test::plan_of(dpmpp_2m{.second = second_order::midpoint, .short_run = 0}, grid, i).at(0);
    CHECK(m.output == doctest::Approx(first + half).epsilon(1e-12));
    CHECK(m.history[0] == doctest::Approx(-half).epsilon(1e-12));
  }
}

TEST_CASE("dpm_solver_multistep: 3M as published halves the curvature") {
  auto const grid = rough();
  auto const from = grid[2], to = grid[3];
  double const h = to.lambda - from.lambda;
  double const r0 = (from.lambda - grid[1].lambda) / h, r1 = (grid[1].lambda - grid[0].lambda) / h;
  double const phi2 = std::expm1(-h) / h + 1.0, phi3 = phi2 / h - 0.5;
  std::vector<double> const m{0.3, -1.1, 0.8};
  double const d10 = (m[0] - m[1]) / r0, d11 = (m[1] - m[2]) / r1;
  double const d1 = d10 + r0 / (r0 + r1) * (d10 - d11), d2 = (d10 - d11) / (r0 + r1);
  double const base = to.alpha * (-std::expm1(-h) * m[0] + phi2 * d1);
  for (bool const exact : {false, true}) {
    auto const s =
        test::plan_of(
            dpmpp_3m{.third = exact ? third_order::exact : third_order::undoubled, .short_run = 0},
            grid, 2)
            .at(0);
    double const got = s.output * m[0] + s.history[0] * m[1] + s.history[1] * m[2];
    CHECK(got == doctest::Approx(base - to.alpha * phi3 * (exact ? 2.0 : 1.0) * d2).epsilon(1e-12));
  }
}

TEST_CASE("dpm_solver_multistep: SDE weights, both meanings of eta") {
  auto const grid = rough();
  auto const from = grid[1], to = grid[2];
  double const h = to.lambda - from.lambda;
  double const r = (from.lambda - grid[0].lambda) / h, eta = 0.7;
  for (auto const convention : {eta_convention::quadratic, eta_convention::linear}) {
    double const rate = convention == eta_convention::linear ? eta : eta * eta, k = 1.0 + rate;
    double const slope = to.alpha * (std::expm1(-k * h) / (k * h) + 1.0) / r;
    auto const s =
        test::plan_of(dpmpp_2m_sde{.eta = eta, .convention = convention, .short_run = 0}, grid, 1)
            .at(0);
    CHECK(s.state[0] ==
          doctest::Approx(to.sigma / from.sigma * std::exp(-rate * h)).epsilon(1e-12));
    CHECK(s.output == doctest::Approx(-to.alpha * std::expm1(-k * h) + slope).epsilon(1e-12));
    CHECK(s.history[0] == doctest::Approx(-slope).epsilon(1e-12));
    CHECK(s.noise[0].weight ==
          doctest::Approx(to.sigma * std::sqrt(1.0 - std::exp(-2.0 * rate * h))).epsilon(1e-12));
  }
}

TEST_CASE("dpm_solver_multistep: orders at the start and at the end of a run") {
  auto const orders = [](auto const& solver, diffx::timetable const& grid) {
    std::vector<int> out;
    for (int i = 0; i < grid.steps(); ++i) {
      auto const s = test::plan_of(solver, grid, i).at(0);
      out.push_back(s.history[1] != 0.0 ? 3 : s.history[0] != 0.0 ? 2 : 1);
    }
    return out;
  };
  auto zero = test::uniform_lambda(-2.0, 2.0, 20);
  zero.push_back(test::clean());
  diffx::timetable const onto_zero(zero);
  diffx::timetable const one({test::vp(-1.0), test::vp(1.0)});
  diffx::timetable const six(test::uniform_lambda(-2.0, 2.0, 7));
  diffx::timetable const twenty(test::uniform_lambda(-2.0, 2.0, 21));
  CHECK(orders(dpmpp_3m{}, one) == std::vector{1});
  CHECK(orders(dpmpp_3m{}, six) == std::vector{1, 2, 3, 3, 2, 1});
  CHECK(orders(dpmpp_3m{.short_run = 0}, six) == std::vector{1, 2, 3, 3, 3, 3});
  CHECK(orders(dpmpp_3m{}, twenty).back() == 3);
  CHECK(orders(dpmpp_3m{.euler_at_final = true}, twenty).back() == 1);
  CHECK(orders(dpmpp_3m{}, onto_zero).back() == 1);

  auto const last = test::plan_of(dpmpp_3m_sde{}, onto_zero, 19).at(0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.output == 1.0);
  CHECK(last.noise[0].weight == 0.0);
  // A run that starts later has no history either.
  CHECK(test::plan_of(dpmpp_3m{}, twenty, 10, 10).at(0).history[0] == 0.0);
}

TEST_CASE("dpm_solver_multistep: order 1 is DDIM, in the x0 frame with eta too") {
  auto const grid = rough();
  for (int i = 0; i < 4; ++i) {
    auto const d = test::plan_of(diffx::solver::ddim{}, grid, i).at(0);
    auto const x = test::plan_of(dpm_solver_multistep<frame::x0, 1>{}, grid, i).at(0);
    CHECK(x.state[0] == doctest::Approx(d.state[0]).epsilon(1e-13));
    CHECK(x.output == doctest::Approx(d.output).epsilon(1e-12));
    auto const e = test::plan_of(dpm_solver_multistep<frame::eps, 1>{}, grid, i).at(0);
    double const x0_of_eps[2] = {1.0 / grid[i].alpha, -grid[i].sigma / grid[i].alpha};
    CHECK(e.state[0] == doctest::Approx(d.state[0] + d.output * x0_of_eps[0]).epsilon(1e-12));
    CHECK(e.output == doctest::Approx(d.output * x0_of_eps[1]).epsilon(1e-12));
    auto const n = test::plan_of(diffx::solver::ddim{.eta = 1.0}, grid, i).at(0);
    auto const s = test::plan_of(dpm_solver_multistep<frame::x0, 1, true>{}, grid, i).at(0);
    CHECK(s.state[0] == doctest::Approx(n.state[0]).epsilon(1e-12));
    CHECK(s.output == doctest::Approx(n.output).epsilon(1e-12));
    CHECK(s.noise[0].weight == doctest::Approx(n.noise[0].weight).epsilon(1e-12));
  }
}

TEST_CASE("dpm_solver_multistep: outputs that are polynomials in lambda are integrated exactly") {
  auto const grid = rough();
  auto const polynomial = [](int degree, double lambda) {
    return 0.4 - 0.9 * lambda + (degree > 1 ? 0.35 * lambda * lambda : 0.0);
  };
  auto const exact = [&](frame f, int degree, double x, int i) {
    auto const from = grid[i], to = grid[i + 1];
    double const h = to.lambda - from.lambda;
    auto const m = [&](double u) { return polynomial(degree, from.lambda + u); };
    return f == frame::x0
               ? to.sigma / from.sigma * x + to.alpha * test::exponential_integral(h, -1.0, m)
               : to.alpha / from.alpha * x - to.sigma * test::exponential_integral(h, 1.0, m);
  };
  auto const check = [&](auto const& solver, int degree) {
    test::interpreter run(0.8);
    for (int i = 0; i < 4; ++i) {
      double const before = run.x();
      run.step(test::plan_of(solver, grid, i),
               [&](double, diffx::level const& at) { return polynomial(degree, at.lambda); });
      if (i < degree) continue;  // the outputs there are do not fit it yet
      CHECK(run.x() == doctest::Approx(exact(solver.frame, degree, before, i)).epsilon(1e-11));
    }
  };
  check(dpm_solver_multistep<frame::x0, 2>{.short_run = 0}, 1);
  check(dpm_solver_multistep<frame::x0, 3>{.short_run = 0}, 2);
  check(dpm_solver_multistep<frame::eps, 2>{.short_run = 0}, 1);
  check(dpm_solver_multistep<frame::eps, 3>{.short_run = 0}, 2);
}

TEST_CASE("dpm_solver_multistep: measured orders on a mixture") {
  std::vector<int> const late{320, 640, 1280, 2560};
  auto const order = [&](auto const& solver, int exact, std::vector<int> const& counts) {
    return test::measure_order([&](int n) { return test::mixture_error(solver, n, exact); },
                               counts);
  };
  std::vector<int> const usual{80, 160, 320, 640};
  CHECK(order(dpmpp_2m{}, 0, usual).has_order(2.0));
  CHECK(order(dpmpp_2m{.second = second_order::midpoint}, 0, usual).has_order(2.0));
  CHECK(order(dpm_solver_multistep<frame::eps, 2>{}, 0, usual).has_order(2.0));
  CHECK(order(dpm_solver_multistep<frame::eps, 3>{}, 2, usual).has_order(3.0));
  CHECK(order(dpmpp_3m{}, 2, late).has_order(3.0));
  CHECK(order(dpmpp_3m{.third = third_order::undoubled}, 2, usual).has_order(2.0));
  CHECK(order(dpmpp_3m{}, 0, late).has_order(2.0));  // the first step is of order 1
}

TEST_CASE("dpm_solver_multistep: the SDE form on Gaussian data, weak order without sampling") {
  diffx::denoiser::gaussian const data(0.7, 0.6);
  auto const check = [&](auto const& solver, double order) {
    auto const measured = test::measure_order([&](int n) {
      diffx::timetable const grid(test::uniform_lambda(-2.5, 2.5, n + 1));
      auto const variance = [](diffx::level const& at) {
        return 0.36 * at.alpha * at.alpha + at.sigma * at.sigma;
      };
      auto const law = test::law_of_chain(diffx::sampler{test::vp_process{}, solver}, data, grid,
                                          {0.7 * grid.front().alpha, variance(grid.front())});
      CHECK(law.mean == doctest::Approx(0.7 * grid.back().alpha).epsilon(1e-12));
      return std::fabs(law.variance - variance(grid.back()));
    });
    CHECK(std::fabs(measured.fitted - order) < 0.15);
  };
  check(dpm_solver_multistep<frame::x0, 1, true>{}, 1.0);
  check(dpmpp_2m_sde{}, 2.0);
  check(dpmpp_2m_sde{.second = second_order::midpoint}, 2.0);
  check(dpmpp_2m_sde{.eta = 0.5, .convention = eta_convention::linear}, 2.0);
  check(dpmpp_3m_sde{}, 2.0);
  check(dpm_solver_multistep<frame::eps, 2, true>{}, 2.0);
}

TEST_CASE("dpm_solver_multistep: evaluations, alpha = 0 at the start, bad arguments") {
  auto levels = test::uniform_lambda(-2.0, 2.0, 5);
  levels.insert(levels.begin(), test::pure_noise());
  levels.push_back(test::clean());
  diffx::timetable const grid(levels);
  for (int i = 0; i < grid.steps(); ++i) {
    auto const s = test::plan_of(dpmpp_3m{.short_run = 0}, grid, i);
    CHECK(s.size() == 1);
    for (double const w : s[0].history) CHECK(std::isfinite(w));
    CHECK(std::isfinite(s[0].output));
  }
  CHECK_THROWS_AS(test::plan_of(dpmpp_2m{.eta = 0.5}, grid, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(dpmpp_2m_sde{.eta = -0.1}, grid, 0), diffx::error);
  diffx::timetable const back({test::vp(1.0), test::vp(0.0), test::vp(-1.0)});
  CHECK_THROWS_AS(test::plan_of(dpmpp_2m_sde{}, back, 0), diffx::error);
  CHECK_NOTHROW(test::plan_of(dpmpp_2m{}, back, 0));
}

}  // namespace
