#include <diffx/solver/dpm_solver_singlestep.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/kdpm2.hpp>
#include <diffx/solver/runge_kutta.hpp>

#include "support/levels.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <vector>

namespace {

namespace solver = diffx::solver;
namespace tableau = diffx::solver::tableau;
using diffx::level;
using solver::coordinate;
using solver::runge_kutta;

/// Sums of the order conditions: largest deviation among all rooted trees up to order p <= 5.
template <class T, class B>
double condition_error(B const& b, int p) {
  constexpr auto n = static_cast<std::size_t>(T::stages);
  using vector = std::array<double, n>;
  vector one{}, c{};
  one.fill(1.0);
  auto const apply = [](vector const& v) {
    vector r{};
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < i; ++j) r[i] += T::a[i][j] * v[j];
    }
    return r;
  };
  auto const times = [](vector x, vector const& y) {
    for (std::size_t i = 0; i < n; ++i) x[i] *= y[i];
    return x;
  };
  c = apply(one);
  vector const c2 = times(c, c), c3 = times(c2, c), ac = apply(c), ac2 = apply(c2), aac = apply(ac);
  struct tree {
    int order;
    vector v;
    double density;
  };
  std::vector<tree> const trees{{1, one, 1},
                                {2, c, 2},
                                {3, c2, 3},
                                {3, ac, 6},
                                {4, c3, 4},
                                {4, times(c, ac), 8},
                                {4, ac2, 12},
                                {4, aac, 24},
                                {5, times(c3, c), 5},
                                {5, times(c2, ac), 10},
                                {5, times(c, ac2), 15},
                                {5, times(c, aac), 30},
                                {5, times(ac, ac), 20},
                                {5, apply(c3), 20},
                                {5, apply(times(c, ac)), 40},
                                {5, apply(ac2), 60},
                                {5, apply(aac), 120}};
  double worst = 0.0;
  for (tree const& t : trees) {
    if (t.order > p) continue;
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += b[i] * t.v[i];
    worst = std::max(worst, std::fabs(sum - 1.0 / t.density));
  }
  return worst;
}

template <class T>
void check_conditions() {
  CHECK(condition_error<T>(T::b, T::order) < 3e-14);
  if (T::order < 5) CHECK(condition_error<T>(T::b, T::order + 1) > 1e-4);
  if constexpr (tableau::embedded_pair<T>) {
    CHECK(condition_error<T>(T::embedded, T::embedded_order) < 3e-14);
    if (T::embedded_order < 5) CHECK(condition_error<T>(T::embedded, T::embedded_order + 1) > 1e-5);
  }
}

TEST_CASE("tableau: order conditions, and not those of the next order") {
  check_conditions<tableau::euler>();
  check_conditions<tableau::midpoint>();
  check_conditions<tableau::heun>();
  check_conditions<tableau::ralston>();
  check_conditions<tableau::ssprk3>();
  check_conditions<tableau::rk4>();
  check_conditions<tableau::rk38>();
  check_conditions<tableau::bs32>();
  check_conditions<tableau::dopri54>();
  check_conditions<tableau::tsit54>();
  check_conditions<tableau::fehlberg45>();
}

double wavy(double x, level const& at) { return std::sin(1.3 * x + at.lambda) - 0.4 * x; }

/// The method as textbooks have it, with every derivative kept.
template <class T, coordinate C>
double textbook(level const& from, level const& to, double x) {
  auto const scale = [](level const& l) {
    return C == coordinate::edm_sigma ? l.alpha : l.alpha + l.sigma;
  };
  double const s = from.sigma / scale(from), h = to.sigma / scale(to) - s, y = x / scale(from);
  constexpr auto n = static_cast<std::size_t>(T::stages);
  std::array<double, n> k{};
  double end = y;
  for (std::size_t i = 0; i < n; ++i) {
    double at = y, c = 0.0;
    for (std::size_t j = 0; j < i; ++j) {
      at += h * T::a[i][j] * k[j];
      c += T::a[i][j];
    }
    double const place = s + c * h;
    level const l =
        test::vp(C == coordinate::edm_sigma ? -std::log(place) : std::log((1.0 - place) / place));
    k[i] = wavy(at * scale(l), l);
    end += h * T::b[i] * k[i];
  }
  return end * scale(to);
}

template <class T, coordinate C>
void check_step() {
  diffx::timetable const grid({test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::clean()});
  for (int i = 0; i < 2; ++i) {
    test::interpreter run(0.8);
    for (int j = 0; j < 4; ++j) run.remember(1e9);  // older outputs are of no interest
    run.step(test::plan_of(runge_kutta<T, C>{}, grid, i), wavy);
    CHECK(run.x() == doctest::Approx(textbook<T, C>(grid[i], grid[i + 1], 0.8)).epsilon(1e-12));
  }
  auto const last = test::plan_of(runge_kutta<T, C>{}, grid, 2);
  CHECK(last.size() == 1);
  CHECK_FALSE(last[0].retains);
  level const s = grid[2];
  double const x = 0.8, x0 = -0.3, eps = (x - s.alpha * x0) / s.sigma;
  double const m = C == coordinate::edm_sigma ? eps : eps - x0;
  CHECK(last[0].state[0] * x + last[0].output * m == doctest::Approx(x0).epsilon(1e-12));
}

template <class T>
void check_steps() {
  check_step<T, coordinate::edm_sigma>();
  check_step<T, coordinate::flow_time>();
}

