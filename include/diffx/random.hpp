#pragma once

#include <diffx/config.hpp>

#include <cstdint>

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

/// The bijection of the counter under the key. Ten rounds by default; seven are Crush-resistant.
template <int Rounds = 10>
DIFFX_HD constexpr words4 philox4x32(words4 counter, philox_key key) noexcept {
  std::uint32_t c0 = counter.word[0], c1 = counter.word[1];
  std::uint32_t c2 = counter.word[2], c3 = counter.word[3];
  std::uint32_t k0 = key.word[0], k1 = key.word[1];
  for (int round = 0; round < Rounds; ++round) {
    std::uint64_t const p0 = std::uint64_t{0xD2511F53u} * c0;
    std::uint64_t const p1 = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

#if defined(__AVX512DQ__) && defined(__GNUC__) && !defined(__CUDACC__)
#define DIFFX_WIDE_PHILOX 1
/// The same bijection of 16 counters, one array per word, as eight at a time with a word in the
/// lower half of each lane: a product needs no shuffle and no round goes through memory. That many
/// counters would else wait for each other's rounds; of 64 the loops below are faster.
[[gnu::always_inline]] inline void philox4x32_wide(std::uint32_t (&c0)[16], std::uint32_t (&c1)[16],
                                                   std::uint32_t (&c2)[16], std::uint32_t (&c3)[16],
                                                   philox_key key) noexcept {
  using wide = std::uint64_t __attribute__((vector_size(64)));
  using narrow = std::uint32_t __attribute__((vector_size(32)));
  constexpr std::uint64_t low = 0xFFFFFFFFu;  // upper halves may hold anything
  std::uint32_t* const words[4] = {c0, c1, c2, c3};
  wide w[4][2];
  for (int k = 0; k < 4; ++k) {
    for (int half = 0; half < 2; ++half) {
      narrow x;
      __builtin_memcpy(&x, words[k] + 8 * half, sizeof x);
      w[k][half] = __builtin_convertvector(x, wide);
    }
  }
  for (int round = 0; round < 10; ++round) {
    for (int half = 0; half < 2; ++half) {
      wide const p0 = (w[0][half] & low) * 0xD2511F53u, p1 = (w[2][half] & low) * 0xCD9E8D57u;
      w[0][half] = (p1 >> 32) ^ w[1][half] ^ key.word[0];
      w[1][half] = p1;
      w[2][half] = (p0 >> 32) ^ w[3][half] ^ key.word[1];
      w[3][half] = p0;
    }
    key.word[0] += 0x9E3779B9u;
    key.word[1] += 0xBB67AE85u;
  }
  for (int k = 0; k < 4; ++k) {
    for (int half = 0; half < 2; ++half) {
      narrow const x = __builtin_convertvector(w[k][half], narrow);
      __builtin_memcpy(words[k] + 8 * half, &x, sizeof x);
    }
  }
}
#endif

/// The same bijection of `Lanes` counters, one array per word.
template <int Lanes, int Rounds = 10>
[[gnu::always_inline]] inline void philox4x32_lanes(std::uint32_t (&c0)[Lanes],
                                                    std::uint32_t (&c1)[Lanes],
                                                    std::uint32_t (&c2)[Lanes],
                                                    std::uint32_t (&c3)[Lanes],
                                                    philox_key key) noexcept {
#if defined(DIFFX_WIDE_PHILOX)
  if constexpr (Lanes == 16 && Rounds == 10) return philox4x32_wide(c0, c1, c2, c3, key);
#endif
  // Each round is a short loop of its own: folded into one expression, the ten rounds hide their
  // 32 x 32 bit products from the vectorisers of g++ and clang.
  if constexpr (Rounds > 0) {
    for (int i = 0; i < Lanes; ++i) {
      std::uint64_t const p0 = std::uint64_t{0xD2511F53u} * c0[i];
      std::uint64_t const p1 = std::uint64_t{0xCD9E8D57u} * c2[i];
      c0[i] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[i] ^ key.word[0];
      c1[i] = static_cast<std::uint32_t>(p1);
      c2[i] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[i] ^ key.word[1];
      c3[i] = static_cast<std::uint32_t>(p0);
    }
    philox4x32_lanes<Lanes, Rounds - 1>(c0, c1, c2, c3,
                                        {{key.word[0] + 0x9E3779B9u, key.word[1] + 0xBB67AE85u}});
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
    T const u = diffx::detail::fma(static_cast<T>(x), T(0x1p-32), T(0x1p-33));
    return u < T(0x1.fffffep-1) ? u : T(0x1.fffffep-1);
  } else {
    return diffx::detail::fma(static_cast<T>(x), T(0x1p-32), T(0x1p-33));
  }
}

namespace detail {

using diffx::detail::fma;

// Elementary functions as polynomials and exact integer work: no libm call, so that the bits do
// not depend on the standard library. Every body is straight-line code without a call that stays
// one, so that loops over it vectorise; recursions stand where a loop would hide the constants.

template <class T>
struct bits;
template <>
struct bits<float> {
  using word = std::uint32_t;
  using exponent = std::int32_t;
  static constexpr int mantissa = 23, newton = 2;
  static constexpr word rsqrt_magic = 0x5F375A86u, half_root = 0x3F3504F3u;
};
template <>
struct bits<double> {
  using word = std::uint64_t;
  using exponent = std::int64_t;
  static constexpr int mantissa = 52, newton = 3;
  static constexpr word rsqrt_magic = 0x5FE6EB50C7B537A9u, half_root = 0x3FE6A09E667F3BCDu;
};

template <class T>
DIFFX_HD inline constexpr typename bits<T>::word to_word(T x) noexcept {
  return __builtin_bit_cast(typename bits<T>::word, x);
}
template <class T>
DIFFX_HD inline constexpr T from_word(typename bits<T>::word w) noexcept {
  return __builtin_bit_cast(T, w);
}

/// Table::at(First) + x (Table::at(First + 1) + x (...)), in fused steps.
template <class Table, int First = 0, class T>
[[gnu::always_inline]] DIFFX_HD inline T horner(T x) noexcept {
  constexpr T here = T(Table::at(First));
  if constexpr (First + 1 == Table::size) {
    return here;
  } else {
    return fma(horner<Table, First + 1>(x), x, here);
  }
}

DIFFX_HD constexpr double inverse_factorial(int n) noexcept {
  double f = 1.0;
  for (int k = 2; k <= n; ++k) f *= k;
  return 1.0 / f;
}

// Tables in powers of the square of the argument. double: Taylor. float: interpolated at Chebyshev
// nodes of the range, relative error 3e-9, 2e-8 and 3e-10.

/// -4 atanh(s) / s, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1).
template <class T>
struct log_table {
  static constexpr int size = 11;
  DIFFX_HD static constexpr double at(int k) noexcept { return -4.0 / (2 * k + 1); }
};
template <>
struct log_table<float> {
  static constexpr int size = 4;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return k == 0 ? -4.0 : k == 1 ? -1.333333702 : k == 2 ? -0.7997751543 : -0.5916197187;
  }
};

/// sin(a) / a, |a| <= pi / 4.
template <class T>
struct sine_table {
  static constexpr int size = 8;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return (k % 2 == 0 ? 1.0 : -1.0) * inverse_factorial(2 * k + 1);
  }
};
template <>
struct sine_table<float> {
  static constexpr int size = 4;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return k == 0 ? 1.0 : k == 1 ? -0.1666666466 : k == 2 ? 0.008332748271 : -0.0001958789088;
  }
};

