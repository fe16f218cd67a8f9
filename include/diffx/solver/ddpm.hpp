#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace diffx::solver {

/// The variance of a DDPM step.
enum class ddpm_variance {
  small,    // of q(x_to | x, x0): sigma_to^2 (1 - e^{-2h})
  large,    // of q(x | x_to): sigma^2 (1 - e^{-2h}), beta on a variance-preserving path
  learned,  // small^{1 - f} large^f with f = (v + 1) / 2 and the network's second output v
};

/// Ancestral sampling from the DDPM posterior.
///
///     e    = e^{-2h} = (alpha sigma_to / (alpha_to sigma))^2
///     x_to = alpha_to (1 - e) x0 + (alpha / alpha_to) (sigma_to / sigma)^2 x + std xi
///
/// With the small variance this is DDIM with eta = 1.
///
/// N steps cost N evaluations. A step onto sigma = 0 adds no noise and returns the x0 prediction.
///
/// Source    Ho et al. 2020, arXiv:2006.11239, Eq. 7; Nichol & Dhariwal 2021, arXiv:2102.09672,
/// Eq. 15. Shapes    x, x0: [batch, features]; learned: the network writes [batch, 2 features].
/// Errors    an inversion, or a variance floor below 0, throws when the run is planned.
template <ddpm_variance Variance = ddpm_variance::small>
struct ddpm_of {
  using kind = solver_tag;
  static constexpr std::string_view name = Variance == ddpm_variance::small ? "solver::ddpm"
                                           : Variance == ddpm_variance::large
                                               ? "solver::ddpm_large"
                                               : "solver::ddpm_learned";
  static constexpr std::string_view source =
      Variance == ddpm_variance::learned ? "arXiv:2102.09672" : "arXiv:2006.11239";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;
  static constexpr bool learned_variance = Variance == ddpm_variance::learned;

  double variance_floor = 0.0;   // least small variance; code bases have 1e-20
  bool noise_onto_data = false;  // one code adds the floor, or the large variance, there too
  bool mean_at_end = false;      // no noise in the last step, wherever it goes

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(variance_floor >= 0.0, "diffx::solver::ddpm", "variance_floor", variance_floor,
                    "at least 0");
    if (c.grid.inverts()) detail::fail("diffx::solver::ddpm: cannot go from data to noise");
    level const &from = c.from(), &to = c.to();
    double const fresh = -std::expm1(-2.0 * c.step().h()), ratio = to.sigma / from.sigma;
    stage& s = out.evaluate(from, to);
    s.state[0] = from.alpha / to.alpha * ratio * ratio;
    s.output = to.alpha * fresh;

    bool const last = c.index + 1 == c.grid.steps();
    bool const noisy = (to.sigma > 0.0 || noise_onto_data) && !(mean_at_end && last);
    double const small = std::max(variance_floor, to.sigma * to.sigma * fresh);
    double const large = from.sigma * from.sigma * fresh;
    double std = 0.0;
    if (noisy) {
      if constexpr (Variance == ddpm_variance::learned) {
        detail::require(small > 0.0, "diffx::solver::ddpm", "variance_floor", variance_floor,
                        "above 0 where a learned variance goes onto data");
        std = 1.0;
        s.log_std = {0.25 * (std::log(large) + std::log(small)),
                     0.25 * (std::log(large) - std::log(small))};
      } else {
        std = std::sqrt(Variance == ddpm_variance::small ? small : large);
      }
    }
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, std};
  }
};

using ddpm = ddpm_of<>;
using ddpm_large = ddpm_of<ddpm_variance::large>;
using ddpm_learned = ddpm_of<ddpm_variance::learned>;

static_assert(solver_policy<ddpm> && solver_policy<ddpm_learned>);

}  // namespace diffx::solver