TEST_CASE("runge_kutta: the textbook step, whatever is kept of it; onto sigma = 0 the x0") {
  check_steps<tableau::euler>();
  check_steps<tableau::midpoint>();
  check_steps<tableau::heun>();
  check_steps<tableau::ralston>();
  check_steps<tableau::ssprk3>();
  check_steps<tableau::rk4>();
  check_steps<tableau::rk38>();
  check_steps<tableau::bs32>();
  check_steps<tableau::dopri54>();
  check_steps<tableau::tsit54>();
  check_steps<tableau::fehlberg45>();
}

TEST_CASE("runge_kutta: what a step costs and keeps") {
  CHECK(solver::heun::max_evals == 2);
  CHECK(solver::heun::history == 0);
  CHECK(solver::ralston::history == 0);
  CHECK(solver::ssprk3::history == 0);
  CHECK(solver::midpoint::history == 0);
  CHECK(solver::rk4::history == 2);
  CHECK(solver::rk4::max_evals == 4);
  CHECK(solver::bs32::max_evals == 3);  // b leaves the last derivative out
  CHECK(solver::dopri54::max_evals == 6);
  CHECK(solver::tsit54::max_evals == 6);
  CHECK(solver::fehlberg45::max_evals == 5);
  CHECK(solver::heun::name == "solver::heun");
  CHECK(solver::flow_heun::name == "solver::flow_heun");
  diffx::timetable const grid({test::vp(-1.0), test::vp(0.0), test::vp(1.0), test::clean()});
  std::size_t evaluations = 0;
  for (int i = 0; i < 3; ++i) evaluations += test::plan_of(solver::heun{}, grid, i).size();
  CHECK(evaluations == 5);  // 2N - 1
}

template <class Solver>
double error_at_end(Solver const& s, int steps, double first = -2.5, double last = 2.5) {
  test::mixture_model<diffx::frame::x0> const model;
  diffx::timetable const grid(test::uniform_lambda(first, last, steps + 1));
  double worst = 0.0;
  for (double const start : {-2.1, -0.6, 0.05, 0.9, 1.8}) {
    test::interpreter run(start);
    for (int i = 0; i < steps; ++i) {
      run.step(test::plan_of(s, grid, i), [&](double x, level const& at) {
        double const x0 = model(x, at), eps = (x - at.alpha * x0) / at.sigma;
        return Solver::frame == diffx::frame::eps ? eps : eps - x0;
      });
    }
    double const end = diffx::denoiser::flow_map(model.mixture, start, grid.front(), grid.back());
    worst = std::max(worst, std::fabs(run.x() - end));
  }
  return worst;
}

TEST_CASE("runge_kutta: measured orders on a mixture, in both coordinates") {
  auto const order = [](auto const& s, std::vector<int> const& counts) {
    return test::measure_order([&](int n) { return error_at_end(s, n); }, counts);
  };
  std::vector<int> const usual{80, 160, 320, 640}, few{80, 160, 320};
  CHECK(order(solver::heun{}, usual).has_order(2.0));
  CHECK(order(solver::midpoint{}, usual).has_order(2.0));
  CHECK(order(solver::ralston{}, usual).has_order(2.0));
  CHECK(order(solver::kdpm2{}, usual).has_order(2.0));
  CHECK(order(solver::ssprk3{}, usual).has_order(3.0));
  CHECK(order(solver::bs32{}, usual).has_order(3.0));
  CHECK(order(solver::rk4{}, usual).has_order(4.0));
  CHECK(order(solver::rk38{}, usual).has_order(4.0));
  CHECK(order(solver::fehlberg45{}, few).has_order(4.0));
  // Over the whole range the error's terms of order 6 drown those of order 5 until rounding begins;
  // at the noisy end they do not.
  auto const noisy_end = [](auto const& solver) {
    return test::measure_order([&](int n) { return error_at_end(solver, n, -3.0, 0.0); },
                               {20, 40, 80});
  };
  CHECK(noisy_end(solver::dopri54{}).has_order(5.0));
  CHECK(noisy_end(solver::tsit54{}).has_order(5.0));
  CHECK(order(solver::flow_euler{}, usual).has_order(1.0));
  CHECK(order(solver::flow_heun{}, usual).has_order(2.0));
  CHECK(order(solver::flow_rk4{}, usual).has_order(4.0));
}

TEST_CASE("kdpm2: DPM-Solver-2S with r = 1/2") {
  diffx::timetable const grid(
      {test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5), test::clean()});
  for (int i = 0; i < 4; ++i) {
    test::interpreter a(0.8), b(0.8);
    auto const plan = test::plan_of(solver::kdpm2{}, grid, i);
    CHECK(plan.size() == (i == 3 ? 1 : 2));
    a.step(plan, wavy);
    b.step(test::plan_of(solver::dpm_solver_2s{}, grid, i), wavy);
    CHECK(a.x() == doctest::Approx(b.x()).epsilon(1e-12));
  }
}

TEST_CASE("runge_kutta, kdpm2: edges") {
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0), test::clean()});
  CHECK_THROWS_AS(test::plan_of(solver::heun{}, noise, 0), diffx::error);
  CHECK_THROWS_AS(test::plan_of(solver::kdpm2{}, noise, 0), diffx::error);
  for (auto const& s : test::plan_of(solver::flow_heun{}, noise, 0)) {
    CHECK(std::isfinite(s.state[0]));
    CHECK(std::isfinite(s.state[1]));
    CHECK(std::isfinite(s.output));
  }
  // From clean data: finite weights in both coordinates.
  diffx::timetable const up({test::clean(), test::vp(1.0), test::vp(0.2)});
  for (auto const& s : test::plan_of(solver::heun{}, up, 0)) CHECK(std::isfinite(s.output));
  for (auto const& s : test::plan_of(solver::flow_heun{}, up, 0)) CHECK(std::isfinite(s.output));
}

}  // namespace
