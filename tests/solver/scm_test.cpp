#include <diffx/prediction/trig_flow.hpp>
#include <diffx/solver/scm.hpp>

#include "support/levels.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;

level angle(double t) {
  if (t == 0.0) return {};
  return {t / 1.6, std::cos(t), std::sin(t), -std::log(std::tan(t)), t};
}

TEST_CASE("scm: x0 and noise of the data's deviation, for N = 1, 2, 3") {
  std::vector<double> const angles{1.5, 1.1, 0.6};
  for (std::size_t n : {1u, 2u, 3u}) {
    std::vector<level> levels;
    for (std::size_t k = 0; k < n; ++k) levels.push_back(angle(angles[k]));
    levels.push_back(angle(0.0));
    diffx::timetable const grid(levels);
    for (int i = 0; i < grid.steps(); ++i) {
      auto const plan = test::plan_of(diffx::solver::scm{0.8}, grid, i);
      CHECK(plan.size() == 1);
      // x0 from the network F, as the paper has it.
      double const s = grid[i].timestep, x = 0.7, f = -0.4, z = 1.3;
      auto const form = diffx::prediction::trig_flow{0.8}.to(diffx::frame::x0, grid[i]);
      double const t = i + 1 < grid.steps() ? grid[i + 1].timestep : 0.0;
      double const x0 = std::cos(s) * x - std::sin(s) * 0.8 * f;
      double const want = std::cos(t) * x0 + std::sin(t) * 0.8 * z;
      test::interpreter run(x);
      run.step(
          plan, [&](double y, level const&) { return form.state * y + form.output * f; },
          [&](auto const&) { return z; });
      CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
    }
  }
}

}  // namespace
