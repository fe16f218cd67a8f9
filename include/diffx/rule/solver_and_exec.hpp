#pragma once

#include <diffx/concepts/solver.hpp>

namespace diffx::rule {

/// True for an execution object whose calls are recorded and run later: no number can be read back.
template <class Exec>
inline constexpr bool exec_records = false;
template <class Exec>
requires requires { Exec::records; }
inline constexpr bool exec_records<Exec> = Exec::records;

template <class Solver, class Exec>
inline constexpr bool loop_can_be_recorded = !exec_records<Exec> || !drives_run<Solver>;

template <class Solver, class Exec>
struct solver_and_exec_must_fit {
  static_assert(loop_can_be_recorded<Solver, Exec>,
                "diffx: this solver chooses its steps by numbers that it reads back from the "
                "state, and a loop that is recorded (exec::cuda_graph) has none yet. Record a "
                "solver of fixed steps (solver::dpmpp_2m, solver::heun), or run this one with "
                "exec::cuda. The two are the arguments of solver_and_exec_must_fit<...>.");
};

}  // namespace diffx::rule
