#include <diffx/process/vp_discrete.hpp>
#include <diffx/schedule/scaled_linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/tcd.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>

namespace {

using diffx::level;
using diffx::solver::tcd;

/// The paper's two formulas: down to s, then noise up to t.
double by_hand(level const& from, level const& s, level const& to, double x, double x0, double z) {
  double const eps = (x - from.alpha * x0) / from.sigma;
  double const y = s.alpha * x0 + s.sigma * eps, r = to.alpha / s.alpha;
  return r * y + std::sqrt(to.sigma * to.sigma - r * r * s.sigma * s.sigma) * z;
}

TEST_CASE("tcd: trained indices are rounded down") {
  diffx::process::vp_discrete const process(diffx::schedule::scaled_linear(1000));
  diffx::timetable const grid(
      {process.at_index(999), process.at_index(759), process.at_index(499), process.at_index(0.0)});
  using context = diffx::plan_context<diffx::process::vp_discrete>;
  double const x = 0.7, x0 = -0.4, z = 1.3;
  for (double const gamma : {0.3, 0.55}) {
    for (int i = 0; i < 3; ++i) {
      diffx::plan out;
      tcd{gamma}.plan(context{process, grid, i, 0, 2}, out);
      int const to = static_cast<int>(grid[i + 1].timestep);
      level const s = process.at_index(std::floor((1.0 - gamma) * to));
      bool const last = i == 2;
      double const want = last ? by_hand(grid[i], grid[3], grid[3], x, x0, 0.0)
                               : by_hand(grid[i], s, grid[i + 1], x, x0, z);
      test::interpreter run(x);
      run.step(
          out.stages(), [&](double, level const&) { return x0; }, [&](auto const&) { return z; });
      CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
      CHECK(out.stages().size() == 1);
    }
  }
}

TEST_CASE("tcd: in continuous time s is (1 - gamma) t") {
  diffx::timetable const grid({test::vp(-2.0), test::vp(-0.7), test::vp(0.4), test::clean()});
  for (int i = 0; i < 2; ++i) {
    level const s = test::vp_process{}.at(0.7 * grid[i + 1].t);
    test::interpreter run(0.7);
    run.step(
        test::plan_of(tcd{}, grid, i), [](double, level const&) { return -0.4; },
        [](auto const&) { return 1.3; });
    CHECK(run.x() ==
          doctest::Approx(by_hand(grid[i], s, grid[i + 1], 0.7, -0.4, 1.3)).epsilon(1e-12));
  }
}

TEST_CASE("tcd: gamma 0 is DDIM, gamma 1 noises the x0 prediction, sigma = 0 returns it") {
  diffx::timetable const grid({test::vp(-2.0), test::vp(-0.7), test::vp(0.4), test::clean()});
  for (int i = 0; i < 3; ++i) {
    auto const a = test::plan_of(tcd{0.0}, grid, i).at(0);
    auto const b = test::plan_of(diffx::solver::ddim{}, grid, i).at(0);
    CHECK(a.state[0] == doctest::Approx(b.state[0]).epsilon(1e-14));
    CHECK(a.output == doctest::Approx(b.output).epsilon(1e-14));
    CHECK(a.noise[0].weight == 0.0);
  }
  // (1 - gamma) t = 0 is clean data; a process that has it gives the full noise.
  struct whole : test::vp_process {
    level at(double t) const { return t == 0.0 ? level{} : test::vp_process::at(t); }
  };
  for (int i = 0; i < 2; ++i) {
    diffx::plan one, other;
    whole const process;
    tcd{1.0}.plan(diffx::plan_context<whole>{process, grid, i, 0, 2}, one);
    diffx::solver::flow_lcm{}.plan(diffx::plan_context<whole>{process, grid, i, 0, 2}, other);
    CHECK(one.stages()[0].state[0] == 0.0);
    CHECK(one.stages()[0].output == doctest::Approx(other.stages()[0].output).epsilon(1e-14));
    CHECK(one.stages()[0].noise[0].weight ==
          doctest::Approx(other.stages()[0].noise[0].weight).epsilon(1e-14));
  }
  auto const last = test::plan_of(tcd{}, grid, 2).at(0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.output == 1.0);
  CHECK(last.noise[0].weight == 0.0);
}

TEST_CASE("tcd: bad arguments") {
  diffx::timetable const grid({test::vp(-2.0), test::clean()});
  CHECK(test::says(test::message_of([&] { test::plan_of(tcd{1.5}, grid, 0); }),
                   "diffx::solver::tcd", "gamma", "1.5", "in [0, 1]"));
}

}  // namespace
