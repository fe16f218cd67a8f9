#include <diffx/denoiser/gaussian_mixture.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/sigma.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/restart.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::restart;
using diffx::solver::restart_interval;

diffx::timetable karras(int n) {
  diffx::process::edm const process;
  std::vector<level> levels;
  for (double const s : diffx::grid::sigma::karras(n, {0.002, 80.0}, 7.0)) {
    levels.push_back(process.at_lambda(-std::log(s)));
  }
  levels.push_back(level{});
  return diffx::timetable(levels);
}

TEST_CASE("restart: without intervals it is Heun's method") {
  diffx::timetable const grid(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::clean()});
  auto const model = [](double x, level const& at) { return 0.3 * x + 0.2 * at.lambda; };
  test::interpreter a(0.9), b(0.9);
  for (int i = 0; i < grid.steps(); ++i) {
    auto const plan = test::plan_of(restart{}, grid, i);
    CHECK(plan.size() == (i == 3 ? 1 : 2));
    a.step(plan, model);
    b.step(test::plan_of(diffx::solver::heun{}, grid, i), model);
    CHECK(a.x() == doctest::Approx(b.x()).epsilon(1e-13));
  }
  auto const order = test::measure_order([](int n) { return test::mixture_error(restart{}, n); });
  CHECK(order.has_order(2.0));
}

TEST_CASE("restart: end points of the published implementation") {
  // 8 steps from 80 to 0.002 and 0 on the mixture below; one interval of 3 points, twice. That
  // implementation makes its inner grid in single precision, so 1e-6 is what can be asked.
  auto const grid = karras(8);
  double const noise[2][3] = {{0.49518900821919865, -0.1643169780255888, -0.6779621976874128},
                              {0.5343606782583624, -1.4510227998623173, -0.6293740262051634}};
  auto const z = [&](diffx::noise::key k, std::int64_t, std::int64_t e) {
    REQUIRE(k.step == 5);
    return noise[k.draw][e];
  };
  diffx::denoiser::gaussian_mixture const data{
      std::vector{0.3, 0.5, 0.2}, std::vector{-1.2, 0.4, 1.5}, std::vector{0.35, 0.25, 0.5}};
  restart solver;
  solver.intervals = {{3, 2, 0.06, 0.3}};
  diffx::sampler const s{diffx::process::edm{}, solver};
  std::vector<double> x{-0.6 * 80.0, 1.3 * 80.0, 0.2 * 80.0};
  diffx::options<diffx::noise::injected_by<decltype(z)>> const options{
      diffx::noise::injected_by<decltype(z)>{z}, diffx::start::given};
  auto const r =
      s.sample(diffx::exec::host{}, data, grid, diffx::batch_view<double>{x.data(), 1, 3}, options);
  CHECK(r.nfe == 23);
  double const want[3] = {-0.8441569425135897, 1.409539781297148, 0.2243863120933733};
  for (std::size_t i = 0; i < 3; ++i) CHECK(std::fabs(x[i] - want[i]) < 1e-6);
}

TEST_CASE("restart: the levels it visits, 2 N - 1 + 2 K (N_r - 1) evaluations") {
  auto const grid = karras(12);
  restart solver;
  solver.intervals = {{4, 1, 1.09, 1.92}, {4, 2, 0.3, 0.59}, {5, 2, 0.06, 0.3}};
  diffx::process::edm const process;
  diffx::plan out;
  for (int i = 0; i < grid.steps(); ++i) {
    solver.plan(diffx::plan_context<diffx::process::edm>{process, grid, i, 0, 11}, out);
  }
  int evaluations = 0, passes = 0;
  for (auto const& s : out.stages()) (s.evaluates ? evaluations : passes) += 1;
  CHECK(evaluations == 2 * 12 - 1 + 2 * (1 * 3 + 2 * 3 + 2 * 4));
  CHECK(passes == 5);
  // The step that arrives nearest to 1.09: up to 1.92, down on its own Karras grid.
  diffx::plan one;
  solver.plan(diffx::plan_context<diffx::process::edm>{process, grid, 6, 0, 11}, one);
  auto const& s = one.stages();
  REQUIRE(s.size() == 2 + 1 + 6);
  double const low = grid[7].edm_sigma();
  CHECK(s[2].to.edm_sigma() == doctest::Approx(1.92));
  CHECK(s[2].noise[0].weight ==
        doctest::Approx(1.003 * std::sqrt(1.92 * 1.92 - low * low)).epsilon(1e-12));
  CHECK(s[3].at.edm_sigma() == doctest::Approx(1.92));
  CHECK(s[4].at.edm_sigma() == doctest::Approx(1.3678206205368042).epsilon(1e-6));
  CHECK(s[6].at.edm_sigma() == doctest::Approx(0.9577622413635254).epsilon(1e-6));
  CHECK(s[8].at.lambda == grid[7].lambda);
}

TEST_CASE("restart: a scaled path is the EDM path in other units") {
  std::vector<level> scaled, plain;
  for (double const lambda : {-2.0, -0.9, 0.6, 1.8}) {
    scaled.push_back(test::vp(lambda));
    plain.push_back(level::edm(std::exp(-lambda)));
    plain.back().t = scaled.back().t;
  }
  restart solver;
  solver.intervals = {{3, 2, std::exp(-0.6), 1.3}};
  struct edm_path : test::vp_process {
    level at_lambda(double lambda) const { return level::edm(std::exp(-lambda)); }
  };
  diffx::timetable const a(scaled), b(plain);
  test::mixture_model<diffx::frame::eps> const model;
  auto const z = [](diffx::noise::key const& k) { return 0.3 + 0.4 * k.draw; };
  test::interpreter x(0.4), y(0.4 / a[0].alpha);
  for (int i = 0; i < 3; ++i) {
    x.step(test::plan_of(solver, a, i), model, z);
    diffx::plan out;
    edm_path const process;
    solver.plan(diffx::plan_context<edm_path>{process, b, i, 0, 2}, out);
    y.step(out.stages(), model, z);
    CHECK(x.x() / a[i + 1].alpha == doctest::Approx(y.x()).epsilon(1e-11));
  }
}

TEST_CASE("restart: bad arguments") {
  auto const grid = karras(4);
  auto const message = [&](restart_interval const& r) {
    restart s;
    s.intervals = {r};
    diffx::process::edm const process;
    diffx::plan out;
    return test::message_of([&] {
      for (int i = 0; i < 4; ++i) {
        s.plan(diffx::plan_context<diffx::process::edm>{process, grid, i, 0, 3}, out);
      }
    });
  };
  constexpr auto where = "diffx::solver::restart";
  CHECK(test::says(message({1, 1, 0.1, 0.3}), where, "points", "1", "at least 2"));
  CHECK(test::says(message({3, -1, 0.1, 0.3}), where, "times", "-1", "at least 0"));
  CHECK(test::says(message({3, 1, 0.0, 0.3}), where, "sigma_min", "0", "above 0"));
  CHECK(test::says(message({3, 1, 0.5, 0.3}), where, "sigma_max", "0.3", "above sigma_min"));
  // The nearest grid point may lie above sigma_max.
  double const point = grid[1].edm_sigma();
  CHECK(message({3, 1, 0.9 * point, 0.95 * point}).find("above the grid point") !=
        std::string::npos);
}

}  // namespace
