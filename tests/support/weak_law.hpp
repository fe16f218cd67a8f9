#pragma once

#include <diffx/denoiser/gaussian.hpp>
#include <diffx/timetable.hpp>

#include "impulses.hpp"
#include "levels.hpp"
#include "order.hpp"
#include "plan_interpreter.hpp"
#include <cmath>
#include <cstddef>
#include <vector>

namespace test {

/// The law of the end of a run on Gaussian data, by plans alone: the chain is affine in its start
/// and in every variate, each of which is given an impulse. Any number of draws in a step.
template <class Solver>
gaussian_law law_of_plans(Solver const& solver, diffx::denoiser::gaussian const& data,
                          diffx::timetable const& grid, gaussian_law const& start) {
  using F = diffx::frame;
  auto const m = [&](double x, diffx::level const& at) {
    double const x0 = data.x0(x, at), eps = (x - at.alpha * x0) / at.sigma;
    return Solver::frame == F::x0 ? x0 : Solver::frame == F::eps ? eps : eps - x0;
  };
  std::vector<std::vector<diffx::stage>> plans;
  for (int i = 0; i < grid.steps(); ++i) plans.push_back(plan_of(solver, grid, i));
  // Step i with an impulse of 1 on draw d, from x: the end of that step.
  auto const one = [&](std::size_t i, double x, int d) {
    interpreter run(x);
    run.step(plans[i], m, [&](diffx::noise::key const& k) { return k.draw == d ? 1.0 : 0.0; });
    return run.x();
  };
  gaussian_law law = start;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    double const base = one(i, 0.0, -1), slope = one(i, 1.0, -1) - base;
    law.mean = base + slope * law.mean;
    law.variance *= slope * slope;
    for (int d = 0; d < 3; ++d) {
      double const w = one(i, 0.0, d) - base;
      law.variance += w * w;
    }
  }
  return law;
}

/// Weak convergence on N(0.7, 0.36), N steps uniform in lambda from -2.5 to 2.5: the variance's
/// error. `worst_mean` takes the largest error of the mean.
template <class Solver>
convergence weak_order(Solver const& solver, double& worst_mean) {
  diffx::denoiser::gaussian const data(0.7, 0.6);
  worst_mean = 0.0;
  return measure_order([&](int n) {
    diffx::timetable const grid(uniform_lambda(-2.5, 2.5, n + 1));
    auto const exact = [](diffx::level const& at) {
      return gaussian_law{0.7 * at.alpha, 0.36 * at.alpha * at.alpha + at.sigma * at.sigma};
    };
    auto const law = law_of_plans(solver, data, grid, exact(grid.front()));
    worst_mean = std::max(worst_mean, std::fabs(law.mean - exact(grid.back()).mean));
    return std::fabs(law.variance - exact(grid.back()).variance);
  });
}

}  // namespace test
