#pragma once

#include <diffx/concepts/prediction.hpp>

#include <string_view>

namespace diffx::prediction {

/// The network's softmax is the posterior of the data class of each position, given all positions:
///
///     p_i = p(x0 = i | x_t)
///
/// what training by cross-entropy gives.
///
/// Source    Sahoo et al. 2024, arXiv:2406.07524.
/// Shapes    logits [batch, positions, classes], in T; need not be normalised.
/// Errors    none.
template <class T = float>
struct x0_posterior {
  using kind = prediction_tag;
  using value_type = T;
  static constexpr std::string_view name = "prediction::x0_posterior";
  static constexpr std::string_view source = "arXiv:2406.07524";
  static constexpr bool is_cavity = false;
};

static_assert(class_prediction<x0_posterior<>>);

}  // namespace diffx::prediction
