#include <diffx/denoiser/mixture_flow.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/adaptive_rk.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/oracles.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::adaptive_dopri54;
using diffx::solver::adaptive_rk;
using diffx::solver::coordinate;
namespace tableau = diffx::solver::tableau;

using state = std::vector<double>;
state const starts{-2.1, -0.6, 0.05, 0.9, 1.8};

diffx::timetable intervals(int n) {
  return diffx::timetable(test::uniform_lambda(-2.5, 2.5, n + 1));
}

template <class Solver, class Exec = diffx::exec::host>
state run(Solver const& solver, diffx::timetable const& grid, int* evaluations = nullptr,
          Exec const& exec = {}) {
  state x = starts;
  diffx::sampler const s{test::vp_process{}, solver};
  auto const r = s.sample(exec, test::mixture_a(), grid, diffx::batch_view<double>{x.data(), 5, 1},
                          diffx::options<>{.start = diffx::start::given});
  if (evaluations != nullptr) *evaluations = r.evaluations;
  return x;
}

double error_of(state const& x, diffx::timetable const& grid) {
  auto const mixture = test::mixture_a();
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const want = diffx::denoiser::flow_map(mixture, starts[i], grid.front(), grid.back());
    worst = std::max(worst, std::fabs(x[i] - want));
  }
  return worst;
}

TEST_CASE("adaptive_rk: the error follows the tolerance, on any split into intervals") {
  for (int n : {1, 2, 3}) {
    auto const grid = intervals(n);
    for (double const tolerance : {1e-4, 1e-6, 1e-8}) {
      auto const check = [&](auto solver) {
        solver.rtol = solver.atol = tolerance;
        int evaluations = 0;
        double const error = error_of(run(solver, grid, &evaluations), grid);
        CHECK(error < 60.0 * tolerance);
        CHECK(error > 0.001 * tolerance);  // and is not bought with far too many steps
        CHECK(evaluations < 4000);
      };
      check(adaptive_rk<tableau::bs32>{});
      check(adaptive_dopri54{});
      check(adaptive_rk<tableau::tsit54>{});
      check(adaptive_rk<tableau::fehlberg45>{});
      check(adaptive_rk<tableau::dopri54, coordinate::flow_time>{});
    }
  }
}

/// eps = c: over sigma / alpha every Runge-Kutta step is exact, so nothing is ever rejected.
struct constant {
  diffx::prediction::eps prediction{};
  double value = 0.4;
  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const&,
                  diffx::batch_view<T> out) const {
    std::fill_n(out.data, x.size(), static_cast<T>(value));
  }
};

TEST_CASE("adaptive_rk: constant eps is exact and costs the fewest steps there can be") {
  auto const grid = intervals(1);
  diffx::sampler const s{test::vp_process{}, adaptive_dopri54{.first_step = 0.02}};
  state x{0.9, -0.3};
  auto const r =
      s.sample(diffx::exec::host{}, constant{}, grid, diffx::batch_view<double>{x.data(), 2, 1},
               diffx::options<>{.start = diffx::start::given});
  level const from = grid.front(), to = grid.back();
  double const start[2] = {0.9, -0.3};
  for (std::size_t i = 0; i < 2; ++i) {
    double const want =
        to.alpha * (start[i] / from.alpha + (to.edm_sigma() - from.edm_sigma()) * 0.4);
    CHECK(x[i] == doctest::Approx(want).epsilon(1e-12));
  }
  // 0.02, then ten times that, then the rest: 7 evaluations and 6 for each step after it.
  CHECK(r.evaluations == 7 + 6 + 6);
  CHECK(r.steps == 1);
}

/// One step by the textbook, with its error estimate; eps = sin(y) + s, y = x / alpha = x.
struct wavy {
  diffx::prediction::eps prediction{};
  template <class Exec, class T>
  void operator()(Exec const&, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = std::sin(x.data[i]) + q.at.sigma;
  }
};

TEST_CASE("adaptive_rk: one attempt is the tableau's step, accepted or not by its own error") {
  struct edm_path : test::vp_process {
    level at_lambda(double lambda) const { return level::edm(std::exp(-lambda)); }
  };
  level from = level::edm(2.0), to = level::edm(1.2);
  from.t = 0.5;
  to.t = 0.3;
  using T = tableau::bs32;
  std::array<double, 4> k{};
  double const y = 0.7, h = -0.8;
  for (std::size_t j = 0; j < 4; ++j) {
    double at = y;
    for (std::size_t i = 0; i < j; ++i) at += h * T::a[j][i] * k[i];
    k[j] = std::sin(at) + 2.0 + h * tableau::nodes<T>[j];
  }
  double end = y, difference = 0.0;
  for (std::size_t j = 0; j < 4; ++j) {
    end += h * T::b[j] * k[j];
    difference += h * (T::b[j] - T::embedded[j]) * k[j];
  }
  double const scale = 1.0 + std::max(std::fabs(y), std::fabs(end));
  double const estimate = std::fabs(difference) / scale;  // the tolerance at which it is 1
  for (double const share : {1.001, 0.999}) {
    adaptive_rk<T> solver;
    solver.rtol = solver.atol = estimate * share;
    solver.first_step = 1.0;
    diffx::sampler const s{edm_path{}, solver};
    state x{y};
    auto const r = s.sample(diffx::exec::host{}, wavy{}, diffx::timetable({from, to}),
                            diffx::batch_view<double>{x.data(), 1, 1},
                            diffx::options<>{.start = diffx::start::given});
    if (share > 1.0) {
      CHECK(r.evaluations == 4);
      CHECK(x[0] == doctest::Approx(end).epsilon(1e-13));
    } else {
      CHECK(r.evaluations > 4);
      CHECK(std::fabs(x[0] - end) > 1e-6);
    }
  }
}

