#pragma once

#include <diffx/concepts/prediction.hpp>

namespace diffx::prediction {

/// The network predicts v = alpha eps - sigma x0 on a variance-preserving path.
///
///     x0 = alpha x - sigma v,   eps = sigma x + alpha v
///
/// Source    Salimans & Ho 2022, arXiv:2202.00512.
/// Requires  alpha^2 + sigma^2 = 1; on other paths use normalised<v>.
struct v {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::v";
  static constexpr std::string_view source = "arXiv:2202.00512";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = false;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma;
    switch (f) {
      case frame::x0:
        return {a, -s};
      case frame::eps:
        return {s, a};
      case frame::flow:
        return {s - a, a + s};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0; }
};

static_assert(prediction_policy<v>);

}  // namespace diffx::prediction
