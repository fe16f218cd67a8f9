#pragma once

#include <diffx/concepts/prediction.hpp>

#include <tuple>

namespace diffx::prediction {

/// What a network says of each block of the state, in the order of process::product.
///
///     denoiser::predicts<prediction::product<prediction::eps, prediction::x0_posterior<>>>(f)
///
/// f gets a std::tuple of views of the blocks, and one to write to.
template <class... Parts>
requires(... && (prediction_policy<Parts> || class_prediction<Parts>))  //
    struct product {
  using kind = prediction_tag;

  std::tuple<Parts...> parts{};
};

}  // namespace diffx::prediction
