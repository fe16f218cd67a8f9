#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace test {

/// Scores a row by the sum of its elements.
inline void sum_of_row(diffx::batch_view<double const> b, std::span<double> scores) {
  for (std::int64_t i = 0; i < b.batch; ++i) {
    double sum = 0.0;
    for (std::int64_t f = 0; f < b.features; ++f) sum += b.row(i)[f];
    scores[static_cast<std::size_t>(i)] = sum;
  }
}

}  // namespace test
