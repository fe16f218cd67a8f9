#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ipndm.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::ipndm;

diffx::timetable rough() {
  return diffx::timetable({test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5),
                           test::vp(0.3), test::clean()});
}

TEST_CASE("ipndm: the published weights through the DDIM transfer, from first step to last") {
  auto const grid = rough();
  double const weights[4][4] = {{1.0},
                                {1.5, -0.5},
                                {23.0 / 12.0, -4.0 / 3.0, 5.0 / 12.0},
                                {55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0}};
  for (int i = 0; i < grid.steps(); ++i) {
    auto const plan = test::plan_of(ipndm<>{}, grid, i);
    CHECK(plan.size() == 1);
    auto const& s = plan.at(0);
    level const from = grid[i], to = grid[i + 1];
    double const keep = to.alpha / from.alpha, transfer = to.sigma - keep * from.sigma;
    CHECK(s.state[0] == doctest::Approx(keep).epsilon(1e-12));
    auto const& w = weights[i < 3 ? i : 3];
    CHECK(s.output == doctest::Approx(transfer * w[0]).epsilon(1e-12));
    for (std::size_t j = 1; j < 4; ++j) {
      CHECK(s.history[j - 1] == doctest::Approx(transfer * w[j]).epsilon(1e-12));
    }
    CHECK(s.keeps == (i + 1 < grid.steps()));
  }
}

TEST_CASE("ipndm: a run that starts later starts with order 1; order 1 is DDIM") {
  auto const grid = rough();
  auto const late = test::plan_of(ipndm<>{}, grid, 2, 2).at(0);
  auto const one = test::plan_of(ipndm<1>{}, grid, 2).at(0);
  CHECK(late.output == one.output);
  CHECK(late.history[0] == 0.0);
  auto const ddim = test::plan_of(diffx::solver::ddim{}, grid, 2).at(0);
  double const x = 0.7, eps = -0.4, x0 = (x - grid[2].sigma * eps) / grid[2].alpha;
  CHECK(one.state[0] * x + one.output * eps ==
        doctest::Approx(ddim.state[0] * x + ddim.output * x0).epsilon(1e-12));
}

TEST_CASE("ipndm: from alpha = 0 the step takes x0 = 0") {
  diffx::timetable const grid({test::pure_noise(), test::vp(-1.0), test::vp(0.0)});
  auto const s = test::plan_of(ipndm<>{}, grid, 0).at(0);
  CHECK(s.state[0] == 0.0);
  CHECK(s.output == grid[1].sigma);
}

TEST_CASE("ipndm: measured orders on a mixture") {
  auto const order = [](auto const& s) {
    return test::measure_order([&](int n) { return test::mixture_error(s, n); });
  };
  CHECK(order(ipndm<1>{}).has_order(1.0));
  CHECK(order(ipndm<2>{}).has_order(2.0));
  CHECK(order(ipndm<4>{}).has_order(2.0));
}

}  // namespace
