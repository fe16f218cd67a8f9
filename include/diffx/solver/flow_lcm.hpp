#pragma once

#include <diffx/concepts/solver.hpp>

#include <string_view>

namespace diffx::solver {

/// Sampling of a flow-matching consistency model: the x0 prediction is noised again to the next
/// level, all of it.
///
///     x_to = alpha_to x0 + sigma_to xi
///
/// N steps cost N evaluations. A step onto sigma = 0 returns x0. The same step is the stochastic
/// sampling option of flow-matching Euler, and it serves any process.
///
/// Source    Song et al. 2023, arXiv:2303.01469, Algorithm 1, on the straight path of Liu et al.
///           2022, arXiv:2209.03003.
/// Shapes    x, x0: [batch, features]; no history.
struct flow_lcm {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::flow_lcm";
  static constexpr std::string_view source = "arXiv:2303.01469";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    stage& s = out.evaluate(from, to);
    s.output = to.alpha;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, to.sigma};
  }
};

static_assert(solver_policy<flow_lcm>);

}  // namespace diffx::solver
