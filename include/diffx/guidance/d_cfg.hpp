#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/guidance/cfg.hpp>

namespace diffx::guidance {

/// Classifier-free guidance of the reverse kernels of classes, position by position.
///
///     q(x_s | x_t) ~ q_cond^w q_null^(1 - w),    normalised over all states, the mask included
///
/// guidance::cfg with a process of classes is the other discrete form: it tempers the laws of the
/// data class, p ~ p_cond^w p_null^(1 - w), and then takes the kernel of p. Under absorbing noise
/// that one leaves the rate of unmasking alone, while here the mask competes with the classes: a
/// position stays masked with probability m / (m + (1 - m) Z), m the unguided one and Z the sum of
/// p_cond^w p_null^(1 - w), so it is unmasked sooner where the branches disagree (w > 1). The paper
/// takes this form for uniform noise and the other for absorbing noise.
///
/// With solver::defog the rates are mixed, R = R_cond^w R_null^(1 - w), and not the kernels.
///
/// A state that either branch rules out is ruled out, whatever the sign of its weight.
///
/// Cost      two network evaluations per step where w differs from 0 and 1, else one, and then the
///           bits of the unguided run of that branch. Each row of logits is read twice and a tile
///           of it once more; no probability is written.
/// Source    Schiff et al. 2024, arXiv:2412.10193 (D-CFG, gamma = w).
/// Requires  a process of classes and a solver that gives kernels: solver::ancestral or
///           solver::defog.
/// Errors    a scale that is not finite throws when a step asks for it; a position for which no
///           state is left is reported by the run.
template <class Scale = scale::constant>
struct d_cfg : cfg<Scale> {
  static constexpr std::string_view name = "guidance::d_cfg";
  static constexpr std::string_view source = "arXiv:2412.10193";
  static constexpr int kernels = 2;
};

d_cfg(double)->d_cfg<scale::constant>;
template <class Scale>
requires requires(Scale const& scale, step const& s) { scale(s); }
d_cfg(Scale)->d_cfg<Scale>;

static_assert(guidance_policy<d_cfg<>>);

}  // namespace diffx::guidance
