#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/solver.hpp>

namespace diffx::rule {

template <class Guidance>
inline constexpr bool renoises_unguided = false;
template <class Guidance>
requires requires { Guidance::renoises_unguided; }
inline constexpr bool renoises_unguided<Guidance> = Guidance::renoises_unguided;

/// CFG++ puts back the unguided noise: that is an equivalent guidance scale for Euler steps only.
template <class Solver, class Guidance>
inline constexpr bool guidance_fits_solver =
    !renoises_unguided<Guidance> || (Solver::order == 1 && Solver::max_evals == 1);

/// A continuous solver is left to the rule about its process.
template <class Solver, class Guidance>
inline constexpr bool solver_has_kernels =
    kernels_of<Guidance> == 0 || linear_solver<Solver> || gives_kernels<Solver>;

template <class Solver, class Guidance>
struct solver_and_guidance_must_fit {
  static_assert(guidance_fits_solver<Solver, Guidance>,
                "diffx: guidance::cfg_pp re-noises with the unguided prediction, which is defined "
                "for first-order steps only. Use solver::ddim or solver::euler with it, or "
                "guidance::cfg with this solver. The two policies are the arguments of "
                "solver_and_guidance_must_fit<...>.");
  static_assert(solver_has_kernels<Solver, Guidance>,
                "diffx: guidance::d_cfg and guidance::d_cbg act on the reverse kernel of every "
                "position, which this solver does not give (member gives_kernels). Use "
                "solver::ancestral, or guidance::cfg, which mixes logits. The two policies are the "
                "arguments of solver_and_guidance_must_fit<...>.");
};

}  // namespace diffx::rule
