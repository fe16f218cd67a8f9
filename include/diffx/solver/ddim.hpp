#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <cmath>

namespace diffx::solver {

/// DDIM with stochasticity eta: deterministic at 0, DDPM's ancestral step at 1.
///
///     w    = eta sigma_to sqrt(1 - e^{-2h})
///     x_to = alpha_to x0 + sqrt(sigma_to^2 - w^2) eps + w xi
///
/// N steps cost N evaluations. A step onto sigma = 0 returns the x0 prediction.
///
/// Source    Song, Meng & Ermon 2021, arXiv:2010.02502, Eq. 12 and 16.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    eta outside [0, 1], eta above 0 on an inversion, or a start at sigma = 0 throws when
/// the
///           run is planned; solver::ddim_inverse starts at sigma = 0.
struct ddim {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::ddim";
  static constexpr std::string_view source = "arXiv:2010.02502";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double eta = 0.0;
  // The direction eps may be recomputed from the hooked (clipped) x0, as here, or kept as the
  // network gave it, as one widely used code does.
  bool keeps_raw_eps = false;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(eta >= 0.0 && eta <= 1.0, "diffx::solver::ddim", "eta", eta, "in [0, 1]");
    detail::require_denoising(c, eta, "diffx::solver::ddim");
    level const from = c.from(), to = c.to();
    detail::require(from.sigma > 0.0, "diffx::solver::ddim", "sigma at the start", from.sigma,
                    "above 0");
    stage& s = out.evaluate(from, to);
    double const w =
        eta == 0.0 ? 0.0 : eta * to.sigma * detail::sqrt_one_minus_exp(2.0 * c.step().h());
    double const direction = std::sqrt(to.sigma * to.sigma - w * w) / from.sigma;
    s.state[0] = direction;
    s.output = to.alpha - direction * from.alpha;
    if (keeps_raw_eps) s.hook = direction * from.alpha;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, w};
  }
};

static_assert(solver_policy<ddim>);

}  // namespace diffx::solver
