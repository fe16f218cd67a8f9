#pragma once

#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/flip_table.hpp>
#include <diffx/solver/xor_renoise.hpp>

namespace diffx::recipe {

/// Binary Diffusion as published: quadratic flips from 1 / bits to 1 / 2 over T = 1000 times, all
/// bits set by their likelier value and flipped again. Steps: grid::timesteps(process,
/// grid::index::strided(1000, n)). The network's logits come through denoiser::bit_logits.
///
/// The published sampler is biased; with solver::ancestral in its place, a table from 1e-3 and
/// enough steps the same network gives the law that it was trained on.
///
/// Source    Kinakh & Voloshynovskiy 2024, arXiv:2409.13882.
/// Errors    bits < 2: throws diffx::error.
inline auto binary_diffusion(int bits) {
  detail::require(bits >= 2, "diffx::recipe::binary_diffusion", "bits", bits, "at least 2");
  return sampler{process::xor_bernoulli(schedule::flip_quadratic(1000, 1.0 / bits)),
                 solver::xor_renoise{}};
}

}  // namespace diffx::recipe
