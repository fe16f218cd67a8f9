#pragma once

#include <array>

namespace diffx::detail {

/// Adams-Bashforth weights for equal steps, newest output first; those beyond the order are 0.
///
/// Source    Bashforth & Adams 1883; as used by Liu et al. 2022, arXiv:2202.09778, Equation 12.
inline constexpr std::array<double, 4> adams_bashforth(int order) noexcept {
  switch (order) {
    case 1:
      return {1.0, 0.0, 0.0, 0.0};
    case 2:
      return {3.0 / 2.0, -1.0 / 2.0, 0.0, 0.0};
    case 3:
      return {23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0, 0.0};
    default:
      return {55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0};
  }
}

}  // namespace diffx::detail
