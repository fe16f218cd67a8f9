#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/detail/quantile.hpp>
#include <diffx/error.hpp>

namespace diffx::guidance {

/// Dynamic thresholding of the x0 estimate.
///
///     q = quantile of |x0| per sample, held in [1, max_value];   x0 <- clamp(x0, -q, q) / q
///
/// With max_value = 1 this is clipping to [-1, 1]. Meant for pixels in [-1, 1], not for latents.
///
/// Cost      one more read of the state and the predictions, and a selection per sample.
/// Source    Saharia et al. 2022 (Imagen), arXiv:2205.11487, section 2.3 (quantile 0.995).
/// Shapes    the quantile is over all features of one sample, linearly interpolated.
/// Errors    ratio outside (0, 1] or max_value < 1 throws.
template <guidance_policy Inner>
struct dynamic_threshold : Inner {
  static constexpr std::string_view name = "guidance::dynamic_threshold";
  static constexpr std::string_view source = "arXiv:2205.11487";
  static constexpr x0_hook hook = x0_hook::dynamic;

  template <class V, class P>
  using limit_op = detail::quantile_op<V, P>;

  double ratio = 0.995;
  double max_value = 1.0;

  double quantile() const {
    detail::require(ratio > 0.0 && ratio <= 1.0, "diffx::guidance::dynamic_threshold", "ratio",
                    ratio, "in (0, 1]");
    return ratio;
  }
  double largest() const {
    detail::require(max_value >= 1.0, "diffx::guidance::dynamic_threshold", "max_value", max_value,
                    "at least 1");
    return max_value;
  }
};
template <class Inner>
dynamic_threshold(Inner, double, double) -> dynamic_threshold<Inner>;
template <class Inner>
dynamic_threshold(Inner) -> dynamic_threshold<Inner>;

}  // namespace diffx::guidance
