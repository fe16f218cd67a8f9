#pragma once

#include <diffx/cache/kv.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// Fast-dLLM: every token of the block with a probability of at least tau, and keys and values of
/// what is before the block (cache::kv_prefix) or around it (cache::kv_dual) kept while it is
/// decoded. Greedy. A grid of as many calls as there are masks bounds the run.
///
/// Source    Wu et al. 2025, arXiv:2505.22618.
template <class Cache = cache::kv_prefix>
auto fast_dllm(process::absorbing<> const& process, int block = 32, double tau = 0.9,
               Cache const& cache = {}) {
  solver::decode<decode::probability, decode::threshold> solver;
  solver.commit.tau = tau;
  solver.propose.temperature = 0.0;
  solver.block = block;
  return sampler{process, solver, guidance::none{}, cache};
}

}  // namespace diffx::recipe
