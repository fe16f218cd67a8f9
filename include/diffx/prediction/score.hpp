#pragma once

#include <diffx/concepts/prediction.hpp>

namespace diffx::prediction {

/// The network predicts the score, grad log p_t(x) = -eps / sigma.
///
///     x0 = (x + sigma^2 S) / alpha,   eps = -sigma S
///
/// Source    Song et al. 2021, arXiv:2011.13456.
/// Requires  alpha > 0 and sigma > 0.
struct score {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::score";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = true;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma;
    switch (f) {
      case frame::x0:
        return {1.0 / a, s * s / a};
      case frame::eps:
        return {0.0, -s};
      case frame::flow:
        return {-1.0 / a, -s - s * s / a};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0; }
};

static_assert(prediction_policy<score>);

}  // namespace diffx::prediction
