// solver::s4: the splitting in closed form, its order on Gaussian data, its corrections.

#include <diffx/process/ve.hpp>
#include <diffx/solver/s4.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include "support/plan_interpreter.hpp"
#include "support/weak_law.hpp"
#include <cmath>
#include <doctest/doctest.h>

namespace {

using namespace diffx;
using solver::s4;

TEST_CASE("s4: on a linear score the splitting in closed form, both paths") {
  // Halves of the reverse SDE without its score, and S = -k x between them.
  auto const check = [](auto const& process, timetable const& grid, double k) {
    for (int i = 0; i < grid.steps(); ++i) {
      level const s = grid[i], e = grid[i + 1], m = process.at(0.5 * (s.t + e.t));
      plan out;
      s4{.snr = 0.0}.plan(plan_context<std::remove_cvref_t<decltype(process)>>{process, grid, i, 0,
                                                                               grid.steps() - 1},
                          out);
      auto const end = [&](double x, double z) {
        test::interpreter run(x);
        run.step(
            out.stages(), [&](double now, level const& at) { return at.sigma * k * now; },
            [&](auto const&) { return z; });
        return run.x();
      };
      // Exponents of half a step, from the logs of alpha; variances of the halves.
      double const a1 = std::exp(std::log(m.alpha) - std::log(s.alpha));
      double const a2 = std::exp(std::log(e.alpha) - std::log(m.alpha));
      double const v1 = a1 * a1 * s.sigma * s.sigma - m.sigma * m.sigma;
      double const v2 = a2 * a2 * m.sigma * m.sigma - e.sigma * e.sigma;
      double const kick = v1 + v2 / (a2 * a2);
      CHECK(end(1.0, 0.0) == doctest::Approx(a2 * (a1 - kick * k)).epsilon(1e-12));
      bool const last = i + 1 == grid.steps();
      CHECK(end(0.0, 1.0) ==
            doctest::Approx(std::sqrt(a2 * a2 * v1 + (last ? 0.0 : v2))).epsilon(1e-12));
    }
  };
  check(test::vp_process{}, timetable(test::uniform_lambda(-2.0, 1.5, 5)), 0.8);
  process::ve const ve;
  timetable const grid({ve.at(1.0), ve.at(0.6), ve.at(0.5), ve.at(0.1)});
  check(ve, grid, 0.01);
}

TEST_CASE("s4: weak order 1 on Gaussian data") {
  double mean = 0.0;
  CHECK(std::fabs(test::weak_order(s4{.snr = 0.0, .noisy_end = true}, mean).fitted - 1.0) < 0.15);
}

TEST_CASE("s4: a correction of the level is an affine step with the score of the prediction") {
  timetable const grid(test::uniform_lambda(-1.0, 1.0, 4));
  double const snr = 0.3, eps = -0.7;
  level const s = grid[1], e = grid[2];
  double const c = 2.0 * std::pow(s.alpha / e.alpha * snr * s.sigma, 2);
  auto const from = [&](s4 const& solver, double x) {
    test::interpreter run(x);
    run.step(
        test::plan_of(solver, grid, 1), [&](double, level const&) { return eps; },
        [&](noise::key const& k) { return k.draw == 16 ? 1.5 : 0.2; });
    return run.x();
  };
  double const moved = 0.4 - c * eps / s.sigma + std::sqrt(2.0 * c) * 1.5;
  CHECK(from({.snr = snr, .norms = langevin_norms::level}, 0.4) ==
        doctest::Approx(from({.snr = 0.0}, moved)).epsilon(1e-12));
}

TEST_CASE("s4: bad arguments") {
  timetable const grid(test::uniform_lambda(-1.0, 1.0, 4));
  CHECK(test::says(test::message_of([&] { test::plan_of(s4{.snr = -0.1}, grid, 0); }),
                   "diffx::solver::s4", "snr", "-0.1", "at least 0"));
  timetable const up({test::vp(1.0), test::vp(0.0)});
  CHECK(test::message_of([&] { test::plan_of(s4{}, up, 0); }).find("from data to noise") !=
        std::string::npos);
}

}  // namespace
