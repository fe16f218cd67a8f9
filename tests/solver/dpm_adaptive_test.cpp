#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/mixture_flow.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpm_adaptive.hpp>
#include <diffx/solver/dpm_solver_singlestep.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/oracles.hpp"
#include "support/plan_interpreter.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::dpm_adaptive;

using state = std::vector<double>;
state const starts{-2.1, -0.6, 0.05, 0.9, 1.8};

diffx::timetable intervals(int n) {
  return diffx::timetable(test::uniform_lambda(-2.5, 2.5, n + 1));
}

template <class Solver, class Exec = diffx::exec::host>
state run(Solver const& solver, diffx::timetable const& grid, int* evaluations = nullptr,
          Exec const& exec = {}, state x = starts) {
  diffx::sampler const s{test::vp_process{}, solver};
  auto const r =
      s.sample(exec, test::mixture_a(), grid,
               diffx::batch_view<double>{x.data(), static_cast<std::int64_t>(x.size()), 1},
               diffx::options<>{.noise = {5}, .start = diffx::start::given});
  if (evaluations != nullptr) *evaluations = r.evaluations;
  return x;
}

TEST_CASE("dpm_adaptive: the error follows the tolerance, on any split into intervals") {
  auto const mixture = test::mixture_a();
  for (int n : {1, 2, 3}) {
    auto const grid = intervals(n);
    for (double const tolerance : {1e-3, 1e-5}) {
      auto const check = [&](auto solver) {
        solver.rtol = solver.atol = tolerance;
        auto const x = run(solver, grid);
        for (std::size_t i = 0; i < x.size(); ++i) {
          double const want =
              diffx::denoiser::flow_map(mixture, starts[i], grid.front(), grid.back());
          CHECK(std::fabs(x[i] - want) < 10.0 * tolerance);
        }
      };
      check(dpm_adaptive<2>{});
      check(dpm_adaptive<3>{});
    }
  }
}

/// eps = sin(x) + lambda / 5: nothing that a solver is exact for.
struct wavy {
  diffx::prediction::eps prediction{};
  int* calls = nullptr;
  static double at(double x, level const& l) { return std::sin(x) + 0.2 * l.lambda; }
  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    if (calls != nullptr) ++*calls;
    for (std::int64_t i = 0; i < x.size(); ++i) {
      out.data[i] = static_cast<T>(at(static_cast<double>(x.data[i]), q.at));
    }
  }
};

/// DPM-Solver of order 1, 2 or 3 by the formulas of the paper.
double by_hand(int order, double r, double x, level const& s, level const& t) {
  double const h = t.lambda - s.lambda, e = wavy::at(x, s);
  double const base = t.alpha / s.alpha * x - t.sigma * std::expm1(h) * e;
  if (order == 1) return base;
  level const m = test::vp(s.lambda + r * h);
  double const u = m.alpha / s.alpha * x - m.sigma * std::expm1(r * h) * e;
  double const d1 = wavy::at(u, m) - e;
  if (order == 2) return base - t.sigma / (2.0 * r) * std::expm1(h) * d1;
  double const r2 = 2.0 / 3.0, g = r2 * h;
  level const n = test::vp(s.lambda + g);
  double const w = n.alpha / s.alpha * x - n.sigma * std::expm1(g) * e -
                   n.sigma * r2 / r * (std::expm1(g) / g - 1.0) * d1;
  return base - t.sigma / r2 * (std::expm1(h) / h - 1.0) * (wavy::at(w, n) - e);
}

TEST_CASE("dpm_adaptive: one accepted attempt is DPM-Solver; the controller decides at its bound") {
  diffx::timetable const grid({test::vp(-1.0), test::vp(-0.4)});
  auto const check = [&](auto solver, int order) {
    double const x = 0.7;
    double const low = by_hand(order - 1, 1.0 / 3.0, x, grid[0], grid[1]);
    double const high = by_hand(order, order == 2 ? 0.5 : 1.0 / 3.0, x, grid[0], grid[1]);
    // f = 1 + atan(e^{-1/q} - 1) = 0.81 at this error.
    double const error = std::pow(1.0 + std::tan(0.81 - 1.0), -order);
    double const bound = std::fabs(low - high) / (error * std::max(std::fabs(low), std::fabs(x)));
    for (double const share : {1.001, 0.999}) {
      solver.rtol = bound * share;
      solver.atol = 1e-12;
      solver.first_step = 1.0;
      int calls = 0;
      state one{x};
      diffx::sampler const s{test::vp_process{}, solver};
      s.sample(diffx::exec::host{}, wavy{.calls = &calls}, grid,
               diffx::batch_view<double>{one.data(), 1, 1},
               diffx::options<>{.start = diffx::start::given});
      if (share > 1.0) {
        CHECK(calls == order);
        CHECK(one[0] == doctest::Approx(high).epsilon(1e-12));
      } else {
        CHECK(calls > order);
        CHECK(std::fabs(one[0] - high) > 1e-7);
      }
    }
  };
  check(dpm_adaptive<2>{}, 2);
  check(dpm_adaptive<3>{}, 3);
}

