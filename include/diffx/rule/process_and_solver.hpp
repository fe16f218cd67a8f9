#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>

namespace diffx::rule {

/// A solver of classes may be for absorbing noise alone (`absorbing = true`) or for any other.
template <class Process, class Solver>
inline constexpr bool solver_suits_limit = true;
template <class Process, class Solver>
requires requires { Solver::absorbing; }
inline constexpr bool solver_suits_limit<Process, Solver> =
    Solver::absorbing == Process::is_absorbing;

template <class Process, class Solver>
inline constexpr bool solver_suits_process = (gaussian_process<Process> && linear_solver<Solver>) ||
                                             (sphere_process<Process> && sphere_solver<Solver>) ||
                                             (matrix_process<Process> &&
                                              categorical_solver<Solver> &&
                                              takes_matrices<Solver>) ||
                                             (binary_process<Process> && takes_bits<Solver>);
template <categorical_process Process, categorical_solver Solver>
inline constexpr bool solver_suits_process<Process, Solver> = solver_suits_limit<Process, Solver>;

/// A solver that looks at more than one position at a time has one law for all.
template <class Solver>
inline constexpr bool draws_positions_alone = !(
    requires { Solver::decodes; } || requires { Solver::remembers_draws; } ||
    requires { typename Solver::corrector_type; });
template <column_process Process, categorical_solver Solver>
inline constexpr bool solver_suits_process<Process, Solver> =
    draws_positions_alone<Solver>&& solver_suits_limit<Process, Solver>;

/// Every column of numbers is planned by itself: nothing may wait for what a whole sample is.
template <gaussian_column_process Process, linear_solver Solver>
inline constexpr bool solver_suits_process<Process, Solver> = true;
template <class Process, class Solver>
inline constexpr bool columns_are_planned =
    !(gaussian_column_process<Process> && (dynamic_solver<Solver> || moves_by_norm<Solver>));

template <class Process, class Solver>
struct process_and_solver_must_fit {
  static_assert(
      columns_are_planned<Process, Solver>,
      "diffx: this solver chooses its steps by the whole sample and one noise level for it "
      "(solver::adaptive_rk, solver::dpm_adaptive, solver::langevin_corrector, solver::s4), and "
      "process::columns gives every column of numbers its own. Use a solver that plans its steps "
      "ahead (solver::heun, solver::ddim, solver::dpmpp_2m, ...), or one process for all columns. "
      "The two policies are the arguments of process_and_solver_must_fit<...>.");
  static_assert(
      solver_suits_process<Process, Solver>,
      "diffx: this solver does not work on the values of this process. Processes with scalar alpha "
      "and sigma (process::vp, process::ve, process::edm, process::rectified_flow, ...) take the "
      "continuous solvers (solver::ddim, solver::dpmpp_2m, ...); processes of classes "
      "(process::absorbing, process::uniform, process::marginal) take the solvers of classes "
      "(solver::ancestral, solver::tweedie, ...), of which solver::remdm needs masks and "
      "solver::gibbs must have none; those of matrices (process::discretised_gaussian, "
      "process::mask_and_replace, process::rate_matrix) take solver::ancestral alone; "
      "process::columns takes solvers that draw every position by itself (solver::ancestral, "
      "solver::tweedie, ...) and no decoder; "
      "process::xor_packed takes solver::ancestral or solver::xor_renoise; "
      "process::sphere_bridge takes solver::geodesic_bridge or solver::geodesic_random_walk. The "
      "two policies are the arguments of process_and_solver_must_fit<...>.");
};

}  // namespace diffx::rule
