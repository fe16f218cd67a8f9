#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <utility>

namespace diffx::denoiser {

/// Declares what a plain callable predicts: `predicts<prediction::v, 2>{f}` is a denoiser whose
/// output is v and which also answers branch 1, the null condition.
///
/// Shapes    f(exec, batch_view<T const> x, query, batch_view<T> out), both [batch, features].
template <any_prediction Prediction, int Branches = 1, class F = void>
struct predicting {
  static constexpr int branches = Branches;
  F f;
  Prediction prediction{};

  template <class... Args>
  decltype(auto) operator()(Args&&... args) const {
    return f(std::forward<Args>(args)...);
  }
};

template <any_prediction Prediction, int Branches = 1, class F>
predicting<Prediction, Branches, F> predicts(F f, Prediction prediction = {}) {
  return {std::move(f), prediction};
}

}  // namespace diffx::denoiser
