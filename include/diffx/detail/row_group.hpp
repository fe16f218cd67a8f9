#pragma once

#include <cstdint>

namespace diffx::detail {

/// Positions of one law whose rows of logits are as far from each other.
struct row_group {
  static constexpr int most = 16;

  std::int64_t first, step;              // indices of the positions
  std::int64_t first_logit, logit_step;  // where their rows begin
  int count;

  static int of(std::int64_t left) noexcept { return left < most ? static_cast<int>(left) : most; }
};

}  // namespace diffx::detail
