#pragma once

#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

namespace diffx::recipe {

/// LLaDA: in blocks, the tokens whose probability is largest, in equal shares over the calls of a
/// block. Greedy. A grid of (blocks x steps) calls. The paper's guidance of strength w towards the
/// prompt is guidance::cfg{w + 1} with a denoiser::drops_prompt.
///
/// Source    Nie et al. 2025, arXiv:2502.09992.
template <class Guidance = guidance::none>
auto llada(process::absorbing<> const& process, int block = 32, int steps_of_block = 32,
           Guidance const& guidance = {}) {
  solver::decode<decode::probability, decode::evenly> solver;
  solver.commit.steps = steps_of_block;
  solver.propose.temperature = 0.0;
  solver.block = block;
  return sampler{process, solver, guidance};
}

}  // namespace diffx::recipe
