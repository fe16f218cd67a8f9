#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/continuous_block.hpp>

namespace diffx::detail {

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
  using type = categorical_block<T, Process, Prediction, Solver, Guidance, Noise>;
};

}  // namespace diffx::detail
