#pragma once

#include <diffx/cache/unchanged.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

namespace diffx::recipe {

/// MDLM: ancestral sampling of masked text, log-linear, with no call for a step that changes
/// nothing. Steps: a grid::uniform_t of 1000 in the paper. The network must be time_free.
///
/// Source    Sahoo et al. 2024, arXiv:2406.07524.
inline auto mdlm(process::absorbing<> const& process) {
  return sampler{process, solver::ancestral{}, guidance::none{}, cache::unchanged{}};
}

}  // namespace diffx::recipe
