#pragma once

#include <diffx/concepts/guidance.hpp>
#include <diffx/error.hpp>
#include <diffx/guidance/scale.hpp>

#include <cmath>

namespace diffx::guidance {

/// Classifier guidance of the reverse kernels of classes, position by position.
///
///     log q(x_s^l = v | x_t, y) = log q(x_s^l = v | x_t) + gamma log p(y | x_t with x^l = v) + c
///
/// normalised over all states v. Branch 1 of the denoiser is the table of the classifier relative
/// to the sequence as it is, so that a state which does not change has 0: denoiser::classified
/// makes it, exactly (one classifier row per neighbour) or to first order (one gradient).
///
/// With gamma = 1, one position and the classifier of noisy states at the level of x_s this is
/// Bayes' rule; with more positions the product over positions is the approximation of the method.
/// Under absorbing noise only masked positions are guided, and the mask is one of the states.
///
/// On graphs (process::product) with the table of denoiser::squared_error this is the regressor
/// guidance of DiGress, arXiv:2209.14734: r'_k ~ r_k exp(-gamma d|y(G) - y|^2 / d onehot_k).
///
/// Cost      one network evaluation per step and the table; at gamma = 0 the table is not asked for
///           and the run is the unguided one bit for bit.
/// Source    Schiff et al. 2024, arXiv:2412.10193 (D-CBG); Nisonoff et al. 2024, arXiv:2406.01572.
/// Requires  a process of classes, a solver that gives kernels (solver::ancestral, solver::defog),
///           and a denoiser whose branch 1 is such a table (denoiser::classified).
/// Errors    a gamma that is not finite throws when a step asks for it; a position for which no
///           state is left is reported by the run.
template <class Scale = scale::constant>
struct d_cbg {
  using kind = guidance_tag;
  static constexpr std::string_view name = "guidance::d_cbg";
  static constexpr std::string_view source = "arXiv:2412.10193";
  static constexpr int branches = 2;
  static constexpr int kernels = 1;
  static constexpr x0_hook hook = x0_hook::none;
  static constexpr guidance_reduction reduction = guidance_reduction::none;

  Scale gamma{};

  void weights(step const& s, std::span<double> w) const {
    double const g = gamma(s);
    detail::require(std::isfinite(g), "diffx::guidance::d_cbg", "gamma", g, "finite");
    w[0] = 1.0;
    w[1] = g;
  }
};

d_cbg(double)->d_cbg<scale::constant>;
template <class Scale>
requires requires(Scale const& scale, step const& s) { scale(s); }
d_cbg(Scale)->d_cbg<Scale>;

static_assert(guidance_policy<d_cbg<>>);

}  // namespace diffx::guidance
