#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/error.hpp>

#include <cmath>

namespace diffx::guidance {

/// CFG++: x0 from the guided prediction, but noise put back from the unguided one.
///
///     x_to = alpha_to x0_g + sigma_to eps_null,   x0_g = x0_null + strength (x0_cond - x0_null)
///
/// For a first-order deterministic step this equals classifier-free guidance whose scale follows
/// the step: w = strength sigma / (sigma - sigma'), with sigma / alpha at both ends; on the step
/// onto sigma = 0 it is `strength` itself. So it is a guidance and needs no solver of its own.
///
/// Cost      two network evaluations per step.
/// Source    Chung et al. 2024, arXiv:2406.08070.
/// Requires  a first-order solver with one evaluation (a rule refuses others).
/// Errors    strength outside [0, 1] throws.
struct cfg_pp {
  using kind = guidance_tag;
  static constexpr std::string_view name = "guidance::cfg_pp";
  static constexpr std::string_view source = "arXiv:2406.08070";
  static constexpr int branches = 2;
  static constexpr x0_hook hook = x0_hook::none;
  static constexpr guidance_reduction reduction = guidance_reduction::none;
  static constexpr bool renoises_unguided = true;

  double strength = 0.6;

  void weights(step const& s, std::span<double> w) const {
    detail::require(strength >= 0.0 && strength <= 1.0, "diffx::guidance::cfg_pp", "strength",
                    strength, "in [0, 1]");
    // sigma / (sigma - sigma') = 1 / (1 - e^{-h}), finite at h = +inf.
    double const scale = strength / -std::expm1(-s.h());
    w[0] = scale;
    w[1] = 1.0 - scale;
  }
};

static_assert(guidance_policy<cfg_pp>);

}  // namespace diffx::guidance
