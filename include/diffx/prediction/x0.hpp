#pragma once

#include <diffx/concepts/prediction.hpp>

namespace diffx::prediction {

/// The network predicts the clean sample: p = x0, eps = (x - alpha x0) / sigma.
///
/// Source    Salimans & Ho 2022, arXiv:2202.00512, section 4.
struct x0 {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::x0";
  static constexpr std::string_view source = "arXiv:2202.00512";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = false;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma;
    switch (f) {
      case frame::x0:
        return {0.0, 1.0};
      case frame::eps:
        return {1.0 / s, -a / s};
      case frame::flow:
        return {1.0 / s, -a / s - 1.0};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0; }
};

static_assert(prediction_policy<x0>);

}  // namespace diffx::prediction
