#pragma once

#include <diffx/guidance/none.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>

namespace diffx::recipe {

/// UDLM: ancestral sampling of text under uniform noise, log-linear. A network trained by the bound
/// predicts a cavity (prediction::x0_cavity), one trained by cross-entropy a posterior.
///
/// Source    Schiff et al. 2024, arXiv:2412.10193.
template <class Guidance = guidance::none>
auto udlm(process::uniform<> const& process, Guidance const& guidance = {}) {
  return sampler{process, solver::ancestral{}, guidance};
}

/// The same with Gibbs sweeps: after each of the first steps, `sweeps` times, the `picks` positions
/// are drawn anew whose classes the network doubts most. `budget` evaluations take a grid of
/// solver::corrected_run::of(budget, sweeps).steps steps.
///
/// Source    arXiv:2605.22765.
template <class Pick = solver::pick::lowest_margin>
auto udlm_corrected(process::uniform<> const& process, int budget, int sweeps = 1, int picks = 1) {
  int const corrected = solver::corrected_run::of(budget, sweeps).corrected_steps;
  return sampler{process, solver::predictor_corrector{
                              solver::ancestral{}, solver::gibbs<Pick>{picks}, sweeps, corrected}};
}

}  // namespace diffx::recipe
