#pragma once

#include <cstdint>

#include <diffx/config.hpp>

/// Counter-based random numbers: the same on every backend, compiler and thread count.
///
/// Source    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32).
/// Errors    none: every function is pure. Philox is not a cryptographic generator.
///
/// Bits      Words are integers and equal everywhere. Normals use no library function, only +, -,
///           *, / and detail::fma in one fixed order. Builds that agree on whether the target has a
///           fused multiply-add give equal bits whatever the compiler, its optimisation level, the
///           vector width, the number of threads or the place of an element in its vector.
///           A build with the instruction and one without differ by float rounding, about 1e-6.
///           Flags that let the compiler change arithmetic (-ffast-math) void this.
namespace diffx::random {

/// Four 32-bit words: a counter, or the block of random words that belongs to it.
struct words4 {
  std::uint32_t word[4];
};

struct philox_key {
  std::uint32_t word[2];
};

namespace detail {

using diffx::detail::fma;

/// A recursion, not a loop: compilers unroll it before they look for vectors.
template <int Rounds>
[[gnu::always_inline]] DIFFX_HD inline constexpr words4 philox_rounds(words4 c,
                                                                      philox_key k) noexcept {
  if constexpr (Rounds == 0) {
    return c;
  } else {
    std::uint64_t const p0 = std::uint64_t{0xD2511F53u} * c.word[0];
    std::uint64_t const p1 = std::uint64_t{0xCD9E8D57u} * c.word[2];
    words4 const next = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.word[1] ^ k.word[0],
                          static_cast<std::uint32_t>(p1),
                          static_cast<std::uint32_t>(p0 >> 32) ^ c.word[3] ^ k.word[1],
                          static_cast<std::uint32_t>(p0)}};
    return philox_rounds<Rounds - 1>(next,
                                     {{k.word[0] + 0x9E3779B9u, k.word[1] + 0xBB67AE85u}});
  }
}

}  // namespace detail

/// The bijection of the counter under the key. Ten rounds by default; seven are Crush-resistant.
template <int Rounds = 10>
DIFFX_HD constexpr words4 philox4x32(words4 counter, philox_key key) noexcept {
  static_assert(Rounds >= 1);
  return detail::philox_rounds<Rounds>(counter, key);
}

/// The same bijection of `Lanes` counters, one array per word.
template <int Lanes, int Rounds = 10>
inline void philox4x32_lanes(std::uint32_t (&c0)[Lanes], std::uint32_t (&c1)[Lanes],
                             std::uint32_t (&c2)[Lanes], std::uint32_t (&c3)[Lanes],
                             philox_key key) noexcept {
  static_assert(Rounds >= 1);
  for (int i = 0; i < Lanes; ++i) {
    words4 const w = detail::philox_rounds<Rounds>({{c0[i], c1[i], c2[i], c3[i]}}, key);
    c0[i] = w.word[0];
    c1[i] = w.word[1];
    c2[i] = w.word[2];
    c3[i] = w.word[3];
  }
}

DIFFX_HD constexpr philox_key key_from_seed(std::uint64_t seed) noexcept {
  return {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
}

/// A seed for an independent stream, from a parent seed and a label.
DIFFX_HD constexpr std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t label) noexcept {
  words4 const w = philox4x32({{static_cast<std::uint32_t>(label),
                                static_cast<std::uint32_t>(label >> 32), 0xF04B0000u, 0u}},
                              key_from_seed(seed));
  return std::uint64_t{w.word[0]} | std::uint64_t{w.word[1]} << 32;
}

/// A word as a number strictly inside (0, 1): (x + 1/2) / 2^32. In float the 128 largest words
/// would round up to 1 and are held just below it.
template <class T>
DIFFX_HD inline T uniform(std::uint32_t x) noexcept {
  if constexpr (sizeof(T) == sizeof(float)) {
    T const u = detail::fma(static_cast<T>(x), T(0x1p-32), T(0x1p-33));
    return u < T(0x1.fffffep-1) ? u : T(0x1.fffffep-1);
  } else {
    return detail::fma(static_cast<T>(x), T(0x1p-32), T(0x1p-33));
  }
}

namespace detail {

// Elementary functions as polynomials and exact integer work: no libm call, so that the bits do
// not depend on the standard library. Every body is straight-line code without a call that stays
// one, so that loops over it vectorise; recursions stand where a loop would hide the constants.

template <class T>
struct bits;
template <>
struct bits<float> {
  using word = std::uint32_t;
  using exponent = std::int32_t;
  static constexpr int mantissa = 23, log_terms = 4, newton = 3;
  static constexpr word rsqrt_magic = 0x5F375A86u, half_root = 0x3F3504F3u;
};
template <>
struct bits<double> {
  using word = std::uint64_t;
  using exponent = std::int64_t;
  static constexpr int mantissa = 52, log_terms = 10, newton = 4;
  static constexpr word rsqrt_magic = 0x5FE6EB50C7B537A9u, half_root = 0x3FE6A09E667F3BCDu;
};

template <class T>
DIFFX_HD inline typename bits<T>::word to_word(T x) noexcept {
  return __builtin_bit_cast(typename bits<T>::word, x);
}
template <class T>
DIFFX_HD inline T from_word(typename bits<T>::word w) noexcept {
  return __builtin_bit_cast(T, w);
}

/// coefficient[First] + x (coefficient[First + 1] + x (...)), in fused steps.
template <class Table, int First = 0, class T>
[[gnu::always_inline]] DIFFX_HD inline T horner(T x) noexcept {
  if constexpr (First + 1 == Table::size) {
    return T(Table::at(First));
  } else {
    constexpr T here = T(Table::at(First));
    return fma(horner<Table, First + 1>(x), x, here);
  }
}

/// 2 atanh(s) / s in powers of s^2.
template <int Terms>
struct log_table {
  static constexpr int size = Terms + 1;
  DIFFX_HD static constexpr double at(int k) noexcept { return 2.0 / (2 * k + 1); }
};

/// sin(a) / a and cos(a) in powers of a^2, |a| <= pi / 4: Taylor for double, Cephes' for float.
DIFFX_HD constexpr double inverse_factorial(int n) noexcept {
  double f = 1.0;
  for (int k = 2; k <= n; ++k) f *= k;
  return 1.0 / f;
}
template <class T>
struct sine_table {
  static constexpr int size = 8;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return (k % 2 == 0 ? 1.0 : -1.0) * inverse_factorial(2 * k + 1);
  }
};
template <class T>
struct cosine_table {
  static constexpr int size = 9;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return (k % 2 == 0 ? 1.0 : -1.0) * inverse_factorial(2 * k);
  }
};
template <>
struct sine_table<float> {
  static constexpr int size = 4;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return k == 0 ? 1.0 : k == 1 ? -1.6666654611e-1 : k == 2 ? 8.3321608736e-3 : -1.9515295891e-4;
  }
};
template <>
struct cosine_table<float> {
  static constexpr int size = 5;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return k == 0   ? 1.0
           : k == 1 ? -0.5
           : k == 2 ? 4.166664568298827e-2
           : k == 3 ? -1.388731625493765e-3
                    : 2.443315711809948e-5;
  }
};

