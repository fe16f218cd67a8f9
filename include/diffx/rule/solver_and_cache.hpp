#pragma once

namespace diffx::rule {

/// A skipped evaluation is well defined only where a step has one.
template <class Solver, class Cache>
inline constexpr bool replay_keeps_order = Cache::depth == 0 || Solver::max_evals == 1;

/// Keys and values are cached for a solver that knows which positions are still to be decoded.
template <class Solver, class Cache>
inline constexpr bool solver_serves_kv = true;
template <class Solver, class Cache>
requires requires { Cache::keeps_kv; }
inline constexpr bool solver_serves_kv<Solver, Cache> = requires { Solver::decodes; };

/// A solver that looks at its own error or norms would measure the cache instead.
template <class Solver, class Cache>
struct solver_and_cache_must_fit {
  static_assert(replay_keeps_order<Solver, Cache>,
                "diffx: on a replayed step every evaluation returns the same prediction, so this "
                "multi-evaluation solver degrades to an Euler step. Use a one-evaluation solver "
                "(solver::ddim, solver::dpmpp_2m) with this cache, or cache::none with this "
                "solver. The two policies are the arguments of solver_and_cache_must_fit<...>.");
  static_assert(solver_serves_kv<Solver, Cache>,
                "diffx: a cache of keys and values asks which positions are still to be decoded, "
                "which this solver does not know. Use solver::decode with it, or cache::none with "
                "this solver. The two policies are the arguments of "
                "solver_and_cache_must_fit<...>.");
};

}  // namespace diffx::rule
