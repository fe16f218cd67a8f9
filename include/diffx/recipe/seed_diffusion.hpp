#pragma once

#include <diffx/cache/kv.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// Seed Diffusion, as far as it is published: blocks in parallel with keys and values of what is
/// before, and committed tokens that give way to surer ones while their block is decoded. Which
/// tokens are committed is not published; a threshold stands for it.
///
/// Source    Song et al. 2025, arXiv:2508.02193.
inline auto seed_diffusion(process::absorbing<> const& process, int block = 32, double tau = 0.9,
                           double edit_above = 0.9) {
  solver::decode<decode::probability, decode::threshold> solver;
  solver.commit.tau = tau;
  solver.propose.temperature = 0.0;
  solver.block = block;
  solver.edit_above = edit_above;
  return sampler{process, solver, guidance::none{}, cache::kv_prefix{}};
}

}  // namespace diffx::recipe
