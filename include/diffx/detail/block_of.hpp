#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/decoding_block.hpp>
#include <diffx/detail/sphere_block.hpp>

#include <type_traits>

namespace diffx::detail {

template <class S>
inline constexpr bool solver_decodes = false;
template <class S>
requires requires { S::decodes; }
inline constexpr bool solver_decodes<S> = S::decodes;

/// The block of a run that holds values of this kind.
template <value_kind Kind, class T, class Process, class Prediction, class Solver, class Guidance,
          class Cache, bool Variance, class Noise>
struct block_of {
  using type = continuous_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise>;
};

template <class T, class Process, class Prediction, class Solver, class Guidance, class Cache,
          bool Variance, class Noise>
struct block_of<value_kind::categorical, T, Process, Prediction, Solver, Guidance, Cache, Variance,
                Noise> {
  template <bool Decodes, class... Parts>
  struct choice {
    using type = categorical_block<Parts...>;
  };
  template <class... Parts>
  struct choice<true, Parts...> {
    using type = decoding_block<Parts...>;
  };
  using type = typename choice<solver_decodes<Solver>, T, Process, Prediction, Solver, Guidance,
                               Cache, Noise>::type;
};

template <class T, sphere_process Process, class Prediction, class Solver, class Guidance,
          class Cache, bool Variance, class Noise>
struct block_of<value_kind::continuous, T, Process, Prediction, Solver, Guidance, Cache, Variance,
                Noise> {
  using type = sphere_block<T, Process, Prediction, Solver, Guidance, Noise>;
};

}  // namespace diffx::detail
