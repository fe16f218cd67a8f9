#pragma once

#include <diffx/cache/kv.hpp>
#include <diffx/decode/align.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// E2D2: block after block of a network with an encoder for finished blocks and a decoder for the
/// current one; a call predicts the whole block and masks its least sure positions again. Greedy.
/// `block` is the network's; tau above 1 is off.
///
/// Source    Arriola et al. 2025, arXiv:2510.22852.
inline auto e2d2(process::absorbing<> const& process, int block, int steps_of_block,
                 double tau = 2.0, int end_of_text = -1) {
  solver::decode<decode::probability, decode::predict_then_noise> solver;
  solver.commit.steps = steps_of_block;
  solver.commit.tau = tau;
  solver.propose.temperature = 0.0;
  solver.block = block;
  solver.align = decode::align::from_zero;
  solver.end_of_text = end_of_text;
  return sampler{process, solver, guidance::none{}, cache::kv_blocks{}};
}

}  // namespace diffx::recipe
