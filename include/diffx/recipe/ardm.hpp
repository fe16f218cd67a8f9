#pragma once

#include <diffx/decode/confidence.hpp>
#include <diffx/decode/planned.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// ARDM: positions in a random order, as many in each call as a policy of calls says. The grid is
/// that policy's: grid::ardm(process, policy), of grid::ardm_naive or grid::ardm_dp.
///
/// Source    Hoogeboom et al. 2022, arXiv:2110.02037.
inline auto ardm(process::absorbing<> const& process) {
  return sampler{process, solver::decode<decode::random_order, decode::planned>{}};
}

}  // namespace diffx::recipe
