#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/ancestral.hpp>

#include <string_view>

namespace diffx::solver {

/// Euler ancestral: an Euler step to a level below the next one, and noise up to it.
///
///     s_up   = s_to min(1, eta sqrt(1 - (s_to / s)^2)),   s_down = sqrt(s_to^2 - s_up^2)
///     x_to   = alpha_to (y + (s_down - s) eps + s_noise s_up xi),   y = x / alpha, s = sigma /
///     alpha
///
/// For eta <= 1 this is DDIM of that eta, with the noise times s_noise. With eta = infinity all the
/// noise is new: x_to = alpha_to x0 + sigma_to xi.
///
/// N steps cost N evaluations. A step onto sigma = 0 returns the x0 prediction.
///
/// Source    k-diffusion, sample_euler_ancestral; the law of arXiv:2010.02502, Eq. 12 and 16.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    eta or s_noise below 0, or an inversion, throws when the run is planned.
struct euler_ancestral {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::euler_ancestral";
  static constexpr std::string_view source = "arXiv:2010.02502";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double eta = 1.0;
  double s_noise = 1.0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require_ancestral(c, eta, s_noise, "diffx::solver::euler_ancestral");
    level const &from = c.from(), &to = c.to();
    auto const a = detail::split(c.step().h(), eta);
    stage& s = out.evaluate(from, to);
    s.state[0] = to.sigma * a.down / from.sigma;
    s.output = to.alpha - s.state[0] * from.alpha;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, s_noise * to.sigma * a.up};
  }
};

static_assert(solver_policy<euler_ancestral>);

}  // namespace diffx::solver
