#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <string_view>

namespace diffx::solver {

/// Sampling of a flow map: a network that is told where the step goes (`query.to`) and returns the
/// mean velocity of the way there.
///
///     x_to = x + (sigma_to - sigma_from) u                  alpha = 1 - sigma
///     x_to = ((alpha_to + sigma_to) x + (sigma_to alpha_from - alpha_to sigma_from) u)
///            / (alpha_from + sigma_from)                    any path, u = eps - x0
///
/// N steps cost N evaluations; with a perfect flow map any number of steps, 1 included, is exact.
/// With a network that ignores `query.to` this is the Euler step.
///
/// Source    Geng et al. 2025, arXiv:2505.13447 (mean velocity); Kim et al. 2023,
///           arXiv:2310.02279 (consistency trajectories).
/// Shapes    x, u: [batch, features]; no history.
struct flow_map {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::flow_map";
  static constexpr std::string_view source = "arXiv:2505.13447";
  static constexpr diffx::frame frame = diffx::frame::flow;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    double const sum = from.alpha + from.sigma;
    stage& s = out.evaluate(from, to);
    s.state[0] = (to.alpha + to.sigma) / sum;
    s.output = (to.sigma * from.alpha - to.alpha * from.sigma) / sum;
  }
};

static_assert(solver_policy<flow_map>);

}  // namespace diffx::solver
