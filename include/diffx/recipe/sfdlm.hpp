#pragma once

#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

namespace diffx::recipe {

/// SFDLM: text whose tokens were replaced by random ones. Its network is trained by cross-entropy,
/// so it predicts an x0 posterior and is drawn by the mixture; a start::noised run edits a text,
/// options.fixed keeps a part of it.
///
/// Source    Kiruluta et al. 2025, arXiv:2503.17382.
inline auto sfdlm(process::uniform<> const& process) {
  return sampler{process, solver::ancestral{}};
}

}  // namespace diffx::recipe
