#include <diffx/solver/flow_lcm.hpp>

#include "support/levels.hpp"
#include "support/plan_interpreter.hpp"
#include <doctest/doctest.h>

namespace {

using diffx::level;
using diffx::solver::flow_lcm;

TEST_CASE("flow_lcm: x0 noised again, all of it; sigma = 0 returns x0") {
  diffx::timetable const grid({test::flow(0.95), test::flow(0.6), test::flow(0.2), test::clean()});
  for (int i = 0; i < 3; ++i) {
    auto const plan = test::plan_of(flow_lcm{}, grid, i);
    CHECK(plan.size() == 1);
    double const tau = grid[i + 1].sigma;
    test::interpreter run(0.7);
    run.step(
        plan, [](double, level const&) { return -0.4; }, [](auto const&) { return 1.3; });
    CHECK(run.x() == doctest::Approx((1.0 - tau) * -0.4 + tau * 1.3).epsilon(1e-14));
    CHECK(plan[0].noise[0].key.step == i);
  }
  CHECK(test::plan_of(flow_lcm{}, grid, 2)[0].noise[0].weight == 0.0);
  diffx::timetable const one({test::flow(0.95), test::clean()});
  CHECK(test::plan_of(flow_lcm{}, one, 0)[0].output == 1.0);
}

}  // namespace
