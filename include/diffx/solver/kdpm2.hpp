#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// KDPM2 (DPM2): the midpoint rule for the probability-flow ODE in y = x / alpha over
/// s = sigma / alpha, with the middle at the geometric mean of the two levels.
///
///     s_m  = sqrt(s s_to),   y_m = y + (s_m - s) eps(y, s),   y_to = y + (s_to - s) eps(y_m, s_m)
///
/// The same as DPM-Solver-2S with r = 1/2, up to rounding; the state is kept here, not the output.
///
/// N steps cost 2N evaluations, one less with a last step onto sigma = 0, which returns the x0
/// prediction.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, section 3, as k-diffusion has it (sample_dpm_2).
/// Shapes    x, eps: [batch, features]; one more state of that shape.
/// Errors    alpha = 0 or sigma = 0 at the start of a step throws when the run is planned.
struct kdpm2 {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::kdpm2";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 2;
  static constexpr int max_evals = 2;
  static constexpr int history = 0;
  static constexpr int states = 2;
  static constexpr int noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    detail::require(from.alpha > 0.0 && from.sigma > 0.0, "diffx::solver::kdpm2",
                    "lambda at the start", from.lambda, "finite");
    if (to.sigma == 0.0) {
      stage& s = out.evaluate(from, to);
      s.state[0] = to.alpha / from.alpha;
      s.output = -s.state[0] * from.sigma;
      return;
    }
    level const middle = c.process.at_lambda(0.5 * (from.lambda + to.lambda));
    stage& first = out.evaluate(from, middle);
    first.retains = true;
    first.state[0] = middle.alpha / from.alpha;
    first.output = middle.sigma - first.state[0] * from.sigma;
    stage& second = out.evaluate(middle, to);
    second.state[1] = to.alpha / from.alpha;
    second.output = to.sigma - second.state[1] * from.sigma;
  }
};

static_assert(solver_policy<kdpm2>);

}  // namespace diffx::solver
