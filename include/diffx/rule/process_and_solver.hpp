#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>

namespace diffx::rule {

template <class Process, class Solver>
inline constexpr bool solver_suits_process = (gaussian_process<Process> && linear_solver<Solver>) ||
                                             (categorical_process<Process> &&
                                              categorical_solver<Solver>) ||
                                             (matrix_process<Process> &&
                                              categorical_solver<Solver> && takes_matrices<Solver>);

template <class Process, class Solver>
struct process_and_solver_must_fit {
  static_assert(
      solver_suits_process<Process, Solver>,
      "diffx: this solver does not work on the values of this process. Processes with "
      "scalar alpha and sigma (process::vp, process::ve, process::edm, "
      "process::rectified_flow, ...) take the continuous solvers (solver::ddim, "
      "solver::dpmpp_2m, ...); processes of classes (process::absorbing, "
      "process::uniform, process::marginal) take the solvers of classes (solver::ancestral, "
      "solver::tweedie, ...), and those of matrices (process::discretised_gaussian, "
      "process::mask_and_replace, process::rate_matrix) solver::ancestral alone. The two "
      "policies are the arguments of process_and_solver_must_fit<...>.");
};

}  // namespace diffx::rule
