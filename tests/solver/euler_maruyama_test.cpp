#include <diffx/process/vp.hpp>
#include <diffx/solver/euler_maruyama.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::em_step;
using diffx::solver::euler_maruyama;

/// The solver with its process, so that plans can be made without naming one.
struct on_vp {
  static constexpr diffx::frame frame = diffx::frame::eps;
  euler_maruyama solver{};
  diffx::process::vp<> process{};

  template <class Process>
  void plan(diffx::plan_context<Process> const& c, diffx::plan& out) const {
    using context = diffx::plan_context<diffx::process::vp<>>;
    solver.plan(context{process, c.grid, c.index, c.first, c.last}, out);
  }
};

diffx::timetable uniform_time(int n, double end) {
  std::vector<level> levels;
  for (int k = 0; k <= n; ++k) {
    levels.push_back(diffx::process::vp<>{}.at(0.5 + (end - 0.5) * k / n));
  }
  return diffx::timetable(levels);
}

TEST_CASE("euler_maruyama: beta of the linear schedule, from first step to last") {
  auto const grid = uniform_time(3, 0.05);
  for (auto const length : {em_step::exact, em_step::as_published}) {
    for (int i = 0; i < 3; ++i) {
      double const t = grid[i].t, x = 0.7, eps = -0.4, z = 1.3, beta = 0.1 + t * (20.0 - 0.1);
      double const d = length == em_step::exact ? t - grid[i + 1].t : 1.0 / 3.0;
      double const score = -eps / grid[i].sigma;
      double const mean = x + beta * (0.5 * x + score) * d;
      for (bool const noisy : {false, true}) {
        auto const plan = test::plan_of(on_vp{{length, noisy}}, grid, i);
        CHECK(plan.size() == 1);
        test::interpreter run(x);
        run.step(
            plan, [&](double, level const&) { return eps; }, [&](auto const&) { return z; });
        double const want = i == 2 && !noisy ? mean : mean + std::sqrt(beta * d) * z;
        CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("euler_maruyama: weak order 1 on Gaussian data, without sampling") {
  diffx::denoiser::gaussian const data(0.7, 0.6);
  auto const exact = [](level const& at) {
    return test::gaussian_law{0.7 * at.alpha, 0.36 * at.alpha * at.alpha + at.sigma * at.sigma};
  };
  auto const order = test::measure_order([&](int n) {
    auto const grid = uniform_time(n, 0.05);
    auto const law =
        test::law_of_plans(on_vp{{em_step::exact, true}}, data, grid, exact(grid.front()));
    return std::fabs(law.variance - exact(grid.back()).variance);
  });
  CHECK(std::fabs(order.fitted - 1.0) < 0.15);
}

TEST_CASE("euler_maruyama: bad arguments") {
  diffx::timetable const flow({test::flow(0.6), test::flow(0.2)});
  CHECK(test::message_of([&] {
          test::plan_of(on_vp{}, flow, 0);
        }).find("diffx::solver::euler_maruyama: alpha^2 + sigma^2 = 0.52") == 0);
  diffx::timetable const up({test::vp(1.0), test::vp(0.0)});
  CHECK(test::message_of([&] { test::plan_of(on_vp{}, up, 0); }).find("cannot go to noise") !=
        std::string::npos);
}

}  // namespace
