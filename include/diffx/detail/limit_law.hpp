#pragma once

#include <diffx/config.hpp>

#include <cstdint>

namespace diffx::detail {

/// 52 bits of a block's words, strictly inside (0, 1).
DIFFX_HD inline double unit_uniform(std::uint32_t high, std::uint32_t low) noexcept {
  std::uint64_t const bits = (std::uint64_t{high} << 32 | low) >> 12;
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

/// The law pi that a process of classes forgets its data into; small enough to go by value.
struct limit_law {
  int classes = 0;                     // logits of a position
  int mask = -1;                       // absorbing: pi is this class
  double const* cumulative = nullptr;  // [classes] running sums of pi, the last 1; null: uniform

  DIFFX_HD double probability(int k) const noexcept {
    if (mask >= 0) return k == mask ? 1.0 : 0.0;
    if (cumulative == nullptr) return 1.0 / classes;
    return k == 0 ? cumulative[0] : cumulative[k] - cumulative[k - 1];
  }

  /// The inverse of the distribution function at u in (0, 1).
  DIFFX_HD int draw(double u) const noexcept {
    if (mask >= 0) return mask;
    if (cumulative == nullptr) return static_cast<int>(u * classes);
    if (classes <= 16) {  // no branch, which would be mispredicted
      int below = 0;
      for (int k = 0; k + 1 < classes; ++k) below += cumulative[k] > u ? 0 : 1;
      return below;
    }
    int low = 0, high = classes - 1;
    while (low < high) {
      int const middle = low + (high - low) / 2;
      if (cumulative[middle] > u) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  /// The same given that it is not `now`, which must not be all of the law.
  DIFFX_HD int draw_other(double u, int now) const noexcept {
    if (mask >= 0) return mask;
    if (cumulative == nullptr) {
      int const k = static_cast<int>(u * (classes - 1));
      return k < now ? k : k + 1;
    }
    double const below = now == 0 ? 0.0 : cumulative[now - 1], through = cumulative[now];
    double const at = u * (below + (1.0 - through));
    if (at < below) return draw(at);
    // Rounding neither steps back onto `now` nor past the last class.
    if (through >= 1.0) return draw(below * (1.0 - 0x1p-53));
    double const past = through + (at - below);
    return draw(past < 1.0 ? past : 1.0 - 0x1p-53);
  }
};

}  // namespace diffx::detail
