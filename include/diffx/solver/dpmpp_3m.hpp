#pragma once

#include <diffx/solver/dpm_solver_multistep.hpp>

namespace diffx::solver {

/// DPM-Solver++(3M): third order, one evaluation a step. `.third = third_order::undoubled` is the
/// form of the published codes, whose order is 2.
///
/// Source    Lu et al. 2022, arXiv:2211.01095, appendix B.
using dpmpp_3m = dpm_solver_multistep<frame::x0, 3>;

static_assert(solver_policy<dpmpp_3m>);

}  // namespace diffx::solver
