#pragma once

#include <diffx/cache/kv.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// dKV-Cache-Decode: LLaDA's decoding, with keys and values of a token kept from the call after the
/// one that committed it. Greedy. A grid of (blocks x steps) calls.
///
/// Source    Ma et al. 2025, arXiv:2505.15781.
inline auto dkv_cache(process::absorbing<> const& process, int block = 32, int steps_of_block = 32,
                      int refresh_calls = 8) {
  solver::decode<decode::probability, decode::evenly> solver;
  solver.commit.steps = steps_of_block;
  solver.propose.temperature = 0.0;
  solver.block = block;
  cache::dkv_decode cache;
  cache.refresh_calls = refresh_calls;
  return sampler{process, solver, guidance::none{}, cache};
}

/// dKV-Cache-Greedy: positions in a random order that is known in advance, so that only what was
/// decoded, what comes next and a window around it are run.
inline auto dkv_cache_greedy(process::absorbing<> const& process, int block = 32,
                             int steps_of_block = 32, int refresh_calls = 2, int window = 4) {
  solver::decode<decode::random_order, decode::evenly> solver;
  solver.commit.steps = steps_of_block;
  solver.propose.temperature = 0.0;
  solver.block = block;
  cache::dkv_greedy cache;
  cache.refresh_calls = refresh_calls;
  cache.window = window;
  return sampler{process, solver, guidance::none{}, cache};
}

}  // namespace diffx::recipe
