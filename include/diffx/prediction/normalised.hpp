#pragma once

#include <diffx/concepts/prediction.hpp>

#include <cmath>

namespace diffx::prediction {

/// A network trained on variance-preserving inputs, used on any other path: it is given
/// x / r with r = sqrt(alpha^2 + sigma^2), and its output is read at the level (alpha, sigma) / r.
///
/// This is how eps and v networks are sampled on the path alpha = 1 (x / sqrt(sigma^2 + 1)).
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Table 1 (VP column).
template <prediction_policy Inner>
struct normalised {
  using kind = prediction_tag;
  static constexpr std::string_view name = "prediction::normalised";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr bool scales_input = true;
  static constexpr bool needs_signal = Inner::needs_signal;

  Inner inner{};

  linear_form to(frame f, level const& at) const noexcept {
    linear_form const form = inner.to(f, normal(at));
    return {form.state / radius(at), form.output};
  }
  double input_scale(level const& at) const noexcept {
    level const unit = normal(at);
    return inner.input_scale(unit) / radius(at);
  }

 private:
  static double radius(level const& at) noexcept { return std::hypot(at.alpha, at.sigma); }
  static level normal(level at) noexcept {
    double const r = radius(at);
    at.alpha /= r;
    at.sigma /= r;
    return at;
  }
};

}  // namespace diffx::prediction
