#pragma once

#include <diffx/concepts/prediction.hpp>

#include <string_view>

namespace diffx::prediction {

/// The network predicts the velocity of a general path: p = u = alpha' x0 + sigma' eps.
///
///     x0 = (sigma' x - sigma u) / w,   eps = (alpha u - alpha' x) / w,   w = alpha sigma' - alpha'
///     sigma
///
/// The path gives alpha_rate(t) and sigma_rate(t), derivatives by the process time of the level; w
/// is positive wherever lambda falls, also at alpha = 0 and at sigma = 0.
///
/// Source    Albergo, Boffi & Vanden-Eijnden 2023, arXiv:2303.08797.
/// Requires  levels of the process on the same path; `flow` is the straight path.
/// Errors    none: every function is pure and noexcept.
template <class Path>
struct interpolant {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::interpolant";
  static constexpr std::string_view source = "arXiv:2303.08797";
  static constexpr bool scales_input = false;
  static constexpr bool needs_signal = false;

  Path path{};

  linear_form to(frame f, level const& at) const noexcept {
    double const da = path.alpha_rate(at.t);
    double const ds = path.sigma_rate(at.t);
    double const w = at.alpha * ds - da * at.sigma;
    switch (f) {
      case frame::x0:
        return {ds / w, -at.sigma / w};
      case frame::eps:
        return {-da / w, at.alpha / w};
      case frame::flow:
        return {-(da + ds) / w, (at.alpha + at.sigma) / w};
    }
    return {};
  }
  double input_scale(level const&) const noexcept { return 1.0; }
};

}  // namespace diffx::prediction
