#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/normalised.hpp>
#include <diffx/solver/churn.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Euler with EDM's churn as one widely used library has it: the network is asked before the noise
/// is put back, and its output is read as if it had been asked after.
///
///     p    = network(x, s),   s^ as in solver::churn
///     y^   = y + S_noise sqrt(s^^2 - s^2) xi
///     x0   = a y^ + b p       with the prediction's coefficients at s^
///     y_to = (s_to / s^) y^ + (1 - s_to / s^) x0
///
/// To compare with that library only; solver::churn<solver::euler> is the published algorithm. The
/// prediction must be the network's own, since it says how much of the noise x0 carries.
///
/// N steps cost N evaluations, with no extra pass.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Algorithm 2, of which this departs as said.
/// Shapes    x, x0: [batch, features]; no history.
/// Requires  levels with alpha = 1, as that library has them.
/// Errors    churn or s_noise below 0, from > to, or alpha other than 1 throws when the run is
/// planned.
template <prediction_policy Prediction = prediction::normalised<prediction::eps>>
struct late_churn {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::late_churn";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  Prediction prediction{};
  churn_amount amount{};
  bool reads_at_start = false;  // coefficients of s instead of s^, as it does for v

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    amount.check("diffx::solver::late_churn");
    level const &from = c.from(), &to = c.to();
    detail::require(from.alpha == 1.0 && to.alpha == 1.0, "diffx::solver::late_churn", "alpha",
                    from.alpha, "1 at every level");
    double const s = from.edm_sigma();
    double const gamma = amount.gamma(s, c.grid.steps());
    level const up = gamma == 0.0 ? from : c.process.at_lambda(from.lambda - std::log1p(gamma));
    double const noise = amount.s_noise * s * std::sqrt(gamma * (2.0 + gamma));
    double const keep = to.sigma / up.sigma, rest = 1.0 - keep;
    stage& one = out.evaluate(from, to);
    one.convert = reads_at_start ? from : up;
    // x0 of y^ is that of y plus a times the noise.
    double const carried = prediction.to(diffx::frame::x0, one.convert).state;
    one.state[0] = keep;
    one.output = rest;
    one.noise[0] = {{c.index, 0, 0, from.t, up.t}, noise * (keep + rest * carried)};
  }
};

static_assert(solver_policy<late_churn<>>);

}  // namespace diffx::solver
