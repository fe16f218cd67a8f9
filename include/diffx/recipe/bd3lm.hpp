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

/// BD3-LM: block after block of a network that sees its own and earlier blocks only, first hitting
/// inside a block, keys and values of finished blocks kept exactly. `block` is the network's. The
/// class that crosses top_p is dropped, as the paper's code has it.
///
/// Source    Arriola et al. 2025, arXiv:2503.09573.
inline auto bd3lm(process::absorbing<> const& process, int block, double top_p = 1.0,
                  int end_of_text = -1) {
  solver::decode<decode::random_order, decode::per_call> solver;
  solver.propose.top_p = top_p;
  solver.propose.keeps_crossing = false;
  solver.block = block;
  solver.align = decode::align::from_zero;
  solver.end_of_text = end_of_text;
  return sampler{process, solver, guidance::none{}, cache::kv_blocks{}};
}

}  // namespace diffx::recipe
