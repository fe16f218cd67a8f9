#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/prediction/x0.hpp>

#include <cstdint>

namespace diffx::denoiser {

/// Returns one number for every element, whatever the state: the simplest denoiser there is.
///
///     raw output = value
///
/// The prediction type says what the number means: constant<> predicts x0,
/// constant<prediction::eps> predicts eps. Every solver that works in that frame is exact in a
/// single step on it.
///
/// Shapes    x, out: [batch, features]. Host memory.
/// Errors    none.
template <class Prediction = diffx::prediction::x0>
struct constant {
  static constexpr int branches = 1;
  Prediction prediction{};
  double value = 0.0;

  constant() = default;
  explicit constant(double value_, Prediction prediction_ = {})
      : prediction(prediction_), value(value_) {}

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const&, batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = static_cast<T>(value);
  }
};

constant(double)->constant<>;

}  // namespace diffx::denoiser
