#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/noise.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/random.hpp>

#include <cstdint>
#include <type_traits>

namespace diffx::detail {

/// What numbers of a type are computed in: those of 16 bits are stored only.
template <class V>
using arithmetic_t = std::conditional_t<sizeof(V) == 2, float, V>;

/// A stored number as a T to compute with, and back. Types of 16 bits convert by way of float
/// alone.
template <class T, class V>
DIFFX_HD inline T widened(V v) noexcept {
  return static_cast<T>(static_cast<arithmetic_t<V>>(v));
}
template <class V, class T>
DIFFX_HD inline V narrowed(T v) noexcept {
  return static_cast<V>(static_cast<arithmetic_t<V>>(v));
}

/// The pointers and narrowed weights of one stage: of states V and predictions P. Unused entries
/// are never touched.
template <class V, class P = V>
struct pass_data {
  using T = arithmetic_t<V>;
  static constexpr int max_sources = 4;
  static constexpr int max_states = 3;
  static constexpr int max_history = 8;
  static constexpr int max_noise = 2;

  std::int64_t features = 0;
  std::int64_t prediction_features = 0;  // features, or twice that with a learned variance
  std::int64_t first_sample = 0;

  P const* source[max_sources] = {};  // [batch, prediction_features]
  T source_weight[max_sources] = {};
  T const* sample_factor = nullptr;  // [batch], multiplies the combined prediction

  V const* state[max_states] = {};  // [batch, features]
  T state_weight[max_states] = {};
  V const* history[max_history] = {};
  T history_weight[max_history] = {};
  noise::key noise_key[max_noise] = {};
  T noise_weight[max_noise] = {};

  T to_output_state = 0, to_output = 0;  // m = to_output_state x + to_output p
  T output_weight = 0;
  T to_x0_state = 0, to_x0 = 0;  // x0 = to_x0_state x + to_x0 p
  T output_per_x0 = 0;           // d m / d x0, for a hook
  T hook_weight = 0;
  T clip = 0;                       // x0_hook::clip
  T const* sample_limit = nullptr;  // [batch], x0_hook::dynamic
  T log_std[2] = {};

  std::uint8_t const* fixed = nullptr;  // [batch, features], 1 where the state stays
  V* target = nullptr;                  // the new state
  V* kept_output = nullptr;             // m, for the history
  P* kept_prediction = nullptr;         // the combined prediction, for the cache
  P* next_input = nullptr;              // input_scale x', for a network with a scaled input
  T input_scale = 1;
  V* preview = nullptr;  // the x0 estimate, for an observer
};

/// Four neighbouring elements, read or written with 16-byte accesses; of 16 bits with 8-byte ones.
template <class T>
struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) quad {
  T value[4];
};

/// The first n of four elements into registers; all four at once if Whole.
template <bool Whole, class V, class T>
DIFFX_HD inline void load(V const* from, int n, T (&to)[4]) noexcept {
  if constexpr (Whole) {
    quad<V> const q = *reinterpret_cast<quad<V> const*>(from);
    for (int i = 0; i < 4; ++i) to[i] = widened<T>(q.value[i]);
  } else {
    for (int i = 0; i < 4; ++i) to[i] = i < n ? widened<T>(from[i]) : T(0);
  }
}

/// InTile: not to global memory alone.
template <bool Whole, bool InTile = false, class V, class T>
DIFFX_HD inline void store(T const (&from)[4], int n, V* to) noexcept {
  if constexpr (!Whole) {
    for (int i = 0; i < 4; ++i) {
      if (i < n) to[i] = narrowed<V>(from[i]);
    }
  } else if constexpr (InTile) {
    quad<V> q;
    for (int i = 0; i < 4; ++i) q.value[i] = narrowed<V>(from[i]);
    *reinterpret_cast<quad<V>*>(to) = q;
#if defined(__CUDA_ARCH__) && defined(__NVCC__)
    // Intrinsics, since the compiler merges plain stores with those of the other branch and then
    // writes one element at a time, with twice the registers.
  } else if constexpr (std::is_same_v<V, float>) {
    __stwb(reinterpret_cast<float4*>(to), make_float4(from[0], from[1], from[2], from[3]));
  } else if constexpr (std::is_same_v<V, double>) {
    __stwb(reinterpret_cast<double2*>(to), make_double2(from[0], from[1]));
    __stwb(reinterpret_cast<double2*>(to) + 1, make_double2(from[2], from[3]));
  } else if constexpr (sizeof(V) == 2) {
    quad<V> q;
    for (int i = 0; i < 4; ++i) q.value[i] = narrowed<V>(from[i]);
    uint2 words;
    memcpy(&words, &q, sizeof words);
    __stwb(reinterpret_cast<uint2*>(to), words);
#endif
  } else {
    quad<V> q;
    for (int i = 0; i < 4; ++i) q.value[i] = narrowed<V>(from[i]);
    *reinterpret_cast<quad<V>*>(to) = q;
  }
}

