#include <diffx/solver/deis.hpp>
#include <diffx/solver/dpm_solver_multistep.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::frame;
using diffx::level;
using diffx::solver::deis;
using diffx::solver::deis_variable;

diffx::timetable rough() {
  return diffx::timetable(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::vp(0.4)});
}

TEST_CASE("deis: the published closed forms of the integrals in log rho") {
  auto const grid = rough();
  auto const rho = [&](int i) { return grid[i].sigma / grid[i].alpha; };
  for (int i = 1; i < 4; ++i) {  // antiderivative of (log t - log c) / (log b - log c)
    auto const f = [](double t, double b, double c) {
      return t * (-std::log(c) + std::log(t) - 1.0) / (std::log(b) - std::log(c));
    };
    double const t = rho(i + 1), s = rho(i), p = rho(i - 1), a = grid[i + 1].alpha;
    auto const w = test::plan_of(deis<2>{.short_run = 0}, grid, i).at(0);
    CHECK(w.state[0] == doctest::Approx(a / grid[i].alpha).epsilon(1e-13));
    CHECK(w.output == doctest::Approx(a * (f(t, s, p) - f(s, s, p))).epsilon(1e-11));
    CHECK(w.history[0] == doctest::Approx(a * (f(t, p, s) - f(s, p, s))).epsilon(1e-11));
  }
}

TEST_CASE("deis: order 3 is exponential Adams-Bashforth on eps") {
  auto const grid = rough();
  for (int i = 2; i < 4; ++i) {
    auto const a = test::plan_of(deis<3>{.short_run = 0}, grid, i).at(0);
    auto const b =
        test::plan_of(diffx::solver::dpm_solver_multistep<frame::eps, 3>{.short_run = 0}, grid, i)
            .at(0);
    CHECK(a.output == doctest::Approx(b.output).epsilon(1e-12));
    CHECK(a.history[0] == doctest::Approx(b.history[0]).epsilon(1e-12));
    CHECK(a.history[1] == doctest::Approx(b.history[1]).epsilon(1e-12));
  }
}

TEST_CASE("deis: outputs that are polynomials in t are integrated to rounding in that variable") {
  auto const grid = rough();
  auto const eps = [](double t) { return 0.3 - 0.8 * t; };
  for (int i = 1; i < 4; ++i) {
    auto const w = test::plan_of(deis<2, deis_variable::time>{.short_run = 0}, grid, i).at(0);
    double const got = w.output * eps(grid[i].t) + w.history[0] * eps(grid[i - 1].t);
    // a_t int eps(t(rho)) d rho, Simpson in rho; t = sigma / (alpha + sigma) on this path's
    // process.
    double const s = grid[i].edm_sigma(), t = grid[i + 1].edm_sigma();
    double sum = 0.0;
    constexpr int n = 2000;
    for (int k = 0; k <= n; ++k) {
      double const weight = k == 0 || k == n ? 1.0 : (k % 2 == 1 ? 4.0 : 2.0);
      sum += weight * eps(test::vp(-std::log(s + (t - s) * k / n)).t);
    }
    CHECK(got == doctest::Approx(grid[i + 1].alpha * sum * (t - s) / (3.0 * n)).epsilon(1e-9));
  }
}

TEST_CASE("deis: measured orders on a mixture") {
  auto const order = [](auto const& solver, int exact) {
    return test::measure_order([&](int n) { return test::mixture_error(solver, n, exact); });
  };
  CHECK(order(deis<1>{}, 0).has_order(1.0));
  CHECK(order(deis<2>{}, 0).has_order(2.0));
  CHECK(order(deis<3>{}, 2).has_order(3.0));
  CHECK(order(deis<2, deis_variable::time>{}, 0).has_order(2.0));
  CHECK(order(deis<3, deis_variable::time>{}, 2).has_order(3.0));
}

TEST_CASE("deis: start, end and sigma = 0") {
  auto levels = test::uniform_lambda(-2.0, 2.0, 20);
  levels.push_back(test::clean());
  diffx::timetable const zero(levels);
  auto const last = test::plan_of(deis<3>{}, zero, 19).at(0);
  CHECK(last.state[0] == doctest::Approx(1.0 / zero[19].alpha).epsilon(1e-14));
  CHECK(last.output == doctest::Approx(-zero[19].sigma / zero[19].alpha).epsilon(1e-14));
  CHECK(last.history[0] == 0.0);
  for (int n = 1; n <= 3; ++n) {
    diffx::timetable const grid(test::uniform_lambda(-2.0, 2.0, n + 1));
    CHECK(test::plan_of(deis<3>{}, grid, n - 1).size() == 1);
    CHECK(test::plan_of(deis<3>{}, grid, n - 1).at(0).history[0] == 0.0);
  }
}

}  // namespace
