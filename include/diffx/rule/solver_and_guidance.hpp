#pragma once

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

template <class Solver, class Guidance>
struct solver_and_guidance_must_fit {
  static_assert(guidance_fits_solver<Solver, Guidance>,
                "diffx: guidance::cfg_pp re-noises with the unguided prediction, which is defined "
                "for first-order steps only. Use solver::ddim or solver::euler with it, or "
                "guidance::cfg with this solver. The two policies are the arguments of "
                "solver_and_guidance_must_fit<...>.");
};

}  // namespace diffx::rule