/// The one pass over memory that follows a model evaluation: guidance, conversion, hook, solver
/// and noise, everything in registers.
///
/// Bytes per element: one read per source, state and history tensor with a compile-time place, one
/// write of the state, and one write for each optional output that is asked for. Noise costs none.
/// The order of operations is fixed and every product-sum goes through detail::fma, so the result
/// does not depend on tile, thread or backend of one build.
///
/// G sources, S states, H history tensors, N noise terms; Variance: the prediction has a second
/// half of learned variances. States are V, predictions P; everything in between is
/// arithmetic_t<V>. InTile: what it writes is a tile of detail::row_tiles.
template <class V, int G, int S, int H, int N, x0_hook Hook, bool Variance, class Noise,
          class P = V, bool InTile = false>
struct fused_pass {
  using T = arithmetic_t<V>;

  pass_data<V, P> data;
  Noise noise;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
#if defined(__CUDA_ARCH__)
    constexpr int width = 4;
    n = n < width ? n : width;  // with this bound known, z stays in registers
#else
    constexpr int width = 512;
#endif
    T z[N > 0 ? N : 1][N > 0 ? width : 1];
    if constexpr (N > 0) {
      for (int j = 0; j < N; ++j) {
        if (data.noise_weight[j] != T(0)) {
          noise.fill(data.noise_key[j], data.first_sample + sample, first, n, z[j]);
        } else {
          for (int i = 0; i < n; ++i) z[j][i] = T(0);
        }
      }
    }
    pass_data<V, P> const d = data;
    std::int64_t const base = sample * d.features + first;
    std::int64_t const prediction_base = sample * d.prediction_features + first;
    T const factor = d.sample_factor != nullptr ? d.sample_factor[sample] : T(1);
    T limit = d.clip, shrink = T(1);
    if constexpr (Hook == x0_hook::dynamic) {
      if (d.sample_limit != nullptr) {
        limit = d.sample_limit[sample];
        shrink = T(1) / limit;
      }
    }
#if defined(__CUDA_ARCH__)
    // The group is read into registers before anything of it is written: buffers may be equal.
    // Addresses as multiples of what their group of four must be aligned to, joined.
    auto const address = [](auto const* q) {
      constexpr std::uintptr_t alignment = alignof(quad<std::remove_cvref_t<decltype(*q)>>);
      return reinterpret_cast<std::uintptr_t>(q) * (16 / alignment);
    };
    std::uintptr_t places = address(d.target + base);
    for (int g = 0; g < G; ++g) places |= address(d.source[g] + prediction_base);
    for (int j = 0; j < S; ++j) places |= address(d.state[j] + base);
    for (int j = 0; j < H; ++j) places |= address(d.history[j] + base);
    if constexpr (Variance) places |= address(d.source[0] + prediction_base + d.features);
    if (d.kept_output != nullptr) places |= address(d.kept_output + base);
    if (d.kept_prediction != nullptr) places |= address(d.kept_prediction + base);
    if (d.next_input != nullptr) places |= address(d.next_input + base);
    if (d.preview != nullptr) places |= address(d.preview + base);
    bool const whole = n == width && places % 16 == 0;
    T p[G > 0 ? G : 1][4] = {}, x[S][4], m[H > 0 ? H : 1][4] = {}, deviation[4] = {};
    auto const read = [&](auto shape) {
      constexpr bool all = decltype(shape)::value;
      for (int g = 0; g < G; ++g) load<all>(d.source[g] + prediction_base, n, p[g]);
      for (int j = 0; j < S; ++j) load<all>(d.state[j] + base, n, x[j]);
      for (int j = 0; j < H; ++j) load<all>(d.history[j] + base, n, m[j]);
      if constexpr (Variance) load<all>(d.source[0] + prediction_base + d.features, n, deviation);
    };
    if (whole) {
      read(std::true_type{});
    } else {
      read(std::false_type{});
    }
#else
    // Bases are applied to the pointers once: compilers then see plain unit-stride loops.
    P const* p[G > 0 ? G : 1] = {};
    for (int g = 0; g < G; ++g) p[g] = d.source[g] + prediction_base;
    V const* x[S];
    for (int j = 0; j < S; ++j) x[j] = d.state[j] + base;
    V const* m[H > 0 ? H : 1] = {};
    for (int j = 0; j < H; ++j) m[j] = d.history[j] + base;
    V* const target = d.target + base;
#endif

