#pragma once

#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

namespace diffx::recipe {

/// EDLM: ancestral steps of masked text whose network is a denoiser::energy_resampled: whole texts
/// are proposed, and one is chosen by its energy, such as a denoiser::residual_energy.
///
/// Source    Xu et al. 2024, arXiv:2410.21357.
inline auto edlm(process::absorbing<> const& process) {
  return sampler{process, solver::ancestral{}};
}

}  // namespace diffx::recipe
