#include <diffx/solver/flow_map.hpp>
#include <diffx/solver/stochastic_flow.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::constant_diffusion;
using diffx::solver::stochastic_flow;

TEST_CASE("stochastic_flow: the step on injected values, from first to last") {
  diffx::timetable const grid({test::flow(0.95), test::flow(0.6), test::flow(0.2), test::clean()});
  for (int i = 0; i < 3; ++i) {
    double const tau = grid[i].sigma, d = tau - grid[i + 1].sigma, x = 0.7, u = -0.4, z = 1.3;
    double const score = -(x + (1.0 - tau) * u) / tau;
    for (int kind : {0, 1}) {
      double const square = i == 2 ? 0.0 : kind == 0 ? 2.0 * 0.8 * tau : 0.6;
      double const want = x - u * d + 0.5 * square * score * d + std::sqrt(square * d) * z;
      auto const plan = kind == 0
                            ? test::plan_of(stochastic_flow<>{{0.8}}, grid, i)
                            : test::plan_of(stochastic_flow<constant_diffusion>{{0.6}}, grid, i);
      CHECK(plan.size() == 1);
      test::interpreter run(x);
      run.step(
          plan, [&](double, level const&) { return u; }, [&](auto const&) { return z; });
      CHECK(run.x() == doctest::Approx(want).epsilon(1e-13));
    }
  }
}

TEST_CASE("stochastic_flow: without diffusion it is the flow's Euler step, and so onto tau = 0") {
  diffx::timetable const grid({test::flow(0.95), test::flow(0.6), test::clean()});
  for (int i = 0; i < 2; ++i) {
    auto const a = test::plan_of(stochastic_flow<>{{0.0}}, grid, i).at(0);
    auto const b = test::plan_of(diffx::solver::flow_map{}, grid, i).at(0);
    CHECK(a.state[0] == doctest::Approx(b.state[0]).epsilon(1e-15));
    CHECK(a.output == doctest::Approx(b.output).epsilon(1e-15));
    CHECK(a.noise[0].weight == 0.0);
  }
  auto const last = test::plan_of(stochastic_flow<>{}, grid, 1).at(0);
  CHECK(last.state[0] == 1.0);
  CHECK(last.output == -0.6);
}

TEST_CASE("stochastic_flow: weak order 1 on Gaussian data, without sampling") {
  diffx::denoiser::gaussian const data(0.7, 0.6);
  auto const exact = [](level const& at) {
    return test::gaussian_law{0.7 * at.alpha, 0.36 * at.alpha * at.alpha + at.sigma * at.sigma};
  };
  double mean = 0.0;  // the score vanishes on the mean's path and u is constant there
  auto const order = [&](auto const& solver) {
    return test::measure_order([&](int n) {
      std::vector<level> levels;
      for (int k = 0; k <= n; ++k) levels.push_back(test::flow(0.9 - 0.8 * k / n));
      diffx::timetable const grid(levels);
      auto const law = test::law_of_plans(solver, data, grid, exact(grid.front()));
      auto const want = exact(grid.back());
      mean = std::max(mean, std::fabs(law.mean - want.mean));
      return std::fabs(law.variance - want.variance);
    });
  };
  CHECK(std::fabs(order(stochastic_flow<>{}).fitted - 1.0) < 0.15);
  CHECK(std::fabs(order(stochastic_flow<constant_diffusion>{}).fitted - 1.0) < 0.15);
  CHECK(mean < 1e-12);
}

TEST_CASE("stochastic_flow: bad arguments") {
  auto const message = [](auto const& s, diffx::timetable const& grid) {
    return test::message_of([&] { test::plan_of(s, grid, 0); });
  };
  diffx::timetable const vp({test::vp(0.0), test::vp(1.0)});
  CHECK(message(stochastic_flow<>{}, vp).find("alpha + sigma = 1.41") != std::string::npos);
  diffx::timetable const up({test::flow(0.2), test::flow(0.6)});
  CHECK(message(stochastic_flow<>{}, up).find("cannot go to noise") != std::string::npos);
  diffx::timetable const down({test::flow(0.6), test::flow(0.2)});
  CHECK(test::says(message(stochastic_flow<constant_diffusion>{{-1.0}}, down),
                   "diffx::solver::stochastic_flow", "g^2", "-1", "at least 0"));
}

}  // namespace
