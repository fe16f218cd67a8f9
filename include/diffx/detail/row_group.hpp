#pragma once

#include <cstdint>

namespace diffx::detail {

/// Positions of one law whose rows of logits are as far from each other.
struct row_group {
  static constexpr int most = 16;          // positions
  static constexpr int most_classes = 64;  // of rows that are read together

  std::int64_t first, step;              // indices of the positions
  std::int64_t first_logit, logit_step;  // where their rows begin
  int count;

  static int of(std::int64_t left) noexcept { return left < most ? static_cast<int>(left) : most; }
};

/// Where the positions of a group are; those past the last repeat it.
struct group_places {
  std::int64_t index[row_group::most], sample[row_group::most], position[row_group::most];

  group_places(row_group const& rows, std::int64_t positions) noexcept {
    std::int64_t at = rows.first, s = at / positions, p = at - s * positions;
    for (int i = 0; i < row_group::most; ++i) {
      index[i] = at;
      sample[i] = s;
      position[i] = p;
      if (i + 1 >= rows.count) continue;
      at += rows.step;
      for (p += rows.step; p >= positions; p -= positions) ++s;
    }
  }
};

}  // namespace diffx::detail
