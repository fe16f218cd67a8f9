#pragma once

#include <diffx/concepts/process.hpp>

namespace diffx::rule {

template <class Process>
inline constexpr bool has_scalar_levels = gaussian_process<Process>;

template <class Process, class Solver>
struct process_and_solver_must_fit {
  static_assert(has_scalar_levels<Process>,
                "diffx: this solver works on processes with scalar alpha and sigma (process::vp, "
                "process::ve, process::edm, process::rectified_flow, ...). Use one of them, or a "
                "solver made for this process. The two policies are the arguments of "
                "process_and_solver_must_fit<...>.");
};

}  // namespace diffx::rule
