#include <diffx/process/vp_discrete.hpp>
#include <diffx/schedule/scaled_linear.hpp>
#include <diffx/solver/pndm.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <array>
#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::plms;
using diffx::solver::pndm;
using diffx::solver::pndm_combine;
using diffx::solver::pndm_start;

diffx::timetable rough(bool to_zero = false) {
  std::vector<level> l{test::vp(-2.0), test::vp(-1.7), test::vp(-0.9),
                       test::vp(-0.5), test::vp(0.1),  test::vp(0.4)};
  if (to_zero) l.push_back(test::clean());
  return diffx::timetable(l);
}

/// The DDIM transfer, as the paper's Equation 11 has it.
double transfer(double x, double e, level const& s, level const& t) {
  return t.alpha / s.alpha * (x - s.sigma * e) + t.sigma * e;
}

TEST_CASE("pndm: a pseudo Runge-Kutta step on injected outputs") {
  auto const grid = rough();
  std::array<double, 4> const e{0.7, -0.4, 1.1, 0.2};
  for (int i : {0, 1, 2}) {
    level const s = grid[i], t = grid[i + 1];
    level const m = test::vp_process{}.at(0.5 * (s.t + t.t));
    auto const plan = test::plan_of(pndm<>{}, grid, i);
    REQUIRE(plan.size() == 4);
    std::vector<double> seen;
    std::size_t call = 0;
    test::interpreter run(0.9);
    run.step(plan, [&](double x, level const&) {
      seen.push_back(x);
      return e[call++];
    });
    CHECK(seen[1] == doctest::Approx(transfer(0.9, e[0], s, m)).epsilon(1e-12));
    CHECK(seen[2] == doctest::Approx(transfer(0.9, e[1], s, m)).epsilon(1e-12));
    CHECK(seen[3] == doctest::Approx(transfer(0.9, e[2], s, t)).epsilon(1e-12));
    double const mean = (e[0] + 2.0 * e[1] + 2.0 * e[2] + e[3]) / 6.0;
    CHECK(run.x() == doctest::Approx(transfer(0.9, mean, s, t)).epsilon(1e-12));
    CHECK(plan[1].at.lambda == doctest::Approx(m.lambda));
    CHECK(plan[2].at.lambda == doctest::Approx(m.lambda));
    CHECK(plan[3].at.lambda == t.lambda);
  }
}

TEST_CASE("pndm: Adams steps on injected outputs; the history holds one output a step") {
  auto const grid = rough(true);
  auto const output = [](level const& at) { return 0.3 - 0.2 * at.lambda * at.lambda; };
  test::interpreter run(0.9);
  for (int i = 0; i < 3; ++i) {
    run.step(test::plan_of(pndm<>{}, grid, i), [&](double, level const& at) { return output(at); });
  }
  for (int i = 3; i < 6; ++i) {
    auto const plan = test::plan_of(pndm<>{}, grid, i);
    CHECK(plan.size() == 1);
    double const e = (55.0 * output(grid[i]) - 59.0 * output(grid[i - 1]) +
                      37.0 * output(grid[i - 2]) - 9.0 * output(grid[i - 3])) /
                     24.0;
    double const want = transfer(run.x(), e, grid[i], grid[i + 1]);
    run.step(plan, [&](double, level const& at) { return output(at); });
    CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
  }
}

TEST_CASE("plms: the first step is evaluated at both ends, then orders 2, 3, 4") {
  auto const grid = rough();
  auto const output = [](level const& at) { return 0.3 - 0.2 * at.lambda * at.lambda; };
  auto const model = [&](double, level const& at) { return output(at); };
  double const e0 = output(grid[0]), e1 = output(grid[1]), e2 = output(grid[2]);
  test::interpreter run(0.9);
  auto const first = test::plan_of(plms{}, grid, 0);
  REQUIRE(first.size() == 2);
  CHECK(first[1].at.lambda == grid[1].lambda);
  run.step(first, model);
  double want = transfer(0.9, 0.5 * (e0 + e1), grid[0], grid[1]);
  CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
  run.step(test::plan_of(plms{}, grid, 1), model);
  want = transfer(want, 1.5 * e1 - 0.5 * e0, grid[1], grid[2]);
  CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
  run.step(test::plan_of(plms{}, grid, 2), model);
  want = transfer(want, (23.0 * e2 - 16.0 * e1 + 5.0 * e0) / 12.0, grid[2], grid[3]);
  CHECK(run.x() == doctest::Approx(want).epsilon(1e-12));
}

