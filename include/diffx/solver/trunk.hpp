#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <string_view>
#include <utility>

namespace diffx::solver {

/// The solver of a trunk, which is held while stems go round (solver::stem): `rounds` - 1
/// evaluations in which it is shown as it is, and then its step.
///
/// Any solver, of numbers or of classes; the trunk's noise is that of the solver alone.
///
/// Source    Mercatali et al. 2024 (Diffusion Twigs), arXiv:2410.24012.
/// Errors    rounds < 1 throws when the run is planned.
template <solver_policy Inner>
struct trunk : Inner {
  static constexpr std::string_view name = "solver::trunk";
  static constexpr std::string_view source = "arXiv:2410.24012";
  int rounds = 1;

  explicit trunk(Inner inner, int times = 1) : Inner(std::move(inner)), rounds(times) {}

  template <class Process, class Plan>
  void plan(plan_context<Process> const& c, Plan& out) const {
    detail::require(rounds >= 1, "diffx::solver::trunk", "rounds", rounds, "at least 1");
    for (int r = 1; r < rounds; ++r) out.evaluate(c.from(), c.from()).holds = true;
    Inner::plan(c, out);
  }
};

}  // namespace diffx::solver
