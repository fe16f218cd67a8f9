#include <diffx/solver/reverse_diffusion.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::reverse_diffusion;

level ve(double sigma) {
  level l = level::edm(sigma);
  l.t = sigma / 100.0;
  return l;
}

TEST_CASE("reverse_diffusion: the variance-exploding form, from first step to last") {
  diffx::timetable const grid({ve(20.0), ve(3.0), ve(0.4), test::clean()});
  for (int i = 0; i < 3; ++i) {
    double const s = grid[i].sigma, t = grid[i + 1].sigma, x = 0.7, eps = -0.4, z = 1.3;
    double const g2 = s * s - t * t, mean = x + g2 * (-eps / s);
    for (bool const noisy : {false, true}) {
      auto const plan = test::plan_of(reverse_diffusion{noisy}, grid, i);
      CHECK(plan.size() == 1);
      test::interpreter run(x);
      run.step(
          plan, [&](double, level const&) { return eps; }, [&](auto const&) { return z; });
      double const want = i == 2 && !noisy ? mean : mean + std::sqrt(g2) * z;
      CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
    }
  }
}

TEST_CASE("reverse_diffusion: the variance-preserving form with beta of the step") {
  diffx::timetable const grid({test::vp(-2.0), test::vp(-1.7), test::vp(-0.9)});
  auto const s = test::plan_of(reverse_diffusion{}, grid, 0).at(0);
  double const r = grid[0].alpha / grid[1].alpha, beta = 1.0 - r * r;
  CHECK(s.state[0] == doctest::Approx(2.0 - std::sqrt(1.0 - beta)).epsilon(1e-12));
  CHECK(s.output == doctest::Approx(-beta / grid[0].sigma).epsilon(1e-12));
  CHECK(s.noise[0].weight == doctest::Approx(std::sqrt(beta)).epsilon(1e-12));
}

TEST_CASE("reverse_diffusion: weak order 1 on Gaussian data, without sampling") {
  double mean = 0.0;
  CHECK(std::fabs(test::weak_order(reverse_diffusion{true}, mean).fitted - 1.0) < 0.15);
}

TEST_CASE("reverse_diffusion: bad arguments") {
  diffx::timetable const up({test::vp(1.0), test::vp(0.0)});
  CHECK(test::message_of([&] {
          test::plan_of(reverse_diffusion{}, up, 0);
        }).find("cannot go to noise") != std::string::npos);
}

}  // namespace
