#include <diffx/solver/ipndm.hpp>
#include <diffx/solver/lms.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/order.hpp"
#include "support/plan_interpreter.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::lms;
using diffx::solver::lms_start;

diffx::timetable rough() {
  return diffx::timetable({test::vp(-2.0), test::vp(-1.7), test::vp(-0.9), test::vp(-0.5),
                           test::vp(0.3), test::clean()});
}

/// int of the j-th Lagrange basis polynomial through the last k sigmas, by Simpson's rule.
double integral(diffx::timetable const& grid, int i, int k, int j) {
  auto const rho = [&](int at) { return grid[at].sigma / grid[at].alpha; };
  double const a = rho(i), b = rho(i + 1);
  constexpr int n = 400;
  double sum = 0.0;
  for (int p = 0; p <= n; ++p) {
    double const u = a + (b - a) * p / n;
    double basis = 1.0;
    for (int m = 0; m < k; ++m) {
      if (m != j) basis *= (u - rho(i - m)) / (rho(i - j) - rho(i - m));
    }
    sum += (p == 0 || p == n ? 1.0 : p % 2 == 1 ? 4.0 : 2.0) * basis;
  }
  return sum * (b - a) / (3.0 * n);
}

TEST_CASE("lms: the integrals of the Lagrange basis in sigma, by quadrature") {
  auto const grid = rough();
  for (int i = 0; i < grid.steps(); ++i) {
    auto const s = test::plan_of(lms<4>{}, grid, i).at(0);
    int const k = i < 3 ? i + 1 : 4;
    double const a = grid[i + 1].alpha;
    CHECK(s.state[0] == doctest::Approx(a / grid[i].alpha).epsilon(1e-13));
    CHECK(s.output == doctest::Approx(a * integral(grid, i, k, 0)).epsilon(1e-9));
    for (int j = 1; j < k; ++j) {
      CHECK(s.history[static_cast<std::size_t>(j - 1)] ==
            doctest::Approx(a * integral(grid, i, k, j)).epsilon(1e-9));
    }
    for (std::size_t j = static_cast<std::size_t>(k); j < 4; ++j) CHECK(s.history[j - 1] == 0.0);
  }
}

TEST_CASE("lms: outputs that are polynomials of degree 3 in sigma are integrated to rounding") {
  auto const grid = rough();
  auto const rho = [&](int i) { return grid[i].sigma / grid[i].alpha; };
  auto const eps = [](double r) { return 0.4 - 0.3 * r + 0.05 * r * r - 0.01 * r * r * r; };
  auto const primitive = [](double r) {
    return 0.4 * r - 0.15 * r * r + 0.05 / 3.0 * r * r * r - 0.0025 * r * r * r * r;
  };
  for (int i = 3; i < 5; ++i) {
    auto const s = test::plan_of(lms<4>{}, grid, i).at(0);
    double got = s.output * eps(rho(i));
    for (int j = 1; j < 4; ++j) got += s.history[static_cast<std::size_t>(j - 1)] * eps(rho(i - j));
    double const want = grid[i + 1].alpha * (primitive(rho(i + 1)) - primitive(rho(i)));
    CHECK(got == doctest::Approx(want).epsilon(1e-12));
  }
}

TEST_CASE("lms: with equal steps in sigma the weights are Adams-Bashforth's") {
  std::vector<level> levels;
  for (int k = 6; k >= 1; --k) levels.push_back(level::edm(0.5 * k, 0.5 * k));
  for (auto& l : levels) l.t = l.sigma;
  diffx::timetable const grid(levels);
  auto const s = test::plan_of(lms<4>{}, grid, 4).at(0);
  CHECK(s.output == doctest::Approx(-0.5 * 55.0 / 24.0).epsilon(1e-12));
  CHECK(s.history[0] == doctest::Approx(0.5 * 59.0 / 24.0).epsilon(1e-12));
  CHECK(s.history[1] == doctest::Approx(-0.5 * 37.0 / 24.0).epsilon(1e-12));
  CHECK(s.history[2] == doctest::Approx(0.5 * 9.0 / 24.0).epsilon(1e-12));
}

TEST_CASE("lms: a run that starts later, exact and as published") {
  auto const grid = rough();
  auto const exact = test::plan_of(lms<4>{}, grid, 3, 2).at(0);
  auto const two = test::plan_of(lms<2>{}, grid, 3).at(0);
  CHECK(exact.output == two.output);
  CHECK(exact.history == two.history);
  auto const full = test::plan_of(lms<4>{}, grid, 3).at(0);
  auto const published = test::plan_of(lms<4>{lms_start::as_published}, grid, 3, 2).at(0);
  CHECK(published.output == full.output);
  CHECK(published.history[0] == full.history[0]);
  CHECK(published.history[1] == 0.0);
  // From the timetable's own start there is no difference.
  auto const whole = test::plan_of(lms<4>{lms_start::as_published}, grid, 3).at(0);
  CHECK(whole.history == full.history);
}

TEST_CASE("lms: measured orders on a mixture, from exact history") {
  auto const order = [](auto const& s, int exact) {
    return test::measure_order([&](int n) { return test::mixture_error(s, n, exact); });
  };
  CHECK(order(lms<1>{}, 0).has_order(1.0));
  CHECK(order(lms<2>{}, 0).has_order(2.0));
  CHECK(order(lms<3>{}, 2).has_order(3.0));
  CHECK(order(lms<4>{}, 3).has_order(4.0));
}

TEST_CASE("lms: bad arguments") {
  diffx::timetable const noise({test::pure_noise(), test::vp(0.0)});
  CHECK(test::says(test::message_of([&] { test::plan_of(lms<4>{}, noise, 0); }),
                   "diffx::solver::lms", "alpha at the start", "0", "above 0"));
}

}  // namespace
