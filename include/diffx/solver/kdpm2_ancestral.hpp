#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/ancestral.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// KDPM2 ancestral: the KDPM2 step to a level below the next one, and noise up to it.
///
///     s_up as in solver::euler_ancestral,   s_m = sqrt(s s_down)
///     y_m  = y + (s_m - s) eps(y, s),   y_to = y + (s_down - s) eps(y_m, s_m) + s_noise s_up xi
///
/// N steps cost 2N evaluations, one less with a last step onto sigma = 0, which returns the x0
/// prediction.
///
/// Source    k-diffusion, sample_dpm_2_ancestral; arXiv:2206.00364 for the step.
/// Shapes    x, eps: [batch, features]; one more state of that shape.
/// Errors    eta or s_noise below 0, an inversion, or alpha = 0 at the start throws when planned.
struct kdpm2_ancestral {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::kdpm2_ancestral";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 2;  // weak: the noise keeps the law
  static constexpr int max_evals = 2;
  static constexpr int history = 0;
  static constexpr int states = 2;
  static constexpr int noises = 1;

  double eta = 1.0;
  double s_noise = 1.0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::kdpm2_ancestral";
    detail::require_ancestral(c, eta, s_noise, where);
    level const &from = c.from(), &to = c.to();
    detail::require(from.alpha > 0.0, where, "alpha at the start", from.alpha, "above 0");
    auto const a = detail::split(c.step().h(), eta);
    noise_term const noise{{c.index, 0, 0, from.t, to.t}, s_noise * to.sigma * a.up};
    double const down = to.sigma * a.down;  // sigma at the path's alpha_to
    if (down == 0.0) {
      stage& s = out.evaluate(from, to);
      s.state[0] = to.alpha / from.alpha;
      s.output = -s.state[0] * from.sigma;
      s.noise[0] = noise;
      return;
    }
    double const lambda_down = to.lambda - std::log(a.down);
    level const middle = c.process.at_lambda(0.5 * (from.lambda + lambda_down));
    stage& first = out.evaluate(from, middle);
    first.retains = true;
    first.state[0] = middle.alpha / from.alpha;
    first.output = middle.sigma - first.state[0] * from.sigma;
    stage& second = out.evaluate(middle, to);
    second.state[1] = to.alpha / from.alpha;
    second.output = down - second.state[1] * from.sigma;
    second.noise[0] = noise;
  }
};

static_assert(solver_policy<kdpm2_ancestral>);

}  // namespace diffx::solver
