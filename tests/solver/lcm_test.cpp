#include <diffx/solver/lcm.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>

namespace {

using diffx::level;
using diffx::solver::lcm;

level at(double lambda, double index) {
  level l = test::vp(lambda);
  l.timestep = index;
  return l;
}

TEST_CASE("lcm: the boundary condition and the full noise, from first step to last") {
  diffx::timetable const grid({at(-2.0, 999.0), at(-0.7, 499.0), at(0.4, 19.0), test::clean()});
  for (int i = 0; i < 3; ++i) {
    auto const plan = test::plan_of(lcm{}, grid, i);
    CHECK(plan.size() == 1);
    double const s = 10.0 * grid[i].timestep, x = 0.7, x0 = -0.4, z = 1.3;
    double const d = 0.25 / (s * s + 0.25) * x + s / std::sqrt(s * s + 0.25) * x0;
    double const want = grid[i + 1].alpha * d + grid[i + 1].sigma * z;
    test::interpreter run(x);
    run.step(
        plan, [&](double, level const&) { return x0; }, [&](auto const&) { return z; });
    CHECK(run.x() == doctest::Approx(want).epsilon(1e-13));
  }
  auto const last = test::plan_of(lcm{}, grid, 2).at(0);
  CHECK(last.noise[0].weight == 0.0);
}

TEST_CASE("lcm: at timestep 0 the state itself is returned; other scalings") {
  diffx::timetable const grid({at(1.0, 0.0), test::clean()});
  auto const s = test::plan_of(lcm{}, grid, 0).at(0);
  CHECK(s.state[0] == 1.0);
  CHECK(s.output == 0.0);
  diffx::timetable const other({at(1.0, 2.0), test::clean()});
  auto const t = test::plan_of(lcm{.timestep_scaling = 3.0, .sigma_data = 8.0}, other, 0).at(0);
  CHECK(t.state[0] == doctest::Approx(0.64));
  CHECK(t.output == doctest::Approx(0.6));
}

TEST_CASE("lcm: one evaluation a step for N = 1, 2, 3; noise keys of their own") {
  for (int n : {1, 2, 3}) {
    auto levels = test::uniform_lambda(-2.0, 0.5, n);
    levels.push_back(test::clean());
    diffx::timetable const grid(levels);
    for (int i = 0; i < n; ++i) {
      auto const plan = test::plan_of(lcm{}, grid, i);
      CHECK(plan.size() == 1);
      CHECK(plan[0].noise[0].key.step == i);
    }
  }
}

TEST_CASE("lcm: bad arguments") {
  diffx::timetable const grid({at(1.0, 0.0), test::clean()});
  CHECK(test::says(test::message_of([&] { test::plan_of(lcm{.sigma_data = 0.0}, grid, 0); }),
                   "diffx::solver::lcm", "sigma_data", "0", "above 0"));
}

}  // namespace