/// cos(a), |a| <= pi / 4.
template <class T>
struct cosine_table {
  static constexpr int size = 9;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return (k % 2 == 0 ? 1.0 : -1.0) * inverse_factorial(2 * k);
  }
};
template <>
struct cosine_table<float> {
  static constexpr int size = 5;
  DIFFX_HD static constexpr double at(int k) noexcept {
    return k == 0   ? 1.0
           : k == 1 ? -0.4999999997
           : k == 2 ? 0.04166665064
           : k == 3 ? -0.001388758915
                    : 2.446378821e-05;
  }
};

/// The exponent field of a word, as a number. double goes by way of the bits of 2^52 + e + 1024:
/// exact too, and vectorised on targets that cannot convert or shift wide signed integers.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T exponent_of(typename bits<T>::word w) noexcept {
  if constexpr (sizeof(T) == sizeof(float)) {
    return static_cast<T>(static_cast<std::int32_t>(w) >> bits<T>::mantissa);
  } else {
    constexpr auto unit = T(0x1p52);
    return from_word<T>(to_word(unit) | ((w + to_word(T(2))) >> bits<T>::mantissa)) -
           (unit + T(1024));
  }
}

/// -2 ln u for u = (x + 1/2) / 2^32, to full relative precision at both ends: u = 2^e m, with m
/// within a factor sqrt(2) of 1, and ln m = 2 atanh((m - 1) / (m + 1)).
template <class T>
[[gnu::always_inline]] DIFFX_HD inline T minus_two_log(std::uint32_t x) noexcept {
  using B = bits<T>;
  using W = typename B::word;
  constexpr W mantissa_mask = (W{1} << B::mantissa) - 1;
  // As a signed word, x gives u in the lower half and u - 1 in the upper: near 1 no digit is lost.
  T const f = fma(static_cast<T>(static_cast<std::int32_t>(x)), T(0x1p-32), T(0x1p-33));
  T const u = f + from_word<T>((W{0} - static_cast<W>(x >> 31)) & to_word(T(1)));
  // Subtracting the bits of sqrt(1/2) rounds the exponent to nearest.
  W const shifted = to_word(u) - B::half_root;
  T const e = exponent_of<T>(shifted);
  T const m = from_word<T>((shifted & mantissa_mask) + B::half_root);  // in [sqrt(1/2), sqrt(2))
  W const far = W{0} - (shifted >> (sizeof(T) * 8 - 1));  // all ones where u < sqrt(1/2)
  T const d = from_word<T>(to_word(f) ^ ((to_word(f) ^ to_word(m - T(1))) & far));
  T const s = d / (d + T(2));
  return fma(e, T(-2 * 0.693147180559945309417), s * horner<log_table<T>>(s * s));
}

