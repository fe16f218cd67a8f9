#pragma once

#include <diffx/solver/dpm_solver_multistep.hpp>

namespace diffx::solver {

/// SDE-DPM-Solver++(2M): the reverse SDE with a linear fit of x0. `.convention =
/// eta_convention::linear` reads eta as k-diffusion does.
///
/// Source    Lu et al. 2022, arXiv:2211.01095, section 6.
using dpmpp_2m_sde = dpm_solver_multistep<frame::x0, 2, true>;

static_assert(solver_policy<dpmpp_2m_sde>);

}  // namespace diffx::solver
