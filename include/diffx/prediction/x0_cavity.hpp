#pragma once

#include <diffx/concepts/prediction.hpp>

#include <string_view>

namespace diffx::prediction {

/// The network's softmax is the law of the data class of each position, given the *other*
/// positions:
///
///     c_i = p(x0 = i | x_t elsewhere),    p_i proportional to c_i q(x_t | x0 = i)
///
/// what training by a bound on the likelihood gives in the plug-in form. Under absorbing noise it
/// is the posterior at every masked position; under any other noise the two differ at the class
/// that is seen, and one in the place of the other is wrong at every number of steps.
///
/// Source    Austin et al. 2021, arXiv:2107.03006; Schiff et al. 2024, arXiv:2412.10193.
/// Shapes    logits [batch, positions, classes], in T; need not be normalised.
/// Errors    none.
template <class T = float>
struct x0_cavity {
  using kind = prediction_tag;
  using value_type = T;
  static constexpr std::string_view name = "prediction::x0_cavity";
  static constexpr std::string_view source = "arXiv:2412.10193";
  static constexpr bool is_cavity = true;
};

static_assert(class_prediction<x0_cavity<>>);

}  // namespace diffx::prediction
