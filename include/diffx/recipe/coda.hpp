#pragma once

#include <diffx/decode/proposal.hpp>
#include <diffx/recipe/dream.hpp>

namespace diffx::recipe {

/// CoDA: Dream's decoding by entropy, greedy, its positions drawn at temperature 0.1; 128 calls for
/// 256 tokens.
///
/// Source    Chen et al. 2025, arXiv:2510.03270.
inline auto coda(process::absorbing<> const& process) {
  decode::proposal propose;
  propose.temperature = 0.0;
  return dream<decode::neg_entropy>(process, propose, 0.1);
}

}  // namespace diffx::recipe
