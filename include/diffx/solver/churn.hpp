#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/heun.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>
#include <vector>

namespace diffx::solver {

/// How much noise EDM's stochastic sampler puts back before a step.
struct churn_amount {
  double churn = 0.0;  // S_churn: of the whole run
  double from = 0.0;   // S_min, S_max: levels s = sigma / alpha where noise is put back
  double to = std::numeric_limits<double>::infinity();
  double s_noise = 1.0;  // S_noise

  void check(std::string_view where) const {
    detail::require(churn >= 0.0, where, "churn", churn, "at least 0");
    detail::require(s_noise >= 0.0, where, "s_noise", s_noise, "at least 0");
    detail::require(from <= to, where, "from", from, "at most to = " + detail::text(to));
  }
  /// Relative rise of s in one of `steps` steps.
  double gamma(double s, int steps) const noexcept {
    return s >= from && s <= to ? std::min(churn / steps, std::numbers::sqrt2 - 1.0) : 0.0;
  }
};

/// EDM's stochastic sampler: noise up to a higher level, then a step of a deterministic solver.
///
///     gamma = min(S_churn / N, sqrt 2 - 1) for S_min <= s <= S_max, else 0;   s^ = (1 + gamma) s
///     y^    = y + S_noise sqrt(s^^2 - s^2) xi,   then Inner from s^,   y = x / alpha
///
/// A step costs what Inner's costs, and one pass without an evaluation where gamma > 0.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Algorithm 2.
/// Shapes    those of Inner; no history.
/// Requires  a process that reaches s^; keep S_max (1 + gamma) below its largest s.
/// Errors    churn or s_noise below 0, from > to, or an inversion, throws when the run is planned.
template <class Inner = heun>
struct churn {
  static_assert(
      Inner::noises == 0,
      "diffx::solver::churn<Inner>: Inner must be a deterministic one-step solver, such as "
      "solver::heun or solver::euler; churn brings the noise.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::churn";
  static constexpr std::string_view source = "arXiv:2206.00364, Algorithm 2";
  static constexpr diffx::frame frame = Inner::frame;
  static constexpr int order = Inner::order;  // weak: the noise keeps the law
  static constexpr int max_evals = Inner::max_evals;
  static constexpr int history = Inner::history;
  static constexpr int states = Inner::states;
  static constexpr int noises = 1;
  static constexpr bool pure_passes = true;

  Inner inner{};
  churn_amount amount{};

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    amount.check("diffx::solver::churn");
    if (c.grid.inverts()) detail::fail("diffx::solver::churn: cannot go from data to noise");
    level const& from = c.from();
    double const s = from.edm_sigma();
    double const gamma = amount.gamma(s, c.grid.steps());
    if (gamma == 0.0) {
      inner.plan(c, out);
      return;
    }
    level const up = c.process.at_lambda(from.lambda - std::log1p(gamma));
    stage& pass = out.pass(from, up);
    pass.state[0] = up.alpha / from.alpha;
    // s^^2 - s^2 = s^2 gamma (2 + gamma)
    pass.noise[0] = {{c.index, 0, 0, from.t, up.t},
                     amount.s_noise * up.alpha * s * std::sqrt(gamma * (2.0 + gamma))};
    timetable const own(std::vector<level>{up, c.to()});
    inner.plan(plan_context<Process>{c.process, own, 0, 0, 0}, out);
  }
};

static_assert(solver_policy<churn<>>);

}  // namespace diffx::solver
