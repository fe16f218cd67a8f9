#pragma once

#include <diffx/concepts/prediction.hpp>

#include <cmath>

namespace diffx::prediction {

/// EDM preconditioning: the raw network F is read as D = c_skip x_E + c_out F(c_in x_E, c_noise),
/// with x_E = x / alpha, s = sigma / alpha and d = sigma_data.
///
///     c_skip = d^2 / (s^2 + d^2),  c_out = s d / sqrt(s^2 + d^2),  c_in = 1 / sqrt(s^2 + d^2)
///
/// The network is told c_noise = log(s) / 4; the timetable's `timestep` carries it. With `flipped`
/// the sign of c_out is reversed (the v form).
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Table 1.
struct edm {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::edm";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr bool scales_input = true;
  static constexpr bool needs_signal = true;

  double sigma_data = 0.5;
  bool flipped = false;

  linear_form to(frame f, level const& at) const noexcept {
    double const a = at.alpha, s = at.sigma / at.alpha, d = sigma_data;
    double const r2 = s * s + d * d, r = std::sqrt(r2), sign = flipped ? -1.0 : 1.0;
    linear_form const x0{d * d / r2 / a, sign * s * d / r};
    // (x_E - x0) / s with c_skip subtracted before the division: finite as s goes to 0.
    linear_form const eps{s / r2 / a, -sign * d / r};
    switch (f) {
      case frame::x0:
        return x0;
      case frame::eps:
        return eps;
      case frame::flow:
        return {eps.state - x0.state, eps.output - x0.output};
    }
    return {};
  }
  double input_scale(level const& at) const noexcept {
    double const s = at.sigma / at.alpha;
    return 1.0 / (at.alpha * std::sqrt(s * s + sigma_data * sigma_data));
  }
};

static_assert(prediction_policy<edm>);

}  // namespace diffx::prediction
