#pragma once

#include <diffx/concepts/prediction.hpp>

namespace diffx::prediction {

/// The network predicts the velocity of the straight path: p = u = eps - x0, alpha = 1 - sigma.
///
///     x0 = x - sigma u,   eps = x + (1 - sigma) u
///
/// Source    Liu et al. 2022, arXiv:2209.03003; Lipman et al. 2022, arXiv:2210.02747.
/// Requires  alpha + sigma = 1; `interpolant` serves other paths.
struct flow {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::flow";
  static constexpr std::string_view source = "arXiv:2209.03003";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = false;

  linear_form to(frame f, level const& at) const noexcept {
    switch (f) {
      case frame::x0:
        return {1.0, -at.sigma};
      case frame::eps:
        return {1.0, at.alpha};
      case frame::flow:
        return {0.0, 1.0};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0; }
};

static_assert(prediction_policy<flow>);

}  // namespace diffx::prediction