/// Steps of Newton's iteration towards x^(-1/2).
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

/// Box-Muller: two words make two independent standard normals, |z| <= 6.77.
///
/// The angle is a quarter turn around 0 in 2^30 parts; bit 30 of `b` reflects it at the diagonal
/// and bit 31 at the origin, which makes the full turn.
template <class T>
[[gnu::always_inline]] DIFFX_HD inline void box_muller(std::uint32_t a, std::uint32_t b, T& z0,
                                                       T& z1) noexcept {
  using W = typename bits<T>::word;
  constexpr int wider = sizeof(T) * 8 - 32;
  T const radius = detail::sqrt(minus_two_log<T>(a));
  T const angle = fma(static_cast<T>(static_cast<std::int32_t>(b << 2)),
                      T(0x1p-32 * 1.57079632679489661923), T(0x1p-31 * 1.57079632679489661923));
  T const angle2 = angle * angle;
  W const s = to_word(angle * horner<sine_table<T>>(angle2));
  W const c = to_word(horner<cosine_table<T>>(angle2));
  W const swapped = (s ^ c) & (W{0} - static_cast<W>(b >> 30 & 1u));
  T const signed_radius = from_word<T>(to_word(radius) ^ static_cast<W>(b & 0x80000000u) << wider);
  z0 = signed_radius * from_word<T>(c ^ swapped);
  z1 = signed_radius * from_word<T>(s ^ swapped);
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
