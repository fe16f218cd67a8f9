#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>

#include <cmath>
#include <cstdint>
#include <numbers>

/// Functions of one number that the networks share, on the host and on a device; no Eigen.
namespace diffx::denoiser::eigen {

/// x / (1 + exp(-x)). Eigen's exp gives other bits for what lies before and after its aligned
/// packets, so a value would depend on where its buffer begins; this one gives the same everywhere.
DIFFX_HD inline float silu(float x) noexcept { return x / (1.0f + diffx::detail::exp(-x)); }

/// Sinusoidal features of process time: angles 1000 t f_k, f_k = exp(-ln(10000) k / 31), k < 32;
/// the sines, then the cosines.
inline constexpr int time_features = 64;
inline void embed_time(double t, float* out) {
  constexpr int half = time_features / 2;
  for (int k = 0; k < half; ++k) {
    double const angle = 1000.0 * t * std::exp(-std::log(10000.0) * k / (half - 1));
    out[k] = static_cast<float>(std::sin(angle));
    out[k + half] = static_cast<float>(std::cos(angle));
  }
}

/// Time of the path alpha = cos(pi t / 2), sigma = sin(pi t / 2) that `unet` was trained on.
inline double unet_time(double lambda) noexcept {
  return std::atan(std::exp(-lambda)) * 2.0 / std::numbers::pi;
}

/// Where pixel p of an image of 28 x 28 lies inside `unet`: pixel (2 y + dy, 2 x + dx) is channel
/// 2 dy + dx of pixel (y, x).
DIFFX_HD constexpr std::int64_t unet_place(std::int64_t p) noexcept {
  std::int64_t const row = p / 28, col = p % 28;
  return (row / 2 * 14 + col / 2) * 4 + row % 2 * 2 + col % 2;
}

}  // namespace diffx::denoiser::eigen
