#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <string_view>

namespace diffx::solver {

/// Euler's step for the probability-flow ODE, in y = x / alpha over s = sigma / alpha.
///
///     y_to = y + (s_to - s) eps,   that is   x_to = alpha_to x0 + (sigma_to / sigma) (x - alpha
///     x0)
///
/// The second form holds on every path and needs no alpha above 0: it is DDIM with eta = 0,
/// DPM-Solver of order 1 and, on the straight path, Euler in flow time.
///
/// N steps cost N evaluations. A step onto sigma = 0 returns the x0 prediction.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Algorithm 1 without its correction.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    a start at sigma = 0 (an inversion from clean data) throws when the run is planned;
///           solver::ddim_inverse and solver::flow_euler start there.
struct euler {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::euler";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    detail::require(from.sigma > 0.0, "diffx::solver::euler", "sigma at the start", from.sigma,
                    "above 0");
    stage& s = out.evaluate(from, to);
    s.state[0] = to.sigma / from.sigma;
    s.output = to.alpha - s.state[0] * from.alpha;
  }
};

static_assert(solver_policy<euler>);

}  // namespace diffx::solver
