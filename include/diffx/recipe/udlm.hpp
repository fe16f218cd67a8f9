#pragma once

#include <diffx/guidance/none.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>

namespace diffx::recipe {

/// UDLM: uniform noise on a log-linear schedule and ancestral steps. A network trained by its bound
/// predicts a cavity (prediction::x0_cavity), one trained by cross-entropy a posterior.
///
///     recipe::udlm<> const s{process::uniform<>(classes)};
///
/// Source    Schiff et al. 2024, arXiv:2412.10193.
template <guidance_policy Guidance = guidance::none>
using udlm = sampler<process::uniform<>, solver::ancestral, Guidance>;

/// The same with Gibbs sweeps of the positions whose classes the network doubts most, one a sweep.
///
///     auto const r = solver::corrected_run::of(evaluations, 1);
///     recipe::udlm_corrected<> const s{process::uniform<>(classes), {{}, {}, 1, r.corrected_steps}};
///     auto const grid = grid::uniform_t(s.process, r.steps);
///
/// Source    arXiv:2605.22765.
template <class Pick = solver::pick::lowest_margin>
using udlm_corrected =
    sampler<process::uniform<>, solver::predictor_corrector<solver::ancestral, solver::gibbs<Pick>>>;

}  // namespace diffx::recipe
