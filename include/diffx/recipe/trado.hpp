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

/// TraDo: block after block with exact keys and values; the surest tokens in equal shares over the
/// calls of a block (`dynamic` false), or all that are surer than tau where these are more. Drawn
/// at temperature 1; confidence is that of the shaped distribution. `block` is the network's.
///
/// Source    Wang et al. 2025, arXiv:2509.06949.
inline auto trado(process::absorbing<> const& process, int block = 4, int steps_of_block = 4,
                  bool dynamic = true, double tau = 0.9, decode::proposal const& propose = {}) {
  solver::decode<decode::probability, decode::dynamic> solver;
  solver.commit.steps = steps_of_block;
  solver.commit.tau = dynamic ? tau : 1.0;  // no probability is above 1
  solver.propose = propose;
  solver.as_shaped = true;
  solver.block = block;
  solver.align = decode::align::from_zero;
  return sampler{process, solver, guidance::none{}, cache::kv_blocks{}};
}

}  // namespace diffx::recipe
