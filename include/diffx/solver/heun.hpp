#pragma once

#include <diffx/concepts/solver.hpp>

namespace diffx::solver {

/// Heun's second-order step for the probability-flow ODE, in y = x / alpha over s = sigma / alpha.
///
///     d    = eps(y, s)                     evaluation 0
///     y^   = y + (s' - s) d
///     d'   = eps(y^, s')                   evaluation 1
///     y'   = y + (s' - s) (d + d') / 2  =  (y + y^) / 2 + (s' - s) d' / 2
///
/// The last form needs no stored derivative: two states are read instead. A step onto sigma = 0 is
/// the Euler step alone and returns the x0 prediction, so N steps that end at 0 cost 2N - 1
/// evaluations.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Algorithm 1.
/// Shapes    x: [batch, features]; one more state of that shape.
/// Errors    none.
struct heun {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::heun";
  static constexpr std::string_view source = "arXiv:2206.00364, Algorithm 1";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 2;
  static constexpr int max_evals = 2;
  static constexpr int history = 0;
  static constexpr int states = 2;
  static constexpr int noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const from = c.from(), to = c.to();
    double const h = to.edm_sigma() - from.edm_sigma();
    stage& euler = out.evaluate(from, to);
    euler.state[0] = to.alpha / from.alpha;
    euler.output = to.alpha * h;
    if (to.sigma == 0.0) return;
    euler.retains = true;
    stage& mean = out.evaluate(to, to);
    mean.state[0] = 0.5;
    mean.state[1] = 0.5 * to.alpha / from.alpha;
    mean.output = 0.5 * to.alpha * h;
  }
};

static_assert(solver_policy<heun>);

}  // namespace diffx::solver
