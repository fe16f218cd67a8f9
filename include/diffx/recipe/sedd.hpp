#pragma once

#include <diffx/sampler.hpp>
#include <diffx/solver/tweedie.hpp>

namespace diffx::recipe {

/// SEDD: analytic steps of a network of concrete scores (prediction::concrete_score), under
/// absorbing or uniform noise; the paper's are process::absorbing with schedule::log_linear and
/// process::uniform with schedule::geometric_noise. Scores say nothing at alpha = 0: the schedule
/// must stop above it.
///
/// Source    Lou et al. 2024, arXiv:2310.16834.
template <class Process>
auto sedd(Process const& process) {
  return sampler{process, solver::tweedie{}};
}

}  // namespace diffx::recipe
