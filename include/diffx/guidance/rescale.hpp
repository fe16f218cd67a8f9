#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/error.hpp>

namespace diffx::guidance {

/// Guidance rescale: gives the guided prediction back the deviation of the conditional one.
///
///     p_r = p std(p_cond) / std(p),   out = phi p_r + (1 - phi) p
///
/// Deviations are per sample, over all features, of the raw network output: the same phi means
/// different things for a v and for an eps network (the paper rescales v).
///
/// Cost      one more read of both predictions. The identity at phi = 0 or where one branch is off.
/// Source    Lin et al. 2023, arXiv:2305.08891, section 3.4 (phi = 0.7).
/// Errors    phi outside [0, 1] throws.
template <guidance_policy Inner>
struct rescale : Inner {
  static constexpr std::string_view name = "guidance::rescale";
  static constexpr std::string_view source = "arXiv:2305.08891";
  static constexpr guidance_reduction reduction = guidance_reduction::rescale;

  double phi = 0.7;

  double rescale_mix() const {
    detail::require(phi >= 0.0 && phi <= 1.0, "diffx::guidance::rescale", "phi", phi, "in [0, 1]");
    return phi;
  }
};
template <class Inner>
rescale(Inner, double) -> rescale<Inner>;

}  // namespace diffx::guidance