TEST_CASE("adaptive_rk: onto sigma = 0 one Euler step, which returns the x0 prediction") {
  diffx::timetable const grid({test::vp(-1.0), test::vp(2.0), test::clean()});
  diffx::timetable const before({test::vp(-1.0), test::vp(2.0)});
  int whole = 0, part = 0;
  auto const end = run(adaptive_dopri54{}, grid, &whole);
  auto const x = run(adaptive_dopri54{}, before, &part);
  CHECK(whole == part + 1);
  auto const mixture = test::mixture_a();
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(end[i] == doctest::Approx(mixture.x0(x[i], grid[1])).epsilon(1e-12));
  }
}

TEST_CASE("adaptive_rk: from data to noise and back") {
  auto const down = intervals(2);
  diffx::timetable const up({down[2], down[1], down[0]});
  adaptive_dopri54 const solver{.rtol = 1e-10, .atol = 1e-10};
  diffx::sampler const s{test::vp_process{}, solver};
  state x = starts;
  diffx::options<> const options{.start = diffx::start::given};
  for (auto const* grid : {&down, &up}) {
    s.sample(diffx::exec::host{}, test::mixture_a(), *grid,
             diffx::batch_view<double>{x.data(), 5, 1}, options);
  }
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(x[i] - starts[i]) < 1e-6);
}

TEST_CASE("adaptive_rk: bits do not depend on threads, nor on an interruption") {
  auto const grid = intervals(2);
  auto const want = run(adaptive_dopri54{}, grid);
  diffx::exec::threads const pool(2);
  CHECK(run(adaptive_dopri54{}, grid, nullptr, pool) == want);
  // A checkpoint after the first interval carries the controller along.
  diffx::sampler const s{test::vp_process{}, adaptive_dopri54{}};
  diffx::options<> const options{.start = diffx::start::given};
  diffx::exec::host const exec;
  auto const mixture = test::mixture_a();
  state x = starts, y(5);
  diffx::batch_view<double> const view{x.data(), 5, 1}, other{y.data(), 5, 1};
  auto const bytes = s.workspace_size(exec, mixture, view, options);
  diffx::detail::workspace const first(bytes), second(bytes);
  auto r = s.start(exec, mixture, grid, view, first.span(), options);
  r.advance();
  CHECK(r.memory()[0] != 0.0);
  auto again = s.start(exec, mixture, grid, other, second.span(), options);
  again.resume(r.checkpoint());
  again.finish();
  r.finish();
  CHECK(x == want);
  CHECK(y == want);
}

/// The mixture, which throws at one call.
struct failing {
  diffx::denoiser::gaussian_mixture mixture = test::mixture_a();
  decltype(mixture.prediction) prediction = mixture.prediction;
  int bad;
  int* calls;
  template <class Exec, class X, class Out>
  void operator()(Exec const& exec, X x, diffx::query const& q, Out out) const {
    if ((*calls)++ == bad) throw std::runtime_error("network");
    mixture(exec, x, q, out);
  }
};

TEST_CASE("adaptive_rk: after a throwing network the run goes on from the last accepted step") {
  auto const grid = intervals(1);
  auto const want = run(adaptive_dopri54{}, grid);
  diffx::sampler const s{test::vp_process{}, adaptive_dopri54{}};
  diffx::options<> const options{.start = diffx::start::given};
  diffx::exec::host const exec;
  for (int bad : {0, 3, 6, 7, 20, 33}) {
    int calls = 0;
    failing const network{.bad = bad, .calls = &calls};
    state x = starts;
    diffx::batch_view<double> const view{x.data(), 5, 1};
    diffx::detail::workspace const memory(s.workspace_size(exec, network, view, options));
    auto r = s.start(exec, network, grid, view, memory.span(), options);
    CHECK_THROWS(r.finish());
    r.finish();
    CHECK(x == want);
  }
}

TEST_CASE("adaptive_rk: an error that is not a number is an error, not an endless run") {
  struct broken {
    diffx::prediction::eps prediction{};
    void operator()(diffx::exec::host const&, diffx::batch_view<double const>, diffx::query const&,
                    diffx::batch_view<double> out) const {
      out.data[0] = std::nan("");
    }
  };
  diffx::sampler const s{test::vp_process{}, adaptive_dopri54{}};
  state x{0.3};
  auto const nan = test::message_of([&] {
    s.sample(diffx::exec::host{}, broken{}, intervals(1), diffx::batch_view<double>{x.data(), 1, 1},
             diffx::options<>{.start = diffx::start::given});
  });
  CHECK(nan.find("the error stays above the tolerance") != std::string::npos);
}

TEST_CASE("adaptive_rk: bad arguments") {
  auto const message = [](adaptive_dopri54 const& s, diffx::timetable const& grid) {
    return test::message_of([&] { run(s, grid); });
  };
  constexpr auto where = "diffx::solver::adaptive_rk";
  auto const grid = intervals(1);
  CHECK(test::says(message({.atol = 0.0}, grid), where, "rtol, atol", "0", "above 0"));
  CHECK(test::says(message({.first_step = 2.0}, grid), where, "first_step", "2", "in (0, 1]"));
  CHECK(test::says(message({.safety = 0.0}, grid), where, "safety", "0", "in (0, 1]"));
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0)});
  CHECK(test::says(message({}, noise), where, "alpha at the start", "0", "above 0"));
}

}  // namespace
