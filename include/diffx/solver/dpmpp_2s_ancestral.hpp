#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/ancestral.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// DPM-Solver++(2S) ancestral: the 2S step to a level below the next one, and noise up to it.
///
///     s_up as in solver::euler_ancestral,   lambda_m = lambda + r (lambda_down - lambda)
///     y_m  = (s_m / s) y + (1 - s_m / s) D
///     y_to = (s_down / s) y + (1 - s_down / s) ((1 - 1/2r) D + D_m / 2r) + s_noise s_up xi
///
/// where y = x / alpha and D = x0. y is eliminated with the rule for y_m, so no state is saved.
///
/// N steps cost 2N evaluations, one less with a last step onto sigma = 0, which returns the x0
/// prediction.
///
/// Source    k-diffusion, sample_dpmpp_2s_ancestral; Lu et al. 2022, arXiv:2211.01095, Algorithm 1.
/// Shapes    x, x0: [batch, features]; one output kept within a step.
/// Errors    r outside (0, 1), eta or s_noise below 0, or an inversion, throws when planned.
struct dpmpp_2s_ancestral {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::dpmpp_2s_ancestral";
  static constexpr std::string_view source = "arXiv:2211.01095";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 2;  // weak: the noise keeps the law
  static constexpr int max_evals = 2;
  static constexpr int history = 1;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double eta = 1.0;
  double s_noise = 1.0;
  double r = 0.5;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::dpmpp_2s_ancestral";
    detail::require_ancestral(c, eta, s_noise, where);
    detail::require(r > 0.0 && r < 1.0, where, "r", r, "in (0, 1)");
    level const &from = c.from(), &to = c.to();
    auto const a = detail::split(c.step().h(), eta);
    noise_term const noise{{c.index, 0, 0, from.t, to.t}, s_noise * to.sigma * a.up};
    if (to.sigma == 0.0 || a.down == 0.0 || from.alpha == 0.0) {
      stage& s = out.evaluate(from, to);
      s.state[0] = to.sigma * a.down / from.sigma;
      s.output = to.alpha - s.state[0] * from.alpha;
      s.noise[0] = noise;
      return;
    }
    double const h = to.lambda - std::log(a.down) - from.lambda;
    level const middle = c.process.at_lambda(from.lambda + r * h);
    stage& first = out.evaluate(from, middle);
    first.keeps = true;
    first.state[0] = middle.sigma / from.sigma;
    double const reach = first.output = -middle.alpha * std::expm1(-r * h);
    stage& second = out.evaluate(middle, to);
    double const weight = -to.alpha * std::expm1(-h);
    second.state[0] = to.sigma * a.down / middle.sigma;
    second.output = weight / (2.0 * r);
    second.history[0] = weight * (1.0 - 1.0 / (2.0 * r)) - second.state[0] * reach;
    second.noise[0] = noise;
  }
};

static_assert(solver_policy<dpmpp_2s_ancestral>);

}  // namespace diffx::solver