    auto const element = [&](int i, T& combined, T& x0, T& output) DIFFX_INLINE_LAMBDA {
      T const current = widened<T>(x[0][i]);
      T sum = d.state_weight[0] * current;
      for (int j = 1; j < S; ++j) sum = fma(d.state_weight[j], widened<T>(x[j][i]), sum);
      if constexpr (G > 0) {
        combined = d.source_weight[0] * widened<T>(p[0][i]);
        for (int g = 1; g < G; ++g) {
          combined = fma(d.source_weight[g], widened<T>(p[g][i]), combined);
        }
        combined *= factor;
        output = fma(d.to_output, combined, d.to_output_state * current);
        x0 = fma(d.to_x0, combined, d.to_x0_state * current);
        if constexpr (Hook != x0_hook::none) {
          T const low = x0 < -limit ? -limit : x0;
          T const hooked = (low > limit ? limit : low) * shrink;
          T const change = hooked - x0;
          // An output that is x0 is the hooked one: no sum with an x0 that may be far larger.
          output = d.output_per_x0 == T(1) ? hooked : fma(d.output_per_x0, change, output);
          sum = fma(d.hook_weight, change, sum);
          x0 = hooked;
        }
        sum = fma(d.output_weight, output, sum);
      }
      for (int j = 0; j < H; ++j) sum = fma(d.history_weight[j], widened<T>(m[j][i]), sum);
      if constexpr (N > 0) {
#if defined(__CUDA_ARCH__)
        T const first_weight =
            Variance ? d.noise_weight[0] * exp(fma(d.log_std[1], deviation[i], d.log_std[0]))
                     : d.noise_weight[0];
#else
        T const first_weight =
            Variance ? d.noise_weight[0] *
                           exp(fma(d.log_std[1], widened<T>(p[0][i + d.features]), d.log_std[0]))
                     : d.noise_weight[0];
#endif
        sum = fma(first_weight, z[0][i], sum);
        for (int j = 1; j < N; ++j) sum = fma(d.noise_weight[j], z[j][i], sum);
      }
      return sum;
    };

#if defined(__CUDA_ARCH__)
    T next[4], combined[4] = {}, x0[4] = {}, output[4] = {};
    for (int i = 0; i < 4; ++i) next[i] = element(i, combined[i], x0[i], output[i]);
    if (d.fixed != nullptr) {
      for (int i = 0; i < 4; ++i) {
        if (i < n && d.fixed[base + i] != 0) next[i] = x0[i] = x[0][i];
      }
    }
    auto const write = [&](auto shape) {
      constexpr bool all = decltype(shape)::value;
      if (d.kept_output != nullptr) store<all, InTile>(output, n, d.kept_output + base);
      if (d.kept_prediction != nullptr) store<all, InTile>(combined, n, d.kept_prediction + base);
      if (d.preview != nullptr) store<all, InTile>(x0, n, d.preview + base);
      store<all, InTile>(next, n, d.target + base);
      if (d.next_input != nullptr) {
        for (int i = 0; i < 4; ++i) next[i] = d.input_scale * next[i];
        store<all, InTile>(next, n, d.next_input + base);
      }
    };
    if (whole) {
      write(std::true_type{});
    } else {
      write(std::false_type{});
    }
#else
    bool const plain = d.kept_output == nullptr && d.kept_prediction == nullptr &&
                       d.next_input == nullptr && d.preview == nullptr && d.fixed == nullptr;
    if (plain) {
      DIFFX_INDEPENDENT
      for (int i = 0; i < n; ++i) {
        T combined{}, x0{}, output{};
        target[i] = narrowed<V>(element(i, combined, x0, output));
      }
    } else if (d.kept_prediction == nullptr && d.next_input == nullptr && d.preview == nullptr &&
               d.fixed == nullptr) {
      V* const kept = d.kept_output + base;
      DIFFX_INDEPENDENT
      for (int i = 0; i < n; ++i) {
        T combined{}, x0{}, output{};
        T const next = element(i, combined, x0, output);
        kept[i] = narrowed<V>(output);
        target[i] = narrowed<V>(next);
      }
    } else {
      for (int i = 0; i < n; ++i) {
        T combined{}, x0{}, output{};
        T next = element(i, combined, x0, output);
        if (d.fixed != nullptr && d.fixed[base + i] != 0) next = x0 = widened<T>(x[0][i]);
        if (d.kept_output != nullptr) d.kept_output[base + i] = narrowed<V>(output);
        if (d.kept_prediction != nullptr) d.kept_prediction[base + i] = narrowed<P>(combined);
        if (d.preview != nullptr) d.preview[base + i] = narrowed<V>(x0);
        if (d.next_input != nullptr) d.next_input[base + i] = narrowed<P>(d.input_scale * next);
        target[i] = narrowed<V>(next);
      }
    }
#endif
  }
};

}  // namespace diffx::detail
