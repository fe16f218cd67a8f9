#pragma once

#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// Dream: the surest tokens of the whole text, as many in each call as the log-linear schedule
/// says; sure by probability, margin or entropy of the shaped distribution. `order_temperature`
/// draws the positions instead. Filters in the order top_p, top_k. The network is a
/// denoiser::shifted; the grid a grid::uniform_t from 1 to 0 (the reference ends at 1e-3 and
/// commits the rest in its last call).
///
/// Source    Ye et al. 2025, arXiv:2508.15487.
template <class Confidence = decode::neg_entropy>
auto dream(process::absorbing<> const& process, decode::proposal propose = {},
           double order_temperature = 0.0) {
  solver::decode<Confidence, decode::transfer> solver;
  propose.top_p_first = true;
  solver.propose = propose;
  solver.as_shaped = true;
  solver.order_temperature = order_temperature;
  return sampler{process, solver};
}

}  // namespace diffx::recipe
