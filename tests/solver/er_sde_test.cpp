#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/er_sde.hpp>

#include "support/impulses.hpp"
#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::er_power;
using diffx::solver::er_quadrature;
using diffx::solver::er_sde;

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::vp(0.4)});
}

TEST_CASE("er_sde: phi = L of order 1 is DDIM, phi = L^2 its form with eta = 1") {
  auto const grid = rough();
  for (int i = 0; i < 4; ++i) {
    for (double const power : {1.0, 2.0}) {
      auto const a = test::plan_of(er_sde<1, er_power>{{power}}, grid, i).at(0);
      auto const b = test::plan_of(diffx::solver::ddim{.eta = power - 1.0}, grid, i).at(0);
      CHECK(a.state[0] == doctest::Approx(b.state[0]).epsilon(1e-12));
      CHECK(a.output == doctest::Approx(b.output).epsilon(1e-12));
      CHECK(a.noise[0].weight == doctest::Approx(b.noise[0].weight).epsilon(1e-9));
    }
  }
}

TEST_CASE("er_sde: the weights of order 3, integrals in closed form for phi = L^2") {
  auto const grid = rough();
  for (int i = 2; i < 4; ++i) {
    level const s = grid[i], t = grid[i + 1];
    double const ls = s.edm_sigma(), lt = t.edm_sigma(), d = lt - ls, q = lt * lt / (ls * ls);
    double const i0 = 1.0 / lt - 1.0 / ls;          // int du / u^2
    double const i1 = std::log(ls / lt) - ls * i0;  // int (u - ls) / u^2 du
    std::vector<double> const m{0.4, -0.7, 1.3};
    double const l1 = grid[i - 1].edm_sigma(), l2 = grid[i - 2].edm_sigma();
    double const d0 = (m[0] - m[1]) / (ls - l1), d1 = (m[1] - m[2]) / (l1 - l2);
    double const want = t.alpha * ((1.0 - q) * m[0] + (d + lt * lt * i0) * d0 +
                                   (0.5 * d * d + lt * lt * i1) * 2.0 * (d0 - d1) / (ls - l2));
    auto const w = test::plan_of(er_sde<3, er_power>{{2.0}}, grid, i).at(0);
    CHECK(w.state[0] == doctest::Approx(t.alpha / s.alpha * q).epsilon(1e-12));
    CHECK(w.output * m[0] + w.history[0] * m[1] + w.history[1] * m[2] ==
          doctest::Approx(want).epsilon(1e-10));
    CHECK(w.noise[0].weight ==
          doctest::Approx(t.alpha * std::sqrt(lt * lt - ls * ls * q * q)).epsilon(1e-12));
  }
}

TEST_CASE("er_sde: measured order of the ODE; the published sum of 100 values costs some") {
  auto const order = [](auto const& solver) {
    return test::measure_order([&](int n) { return test::mixture_error(solver, n); });
  };
  CHECK(order(er_sde<1, er_power>{}).has_order(1.0));
  CHECK(order(er_sde<2, er_power>{}).has_order(2.0));
  CHECK(order(er_sde<2, er_power>{.quadrature = er_quadrature::left_sum}).last < 1.6);
}

TEST_CASE("er_sde: weak order on Gaussian data, without sampling") {
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
  check(er_sde<1>{}, 1.0);
  check(er_sde<2>{}, 2.0);
  check(er_sde<3>{}, 2.0);
  check(er_sde<2, er_power>{{2.0}}, 2.0);
}

TEST_CASE("er_sde: short runs onto sigma = 0, bad arguments") {
  auto levels = test::uniform_lambda(-1.0, 1.0, 3);
  levels.push_back(test::clean());
  for (int n = 1; n <= 3; ++n) {
    diffx::timetable const zero(std::vector<level>(levels.end() - n - 1, levels.end()));
    auto const last = test::plan_of(er_sde<>{}, zero, n - 1);
    CHECK(last.size() == 1);
    CHECK(last[0].state[0] == 0.0);
    CHECK(last[0].output == 1.0);
    CHECK(last[0].history[0] == 0.0);
    CHECK(last[0].noise[0].weight == 0.0);
  }
  auto const grid = rough();
  CHECK_THROWS_AS(test::plan_of(er_sde<1, er_power>{{0.5}}, grid, 0), diffx::error);
  diffx::timetable const back({test::vp(1.0), test::vp(-1.0)});
  CHECK_THROWS_AS(test::plan_of(er_sde<>{}, back, 0), diffx::error);
  diffx::timetable const silent({test::pure_noise(), test::vp(0.0)});
  CHECK_THROWS_AS(test::plan_of(er_sde<>{}, silent, 0), diffx::error);
}

}  // namespace
