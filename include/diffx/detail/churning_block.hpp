#pragma once

#include <diffx/detail/categorical_block.hpp>
#include <diffx/noise/address.hpp>

namespace diffx::detail {

/// A block of classes whose solver plans passes without an evaluation: each noises the classes from
/// the stage's level `at` to its level `to`.
template <class Code, class Process, class Prediction, class Solver, class Guidance, class Cache,
          class Noise, class Logit>
class churning_block
    : public categorical_block<Code, Process, Prediction, Solver, Guidance, Cache, Noise, Logit> {
  using base = categorical_block<Code, Process, Prediction, Solver, Guidance, Cache, Noise, Logit>;

 public:
  using base::base;

  template <class Exec>
  void apply(Exec const& exec, categorical_stage const& s, prediction_mix const& m, bool ends_step,
             level const* next_at, Code* preview) {
    if (s.evaluates) {
      base::apply(exec, s, m, ends_step, next_at, preview);
    } else {
      base::add_noise(exec, s.at, s.to, s.key);
    }
  }
};

}  // namespace diffx::detail
