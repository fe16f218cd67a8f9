#pragma once

#include <diffx/concepts/prediction.hpp>

namespace diffx::prediction {

/// TrigFlow: alpha = cos t, sigma = sin t, data of deviation d = sigma_data.
///
///     x0 = cos(t) x - sin(t) d F,   eps = sin(t) x + cos(t) d F
///
/// eps is the noise in the state's units, so it has deviation d. The network sees x / d.
///
/// Source    Lu & Song 2024, arXiv:2410.11081.
struct trig_flow {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::trig_flow";
  static constexpr std::string_view source = "arXiv:2410.11081";
  static constexpr bool scales_input = true;
  static constexpr bool needs_signal = false;

  double sigma_data = 0.5;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma, d = sigma_data;
    switch (f) {
      case frame::x0:
        return {a, -s * d};
      case frame::eps:
        return {s, a * d};
      case frame::flow:
        return {s - a, (a + s) * d};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0 / sigma_data; }
};

static_assert(prediction_policy<trig_flow>);

}  // namespace diffx::prediction
