#pragma once

#include <diffx/solver/dpm_solver_multistep.hpp>

namespace diffx::solver {

/// DPM-Solver++(2M): second order, one evaluation a step. `.second = second_order::midpoint` is the
/// form that most codes run; the exact integral of the linear fit is the default.
///
/// Source    Lu et al. 2022, arXiv:2211.01095, Algorithm 2.
using dpmpp_2m = dpm_solver_multistep<frame::x0, 2>;

static_assert(solver_policy<dpmpp_2m>);

}  // namespace diffx::solver