/// ln u for a normal u in (0, 2): u = 2^e m, ln m = 2 atanh((m - 1) / (m + 1)), with m within a
/// factor sqrt(2) of 1.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T log(T u) noexcept {
  using B = bits<T>;
  using W = typename B::word;
  constexpr W mantissa_mask = (W{1} << B::mantissa) - 1;
  // Subtracting the bits of sqrt(1/2) before the shift rounds the exponent to nearest. The
  // exponent becomes a number by way of the bits of 2^mantissa + e + bias: exact, and vectorised
  // on targets that cannot convert or shift wide signed integers.
  constexpr W bias = sizeof(T) == 4 ? 128 : 1024;
  W const shifted = to_word(u) - B::half_root;
  W const biased = (shifted + (bias << B::mantissa)) >> B::mantissa;
  constexpr T unit = T(sizeof(T) == 4 ? 0x1p23 : 0x1p52);
  T const e = from_word<T>(__builtin_bit_cast(W, unit) | biased) - (unit + T(bias));
  T const m = from_word<T>((shifted & mantissa_mask) + B::half_root);  // in [sqrt(1/2), sqrt(2))
  T const s = (m - T(1)) / (m + T(1));
  T const s2 = s * s;
  return fma(e, T(0.693147180559945309417), s * horner<log_table<B::log_terms>>(s2));
}

/// One of Newton's steps towards x^(-1/2), Steps times.
template <int Steps, class T>
[[gnu::always_inline]] DIFFX_HD inline T rsqrt_steps(T half_x, T y) noexcept {
  if constexpr (Steps == 0) {
    return y;
  } else {
    return rsqrt_steps<Steps - 1>(half_x, y * fma(-half_x * y, y, T(1.5)));
  }
}

/// sqrt by Newton's iteration, so that loops over it vectorise whatever errno demands.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T sqrt(T x) noexcept {
  using B = bits<T>;
  T const y = rsqrt_steps<B::newton>(T(0.5) * x, from_word<T>(B::rsqrt_magic - (to_word(x) >> 1)));
  T const root = x * y;
  return fma(T(0.5) * y, fma(-root, root, x), root);
}

/// sin and cos of a full turn cut into 2^32 parts, at the middle of part x.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline void sin_cos_turn(std::uint32_t x, T& sine,
                                                         T& cosine) noexcept {
  using W = typename bits<T>::word;
  std::uint32_t const quadrant = (x + 0x20000000u) >> 30;
  auto const offset = static_cast<std::int32_t>(x << 2);  // in 2^-32 of a quadrant
  T const a = fma(static_cast<T>(offset), T(0x1p-32 * 1.57079632679489661923),
                  T(0x1p-31 * 1.57079632679489661923));
  T const a2 = a * a;
  W const s = to_word(a * horner<sine_table<T>>(a2));
  W const c = to_word(horner<cosine_table<T>>(a2));
  // Odd quadrants swap the two; signs are bits. Masks instead of branches.
  W const odd = W{0} - static_cast<W>(quadrant & 1u);
  W const changed = (s ^ c) & odd;
  constexpr int top = sizeof(T) * 8 - 1;
  sine = from_word<T>(s ^ changed ^ (static_cast<W>(quadrant >> 1) << top));
  cosine = from_word<T>(c ^ changed ^ (static_cast<W>((quadrant + 1u) >> 1) << top));
}

/// Box-Muller: two words make two independent standard normals, |z| <= 6.77.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline void box_muller(std::uint32_t a, std::uint32_t b, T& z0,
                                                       T& z1) noexcept {
  T const radius = detail::sqrt(T(-2) * detail::log(uniform<T>(a)));
  T s, c;
  sin_cos_turn(b, s, c);
  z0 = radius * c;
  z1 = radius * s;
}

}  // namespace detail

/// Four standard normals from one block of words.
///
/// The largest value is sqrt(-2 ln 2^-33) = 6.764. float and double see the same words and agree
/// to float rounding, so a run in double repeats a run in float.
template <class T>
DIFFX_HD inline void normals(words4 w, T (&z)[4]) noexcept {
  detail::box_muller(w.word[0], w.word[1], z[0], z[1]);
  detail::box_muller(w.word[2], w.word[3], z[2], z[3]);
}

}  // namespace diffx::random
