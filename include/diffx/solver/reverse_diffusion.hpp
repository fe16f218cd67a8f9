#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// The reverse-diffusion predictor: the reverse SDE discretised like the forward chain.
///
///     G^2  = sigma_from^2 - (alpha_from sigma_to / alpha_to)^2
///     x_to = (2 - alpha_from / alpha_to) x + G^2 S + G xi,     S = -eps / sigma_from
///
/// On the variance-exploding path that is x + (sigma_from^2 - sigma_to^2) S + G xi; on the
/// variance-preserving one (2 - sqrt(1 - beta)) x + beta S + sqrt(beta) xi.
///
/// N steps cost N evaluations. The last step of the timetable returns the mean, without its noise,
/// unless `noisy_end`.
///
/// Source    Song et al. 2021, arXiv:2011.13456, Equation 46 and Algorithms 2 and 3.
/// Shapes    x, eps: [batch, features]; no history.
/// Errors    an inversion throws when the run is planned.
struct reverse_diffusion {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::reverse_diffusion";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  bool noisy_end = false;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    if (c.grid.inverts()) detail::fail("diffx::solver::reverse_diffusion: cannot go to noise");
    level const &from = c.from(), &to = c.to();
    double const g = from.sigma * detail::sqrt_one_minus_exp(2.0 * c.step().h());
    bool const last = c.index + 1 == c.grid.steps();
    stage& s = out.evaluate(from, to);
    s.state[0] = 2.0 - from.alpha / to.alpha;
    s.output = -g * g / from.sigma;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, last && !noisy_end ? 0.0 : g};
  }
};

static_assert(solver_policy<reverse_diffusion>);

}  // namespace diffx::solver
