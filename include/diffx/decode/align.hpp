#pragma once

namespace diffx::decode {

/// Where the grid of blocks begins.
enum class align {
  after_prompt,  // at the first position that is masked at the start
  from_zero,     // at position 0: the first block may hold the end of the prompt
};

}  // namespace diffx::decode