TEST_CASE("dpm_adaptive: onto sigma = 0 one step of order 1, which returns the x0 prediction") {
  diffx::timetable const grid({test::vp(-1.0), test::vp(2.0), test::clean()});
  diffx::timetable const before({test::vp(-1.0), test::vp(2.0)});
  int whole = 0, part = 0;
  auto const end = run(dpm_adaptive<>{}, grid, &whole);
  auto const x = run(dpm_adaptive<>{}, before, &part);
  CHECK(whole == part + 1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(end[i] == doctest::Approx(test::mixture_a().x0(x[i], grid[1])).epsilon(1e-12));
  }
}

TEST_CASE("dpm_adaptive: with eta the law of Gaussian data is kept") {
  // The data's deviation is 0.6 and its mean 0.7: a step is affine, so the result is normal.
  diffx::denoiser::gaussian const data(0.7, 0.6);
  auto const grid = intervals(2);
  constexpr std::int64_t n = 20000;
  state x(n);
  level const from = grid.front(), to = grid.back();
  diffx::noise::counted{3}.fill({9, 0, 0}, 0, 0, static_cast<int>(n), x.data());
  double const sd = std::sqrt(0.36 * from.alpha * from.alpha + from.sigma * from.sigma);
  for (double& v : x) v = 0.7 * from.alpha + sd * v;
  dpm_adaptive<2> solver;
  solver.eta = 1.0;
  solver.rtol = solver.atol = 2e-3;
  diffx::sampler const s{test::vp_process{}, solver};
  auto const r =
      s.sample(diffx::exec::host{}, data, grid, diffx::batch_view<double>{x.data(), n, 1},
               diffx::options<>{.noise = {5}, .start = diffx::start::given});
  CHECK(r.evaluations > 10);
  double mean = 0.0, square = 0.0;
  for (double const v : x) mean += v / n;
  for (double const v : x) square += (v - mean) * (v - mean) / (n - 1);
  double const variance = 0.36 * to.alpha * to.alpha + to.sigma * to.sigma;
  // Four standard errors, and the tolerance of the steps.
  CHECK(std::fabs(mean - 0.7 * to.alpha) < 4.0 * std::sqrt(variance / n) + 0.01);
  CHECK(std::fabs(square - variance) < 4.0 * variance * std::sqrt(2.0 / n) + 0.02);
}

TEST_CASE("dpm_adaptive: bits do not depend on threads, nor on an interruption") {
  auto const grid = intervals(2);
  dpm_adaptive<> solver;
  solver.eta = 0.5;
  auto const want = run(solver, grid);
  diffx::exec::threads const pool(2);
  CHECK(run(solver, grid, nullptr, pool) == want);
  diffx::sampler const s{test::vp_process{}, solver};
  diffx::options<> const options{.noise = {5}, .start = diffx::start::given};
  diffx::exec::host const exec;
  auto const mixture = test::mixture_a();
  state x = starts, y(5);
  diffx::batch_view<double> const view{x.data(), 5, 1}, other{y.data(), 5, 1};
  auto const bytes = s.workspace_size(exec, mixture, view, options);
  diffx::detail::workspace const first(bytes), second(bytes);
  auto r = s.start(exec, mixture, grid, view, first.span(), options);
  r.advance();
  auto again = s.start(exec, mixture, grid, other, second.span(), options);
  again.resume(r.checkpoint());
  again.finish();
  r.finish();
  CHECK(x == want);
  CHECK(y == want);
}

TEST_CASE("dpm_adaptive: bad arguments") {
  auto const message = [](dpm_adaptive<> const& s, diffx::timetable const& grid) {
    return test::message_of([&] { run(s, grid); });
  };
  constexpr auto where = "diffx::solver::dpm_adaptive";
  auto const grid = intervals(1);
  CHECK(test::says(message({.atol = 0.0}, grid), where, "rtol, atol", "0", "above 0"));
  CHECK(test::says(message({.first_step = 0.0}, grid), where, "first_step", "0", "above 0"));
  CHECK(test::says(message({.accept = 1.0}, grid), where, "accept", "1", "in (0, 1)"));
  CHECK(test::says(message({.eta = 2.0}, grid), where, "eta", "2", "in [0, 1]"));
  CHECK(test::says(message({.noise_scale = -1.0}, grid), where, "noise_scale", "-1", "at least 0"));
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0)});
  CHECK(test::says(message({}, noise), where, "alpha at the start", "0", "above 0"));
  diffx::timetable const up({test::vp(1.0), test::vp(0.0)});
  CHECK(message({}, up).find("from data to noise") != std::string::npos);
}

}  // namespace
