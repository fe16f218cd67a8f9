#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/error.hpp>

namespace diffx::guidance {

/// Static thresholding: clamps the x0 estimate to [-range, range] inside the fused pass.
///
/// Solvers go on from the clamped x0, so eps and v follow it.
///
/// Cost      nothing: no pass and no byte more.
/// Source    Ho et al. 2020, arXiv:2006.11239 (clipping); Saharia et al. 2022, arXiv:2205.11487.
/// Errors    range <= 0 throws.
template <guidance_policy Inner>
struct clip_x0 : Inner {
  static constexpr std::string_view name = "guidance::clip_x0";
  static constexpr std::string_view source = "arXiv:2006.11239";
  static constexpr x0_hook hook = x0_hook::clip;

  double range = 1.0;

  double limit() const {
    detail::require(range > 0.0, "diffx::guidance::clip_x0", "range", range, "above 0");
    return range;
  }
};
template <class Inner>
clip_x0(Inner, double) -> clip_x0<Inner>;
template <class Inner>
clip_x0(Inner) -> clip_x0<Inner>;

}  // namespace diffx::guidance
