#pragma once

#include <cmath>

namespace diffx::schedule {

/// The exponent that training left as any real number: log(1 + e^raw) + offset, above `offset`.
///
/// Source    Shi et al. 2024 (TabDiff), arXiv:2410.20626: one for every column, of offset 5 for
///           rho of sigma_power and 1 for the power of bounded_mask_power.
/// Errors    none.
inline double learned_exponent(double raw, double offset) noexcept {
  return std::fmax(raw, 0.0) + std::log1p(std::exp(-std::fabs(raw))) + offset;
}

}  // namespace diffx::schedule
