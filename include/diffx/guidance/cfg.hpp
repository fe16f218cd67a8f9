#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/error.hpp>
#include <diffx/guidance/scale.hpp>

#include <cmath>

namespace diffx::guidance {

/// Classifier-free guidance.
///
///     p = p_null + w (p_cond - p_null)
///
/// where w is a constant or a scale schedule (guidance/scale.hpp). At w = 1 the null branch is not
/// evaluated and p is the conditional prediction bit for bit; at w = 0 the other way round. The
/// null branch may be a negative condition: the algebra is the same. The weights sum to 1, so the
/// result does not depend on what the network predicts.
///
/// With a process of classes the predictions are logits, and mixing them tempers the laws of the
/// data class, p ~ p_cond^w p_null^(1 - w), normalised: a class that either branch rules out is
/// ruled out. guidance::d_cfg tempers the reverse kernels instead.
///
/// `guidance_scale` is w; the scale s of "p_cond + s (p_cond - p_null)" is w - 1.
///
/// Cost      two network evaluations per step where w differs from 0 and 1, else one.
/// Source    Ho & Salimans 2022, arXiv:2207.12598; interval: Kynkaanniemi et al. 2024,
///           arXiv:2404.07724.
/// Errors    a scale that is not finite throws when a step asks for it.
template <class Scale = scale::constant>
struct cfg {
  using kind = guidance_tag;
  static constexpr std::string_view name = "guidance::cfg";
  static constexpr std::string_view source = "arXiv:2207.12598";
  static constexpr int branches = 2;
  static constexpr x0_hook hook = x0_hook::none;
  static constexpr guidance_reduction reduction = guidance_reduction::none;

  Scale guidance_scale{};

  void weights(step const& s, std::span<double> w) const {
    double const scale = guidance_scale(s);
    detail::require(std::isfinite(scale), "diffx::guidance::cfg", "guidance_scale", scale,
                    "finite");
    w[0] = scale;
    w[1] = 1.0 - scale;
  }
};

cfg(double)->cfg<scale::constant>;
template <class Scale>
requires requires(Scale const& scale, step const& s) { scale(s); }
cfg(Scale)->cfg<Scale>;

static_assert(guidance_policy<cfg<>>);

}  // namespace diffx::guidance
