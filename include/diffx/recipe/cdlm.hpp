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

/// CDLM: a network of blocks, trained to commit many tokens a call, decoded with a threshold and
/// exact keys and values. `block` is the network's. Greedy; ends with end_of_text.
///
/// Source    Kim et al. 2025, arXiv:2511.19269.
inline auto cdlm(process::absorbing<> const& process, int block, double tau = 0.9,
                 int end_of_text = -1) {
  solver::decode<decode::probability, decode::threshold> solver;
  solver.commit.tau = tau;
  solver.propose.temperature = 0.0;
  solver.block = block;
  solver.align = decode::align::from_zero;
  solver.end_of_text = end_of_text;
  return sampler{process, solver, guidance::none{}, cache::kv_blocks{}};
}

}  // namespace diffx::recipe
