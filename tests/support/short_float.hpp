#pragma once

#include <bit>
#include <cstdint>

namespace test {

/// The upper half of a float, rounded to nearest even: a number of 16 bits on every compiler.
struct short_float {
  std::uint16_t bits = 0;

  short_float() = default;
  explicit short_float(float v) noexcept {
    auto const w = std::bit_cast<std::uint32_t>(v);
    bits = static_cast<std::uint16_t>((w + 0x7FFFu + ((w >> 16) & 1u)) >> 16);
  }
  explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  bool operator==(short_float const&) const = default;
};

inline float rounded(float v) { return static_cast<float>(short_float(v)); }

}  // namespace test
