#pragma once

#include <diffx/solver/dpm_solver_multistep.hpp>

namespace diffx::solver {

/// SDE-DPM-Solver++(3M): the reverse SDE with a quadratic fit of x0. k-diffusion's form is
/// `.convention = eta_convention::linear, .third = third_order::undoubled`.
///
/// Source    Lu et al. 2022, arXiv:2211.01095, section 6.
using dpmpp_3m_sde = dpm_solver_multistep<frame::x0, 3, true>;

static_assert(solver_policy<dpmpp_3m_sde>);

}  // namespace diffx::solver
