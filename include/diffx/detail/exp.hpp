#pragma once

#include <diffx/config.hpp>
#include <diffx/random.hpp>

#include <cstdint>

namespace diffx::detail {

/// 1 / k!: on |r| <= ln(2) / 2 the first term left out is 5e-9 in float and 4e-18 in double.
template <class T>
struct exp_table {
  static constexpr int size = sizeof(T) == 4 ? 8 : 14;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return random::detail::inverse_factorial(k);
  }
};

template <class T>
inline constexpr T exp_limit = T(83.17);  // 2^-120 and 2^120 are normal numbers

/// e^x for x within +-exp_limit, and anything beyond.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T exp_within(T x) noexcept {
  using B = random::detail::bits<T>;
  using W = typename B::word;
  // ln 2 in two parts; the first has so few digits that n times it is exact.
  constexpr T ln2_high = sizeof(T) == 4 ? T(0.693359375) : T(0.693145751953125);
  constexpr T ln2_low = sizeof(T) == 4 ? T(-2.12194440e-4) : T(1.42860682030941723212e-6);
  constexpr T shifter = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);
  T const shifted = fma(x, T(1.44269504088896340736), shifter);  // its last digits are n
  T const n = shifted - shifter;
  T const r = fma(-n, ln2_low, fma(-n, ln2_high, x));
  W const bits = random::detail::to_word(shifted) - random::detail::to_word(shifter);
  W const power = (bits + static_cast<W>(sizeof(T) == 4 ? 127 : 1023)) << B::mantissa;
  return random::detail::horner<exp_table<T>>(r) * random::detail::from_word<T>(power);
}

/// e^x without libm, for x in [-83, 83]; beyond, the value at the end. Within 2e-7 of the value in
/// float and 1e-15 in double. No branch and no conversion, so that loops over it vectorise.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T exp(T x) noexcept {
  constexpr T limit = exp_limit<T>;
  T const low = x < -limit ? -limit : x;
  return exp_within(low > limit ? limit : low);
}

/// e^x of a weight in a sum, for x <= 0: within 2e-7 (1 + |x|) of the value in float, exactly 0
/// below -83 and for -inf, NaN for NaN. Fewer operations than exp(): x / ln 2 is rounded once, and
/// the polynomial of 2^f, |f| <= 1/2, is the minimax one of degree 5 (9.2e-8) that is 1 at 0.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T exp_weight(T x) noexcept {
  T e;
  if constexpr (sizeof(T) == 4) {
    constexpr float shifter = 0x1.8p23f;
    float const y = x * 1.44269504088896340736f;
    float const shifted = y + shifter;  // its last digits are n
    float const f = y - (shifted - shifter);
    float const p5 = fma(f, 0.00132647272f, 0.00967151269f);
    float const p3 = fma(f, fma(f, p5, 0.0555073374f), 0.240222421f);
    float const p = fma(f, fma(f, p3, 0.693146978f), 1.0f);
    using B = random::detail::bits<float>;
    auto const power = (random::detail::to_word(shifted) + 127u) << B::mantissa;
    e = p * random::detail::from_word<float>(power);  // NaN goes through
  } else {
    e = exp_within(x);
  }
  // Of constants, so that no compiler makes it a branch around the rest.
  using W = typename random::detail::bits<T>::word;
  W const kept = x < -exp_limit<T> ? W(0) : ~W(0);
  return random::detail::from_word<T>(random::detail::to_word(e) & kept);
}

}  // namespace diffx::detail
