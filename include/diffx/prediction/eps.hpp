#pragma once

#include <diffx/concepts/prediction.hpp>

namespace diffx::prediction {

/// The network predicts the noise: p = eps, x0 = (x - sigma eps) / alpha.
///
/// Source    Ho et al. 2020, arXiv:2006.11239.
/// Requires  alpha > 0: without signal, eps says nothing about x0 (a rule refuses such a start).
struct eps {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::eps";
  static constexpr std::string_view source = "arXiv:2006.11239";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = true;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma;
    switch (f) {
      case frame::x0:
        return {1.0 / a, -s / a};
      case frame::eps:
        return {0.0, 1.0};
      case frame::flow:
        return {-1.0 / a, 1.0 + s / a};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0; }
};

static_assert(prediction_policy<eps>);

}  // namespace diffx::prediction
