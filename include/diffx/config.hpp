#pragma once

#include <diffx/version.hpp>

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error "diffx needs C++20 (g++ 12, clang 14 or nvcc 12 and later): compile with -std=c++20."
#endif

/// Marks what runs on the host and on the device; empty for a host compiler.
#if defined(__CUDACC__)
#define DIFFX_HD __host__ __device__
#else
#define DIFFX_HD
#endif

/// Lets the compiler vectorise a loop whose pointers may be equal, but never overlap otherwise.
#if defined(__CUDA_ARCH__)
#define DIFFX_INDEPENDENT
#elif defined(__clang__)
#define DIFFX_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define DIFFX_INDEPENDENT _Pragma("GCC ivdep")
#else
#define DIFFX_INDEPENDENT
#endif

/// Before a loop of few turns over arrays that a kernel keeps in registers: all turns are written
/// out.
#if defined(__CUDA_ARCH__)
#define DIFFX_UNROLLED _Pragma("unroll")
#else
#define DIFFX_UNROLLED
#endif

#if defined(__cpp_exceptions) || defined(__CUDACC__) || defined(_CPPUNWIND)
#define DIFFX_HAS_EXCEPTIONS 1
#else
#define DIFFX_HAS_EXCEPTIONS 0
#endif

/// On a lambda that a loop calls once per element: out of line it would cost more than its work.
#if defined(__CUDA_ARCH__) || !(defined(__GNUC__) || defined(__clang__))
#define DIFFX_INLINE_LAMBDA
#else
#define DIFFX_INLINE_LAMBDA __attribute__((always_inline))
#endif

namespace diffx::detail {

/// a * b + c, rounded once where the target has the instruction. One expression for every
/// backend, so that vector bodies, scalar tails and other backends of one build give equal bits.
template <class T>
DIFFX_HD inline T fma(T a, T b, T c) noexcept {
#if defined(__CUDA_ARCH__)
  return ::fma(a, b, c);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  if constexpr (sizeof(T) == sizeof(double)) {
    return __builtin_fma(a, b, c);
  } else {
    return __builtin_fmaf(a, b, c);
  }
#else
  return a * b + c;
#endif
}

/// a * b, rounded by itself: compilers join a plain product to a sum that follows.
template <class T>
DIFFX_HD inline T rounded_product(T a, T b) noexcept {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == sizeof(double)) {
    return __dmul_rn(a, b);
  } else {
    return __fmul_rn(a, b);
  }
#else
  return fma(a, b, T(-0.0));
#endif
}

}  // namespace diffx::detail