TEST_CASE("pndm: v outputs combined as such, converted at the step's base") {
  auto const grid = rough();
  using combined = pndm<pndm_start::plms, pndm_combine::v>;
  auto const plan = test::plan_of(combined{}, grid, 0);
  for (auto const& s : plan) {
    CHECK(s.convert.alpha == 1.0);
    CHECK(s.convert.sigma == 0.0);
  }
  test::interpreter run(0.9);
  double v[2] = {0.6, -0.3};
  std::size_t call = 0;
  run.step(plan, [&](double, level const&) { return v[call++]; });
  level const s = grid[0], t = grid[1];
  double const mean = 0.5 * (v[0] + v[1]), eps = s.sigma * 0.9 + s.alpha * mean;
  CHECK(run.x() == doctest::Approx(transfer(0.9, eps, s, t)).epsilon(1e-12));
}

TEST_CASE("pndm: a constant eps is exact whatever the grid, onto sigma = 0 as well") {
  for (int n : {1, 2, 3, 6}) {
    auto levels = test::uniform_lambda(-2.0, 0.7, n);
    levels.push_back(test::clean());
    diffx::timetable const grid(levels);
    auto const end = [&](auto const& solver) {
      test::interpreter run(0.9);
      for (int i = 0; i < n; ++i) {
        run.step(test::plan_of(solver, grid, i), [](double, level const&) { return 0.4; });
      }
      return run.x();
    };
    double const want = (0.9 - grid[0].sigma * 0.4) / grid[0].alpha;
    CHECK(end(pndm<>{}) == doctest::Approx(want).epsilon(1e-12));
    CHECK(end(plms{}) == doctest::Approx(want).epsilon(1e-12));
  }
}

TEST_CASE("pndm: measured order 2, the saturation of equal weights on unequal steps") {
  auto const order = [](auto const& s) {
    return test::measure_order([&](int n) { return test::mixture_error(s, n); });
  };
  CHECK(order(pndm<>{}).has_order(2.0));
  CHECK(order(plms{}).has_order(2.0));
}

TEST_CASE("pndm: N + 9 evaluations, N + 1 without the Runge-Kutta start") {
  auto const count = [](auto const& solver, int n, bool to_zero) {
    auto levels = test::uniform_lambda(-2.0, 1.0, to_zero ? n : n + 1);
    if (to_zero) levels.push_back(test::clean());
    diffx::timetable const grid(levels);
    int calls = 0;
    for (int i = 0; i < n; ++i) calls += static_cast<int>(test::plan_of(solver, grid, i).size());
    return calls;
  };
  for (int n : {4, 10}) {
    CHECK(count(pndm<>{}, n, true) == n + 9);
    CHECK(count(pndm<>{}, n, false) == n + 9);
    CHECK(count(plms{}, n, true) == n + 1);
  }
  CHECK(count(pndm<>{}, 3, false) == 12);
  CHECK(count(pndm<>{}, 3, true) == 9);
  CHECK(count(pndm<>{}, 1, true) == 1);
  CHECK(count(plms{}, 1, true) == 1);
  CHECK(count(plms{}, 1, false) == 2);
}

TEST_CASE("pndm: a fixed stride that equals the grid's own changes nothing; another one does") {
  diffx::process::vp_discrete const process(diffx::schedule::scaled_linear(1000));
  std::vector<level> levels;
  for (int i = 900; i >= 100; i -= 100) levels.push_back(process.at_index(i));
  levels.push_back(process.at_index(0.0));
  diffx::timetable const grid(levels);
  auto const stages = [&](auto const& solver) {
    diffx::plan out;
    using context = diffx::plan_context<diffx::process::vp_discrete>;
    for (int i = 0; i < grid.steps() - 1; ++i) {
      solver.plan(context{process, grid, i, 0, grid.steps() - 1}, out);
    }
    return out.stages();
  };
  auto const same = [&](auto const& a, auto const& b) {
    auto const x = stages(a), y = stages(b);
    bool equal = x.size() == y.size();
    for (std::size_t k = 0; equal && k < x.size(); ++k) {
      for (std::size_t j = 0; j < 3; ++j) {
        equal = equal && std::fabs(x[k].state[j] - y[k].state[j]) < 1e-10 &&
                std::fabs(x[k].history[j] - y[k].history[j]) < 1e-10;
      }
      equal = equal && std::fabs(x[k].output - y[k].output) < 1e-10;
    }
    return equal;
  };
  CHECK(same(pndm<>{}, pndm<>{.stride = 0.1, .half_stride = 0.05}));
  CHECK(same(plms{}, plms{.stride = 0.1, .half_stride = 0.05}));
  CHECK_FALSE(same(plms{}, plms{.stride = 0.09, .half_stride = 0.045}));
}

TEST_CASE("pndm: bad arguments") {
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0)});
  CHECK(test::says(test::message_of([&] { test::plan_of(pndm<>{}, noise, 0); }),
                   "diffx::solver::pndm", "alpha at the start", "0", "above 0"));
  CHECK(test::says(test::message_of([&] { test::plan_of(pndm<>{.stride = -1.0}, rough(), 0); }),
                   "diffx::solver::pndm", "stride, half_stride", "-1", "at least 0"));
}

}  // namespace
