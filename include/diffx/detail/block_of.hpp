#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/binary_block.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/churning_block.hpp>
#include <diffx/detail/column_block.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/correcting_block.hpp>
#include <diffx/detail/decoding_block.hpp>
#include <diffx/detail/langevin_block.hpp>
#include <diffx/detail/remembering_block.hpp>
#include <diffx/detail/sphere_block.hpp>

#include <type_traits>

namespace diffx::detail {

template <class S>
inline constexpr bool solver_decodes = false;
template <class S>
requires requires { S::decodes; }
inline constexpr bool solver_decodes<S> = S::decodes;

template <class S>
inline constexpr bool solver_corrects = false;
template <class S>
requires requires { typename S::corrector_type; }
inline constexpr bool solver_corrects<S> = true;

template <class S>
inline constexpr bool remembers_draws = false;
template <class S>
requires requires { S::remembers_draws; }
inline constexpr bool remembers_draws<S> = S::remembers_draws;

/// The block of a run that holds values of this kind. Answer is the type of what the network says
/// of numbers and of classes.
template <value_kind Kind, class T, class Process, class Prediction, class Solver, class Guidance,
          class Cache, bool Variance, class Noise, class Answer>
struct block_of {
  using type = std::conditional_t<
      moves_by_norm<Solver>,
      langevin_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise, Answer>,
      continuous_block<T, Prediction, Solver, Guidance, Cache, Variance, Noise, Answer>>;
};

template <class T, class Process, class Prediction, class Solver, class Guidance, class Cache,
          bool Variance, class Noise, class Answer>
struct block_of<value_kind::categorical, T, Process, Prediction, Solver, Guidance, Cache, Variance,
                Noise, Answer> {
  template <class S>
  using of = typename block_of<value_kind::categorical, T, Process, Prediction, S, Guidance, Cache,
                               Variance, Noise, Answer>::type;

  template <class S, class... Parts>
  struct choice {
    using type = categorical_block<Parts...>;
  };
  template <class S, class... Parts>
  requires solver_decodes<S>
  struct choice<S, Parts...> {
    using type = decoding_block<Parts...>;
  };
  template <class S, class... Parts>
  requires remembers_draws<S>
  struct choice<S, Parts...> {
    using type = remembering_block<Parts...>;
  };
  template <class S, class... Parts>
  requires has_pure_passes<S>
  struct choice<S, Parts...> {
    using type = churning_block<Parts...>;
  };
  template <class S, class... Parts>
  requires solver_corrects<S>
  struct choice<S, Parts...> {
    using type = correcting_block<of<typename S::predictor_type>, T, Process, Prediction, S,
                                  Guidance, Noise>;
  };
  // A network that says no type of its own writes that of its prediction.
  using logit =
      std::conditional_t<std::is_same_v<T, Answer>, typename Prediction::value_type, Answer>;
  using type =
      typename choice<Solver, T, Process, Prediction, Solver, Guidance, Cache, Noise, logit>::type;
};

template <class T, class Process, class Prediction, class Solver, class Guidance, class Cache,
          bool Variance, class Noise, class Answer>
struct block_of<value_kind::binary, T, Process, Prediction, Solver, Guidance, Cache, Variance,
                Noise, Answer> {
  static_assert(
      std::is_same_v<T, Answer>,
      "diffx: logits of packed bits are read in the prediction's own type: leave "
      "denoiser::computes_in out, or give every bit an integer (process::xor_bernoulli).");
  using type = binary_block<T, Process, Prediction, Solver, Guidance, Noise>;
};

template <class T, sphere_process Process, class Prediction, class Solver, class Guidance,
          class Cache, bool Variance, class Noise, class Answer>
struct block_of<value_kind::continuous, T, Process, Prediction, Solver, Guidance, Cache, Variance,
                Noise, Answer> {
  static_assert(std::is_same_v<T, Answer>,
                "diffx: points on spheres and their logits are in the state's and the prediction's "
                "own types: leave denoiser::computes_in out.");
  using type = sphere_block<T, Process, Prediction, Solver, Guidance, Noise>;
};

template <class T, gaussian_column_process Process, class Prediction, class Solver, class Guidance,
          class Cache, bool Variance, class Noise, class Answer>
struct block_of<value_kind::continuous, T, Process, Prediction, Solver, Guidance, Cache, Variance,
                Noise, Answer> {
  static_assert(std::is_same_v<T, Answer>,
                "diffx: columns of numbers with schedules of their own are read in the state's own "
                "type: leave denoiser::computes_in out, or give all columns one process.");
  using type = column_block<T, Process, Prediction, Solver, Guidance, Cache, Variance, Noise>;
};

}  // namespace diffx::detail
