#include <diffx/prediction/consistency.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/solver/consistency.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/scm.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::frame;
using diffx::level;
using diffx::solver::consistency;

level edm(double sigma) {
  level l = level::edm(sigma);
  l.t = sigma / 100.0;
  return l;
}

TEST_CASE("consistency: Algorithm 1 on the EDM path, for N = 1, 2, 3") {
  std::vector<level> const all{edm(80.0), edm(2.5), edm(0.4), edm(0.002)};
  for (std::size_t n : {1u, 2u, 3u}) {
    std::vector<level> levels(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n));
    levels.push_back(all.back());
    diffx::timetable const grid(levels);
    for (int i = 0; i < grid.steps(); ++i) {
      auto const plan = test::plan_of(consistency{.noise_scale = 0.8}, grid, i);
      CHECK(plan.size() == 1);
      double const s = grid[i + 1].sigma;
      double const want = -0.4 + 0.8 * std::sqrt(s * s - 0.002 * 0.002) * 1.3;
      test::interpreter run(0.7);
      run.step(
          plan, [](double, level const&) { return -0.4; }, [](auto const&) { return 1.3; });
      CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
    }
    CHECK(test::plan_of(consistency{}, grid, grid.steps() - 1)[0].noise[0].weight == 0.0);
  }
}

TEST_CASE("consistency: scaled paths, sigma = 0, and sigma_min = 0 as full noise") {
  diffx::timetable const grid({test::vp(-2.0), test::vp(-0.7), test::vp(7.0), test::clean()});
  auto const s = test::plan_of(consistency{0.1}, grid, 0).at(0);
  double const rho = grid[1].edm_sigma();
  CHECK(s.output == grid[1].alpha);
  CHECK(s.noise[0].weight ==
        doctest::Approx(grid[1].alpha * std::sqrt(rho * rho - 0.01)).epsilon(1e-12));
  // sigma / alpha = e^-7 lies below sigma_min.
  CHECK(test::plan_of(consistency{0.1}, grid, 1).at(0).noise[0].weight == 0.0);
  auto const last = test::plan_of(consistency{0.1}, grid, 2).at(0);
  CHECK(last.output == 1.0);
  CHECK(last.state[0] == 0.0);
  CHECK(last.noise[0].weight == 0.0);
  for (int i = 0; i < 3; ++i) {
    auto const a = test::plan_of(consistency{0.0}, grid, i).at(0);
    auto const b = test::plan_of(diffx::solver::flow_lcm{}, grid, i).at(0);
    auto const c = test::plan_of(diffx::solver::scm{1.0}, grid, i).at(0);
    CHECK(a.output == b.output);
    CHECK(a.noise[0].weight == doctest::Approx(b.noise[0].weight).epsilon(1e-15));
    CHECK(b.noise[0].weight == c.noise[0].weight);
  }
}

TEST_CASE("consistency: the prediction's boundary condition and its frames") {
  diffx::prediction::consistency const p{};
  auto const at_min = p.to(frame::x0, edm(0.002));
  CHECK(at_min.state == doctest::Approx(1.0).epsilon(1e-15));
  CHECK(at_min.output == 0.0);
  double const s = 1.7, gap = s - 0.002;
  auto const x0 = p.to(frame::x0, edm(s));
  CHECK(x0.state == doctest::Approx(0.25 / (gap * gap + 0.25)).epsilon(1e-14));
  CHECK(x0.output == doctest::Approx(0.5 * gap / std::sqrt(s * s + 0.25)).epsilon(1e-14));
  for (level const& l : {edm(0.05), edm(40.0), test::vp(-1.0), test::vp(2.0)}) {
    double const x = 0.8, f = -1.1;
    auto const value = [&](frame w) { return p.to(w, l).state * x + p.to(w, l).output * f; };
    double const d = value(frame::x0), eps = (x - l.alpha * d) / l.sigma;
    CHECK(value(frame::eps) == doctest::Approx(eps).epsilon(1e-11));
    CHECK(value(frame::flow) == doctest::Approx(eps - d).epsilon(1e-11));
  }
  // Without sigma_min it is EDM's.
  diffx::prediction::consistency const free{.sigma_min = 0.0};
  diffx::prediction::edm const other{};
  for (level const& l : {edm(0.3), test::vp(-1.0)}) {
    CHECK(free.to(frame::x0, l).state == doctest::Approx(other.to(frame::x0, l).state));
    CHECK(free.to(frame::eps, l).output == doctest::Approx(other.to(frame::eps, l).output));
    CHECK(free.input_scale(l) == doctest::Approx(other.input_scale(l)));
  }
}

TEST_CASE("consistency: bad arguments") {
  diffx::timetable const grid({edm(2.0), edm(1.0)});
  auto const message = [&](auto s) { return test::message_of([&] { test::plan_of(s, grid, 0); }); };
  CHECK(test::says(message(consistency{-1.0}), "diffx::solver::consistency", "sigma_min", "-1",
                   "at least 0"));
  CHECK(test::says(message(consistency{0.0, -1.0}), "diffx::solver::consistency", "noise_scale",
                   "-1", "at least 0"));
  CHECK(test::says(message(diffx::solver::scm{-1.0}), "diffx::solver::scm", "sigma_data", "-1",
                   "at least 0"));
}

}  // namespace
