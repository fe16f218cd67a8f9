#pragma once

#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/ddpm.hpp>

namespace diffx::recipe {

/// GSDM: structured problems, of which a part is observed, on one chain of steps: numbers and
/// one-hot classes (domain::structure::variables) get Gaussian noise, betas from 1e-4 to 5e-3, and
/// are sampled with the large variance. The network predicts x0 and is shown what is observed clean
/// (denoiser::clamp_clean, denoiser::eigen::structured).
///
///     auto const s = recipe::gsdm();
///     auto const g = grid::timesteps(s.process, grid::index::strided(1000, 100));
///
/// At its noisiest the chain keeps 28 % of the signal (alpha_bar = 0.078), and yet a run starts
/// from pure noise: where nothing is observed, the first steps see a state that training has not.
///
/// Source    Weilbach, Harvey & Wood 2022, arXiv:2210.11633.
inline auto gsdm(schedule::alpha_bar_table const& table = schedule::linear(1000, 1e-4, 5e-3)) {
  return sampler{process::vp_discrete(table), solver::ddpm_large{}};
}

/// The same chain with DDIM's steps, which few of them are enough for.
///
/// Errors    eta outside [0, 1] throws when a run is planned.
inline auto gsdm_ddim(double eta = 0.0,
                      schedule::alpha_bar_table const& table = schedule::linear(1000, 1e-4, 5e-3)) {
  return sampler{process::vp_discrete(table), solver::ddim{.eta = eta}};
}

}  // namespace diffx::recipe
