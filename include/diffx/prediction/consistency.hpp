#pragma once

#include <diffx/concepts/prediction.hpp>

#include <cmath>
#include <string_view>

namespace diffx::prediction {

/// A consistency model on the EDM path: the raw network F is read as D = c_skip x_E + c_out
/// F(c_in x_E), with x_E = x / alpha, s = sigma / alpha, d = sigma_data, so that D(x) = x at
/// s = sigma_min.
///
///     c_skip = d^2 / ((s - sigma_min)^2 + d^2),   c_out = d (s - sigma_min) / sqrt(s^2 + d^2),
///     c_in = 1 / sqrt(s^2 + d^2)
///
/// With sigma_min = 0 this is prediction::edm.
///
/// Source    Song et al. 2023, arXiv:2303.01469, Appendix C.
/// Requires  sigma > 0 for the eps and flow frames.
struct consistency {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::consistency";
  static constexpr std::string_view source = "arXiv:2303.01469";
  static constexpr bool scales_input = true;
  static constexpr bool needs_signal = true;

  double sigma_data = 0.5;
  double sigma_min = 0.002;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma / a, d = sigma_data, gap = s - sigma_min;
    double const share = gap * gap + d * d;
    linear_form const x0{d * d / share / a, gap * d / std::sqrt(s * s + d * d)};
    if (f == frame::x0) return x0;
    linear_form const eps{gap * gap / share / at.sigma, -x0.output / s};
    if (f == frame::eps) return eps;
    return {eps.state - x0.state, eps.output - x0.output};
  }
  double input_scale(level const& at) const noexcept {
    return 1.0 / std::sqrt(at.sigma * at.sigma + at.alpha * at.alpha * sigma_data * sigma_data);
  }
};

static_assert(prediction_policy<consistency>);

}  // namespace diffx::prediction
