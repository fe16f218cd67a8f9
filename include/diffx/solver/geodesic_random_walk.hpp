#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// The Euler step of the bridges of a sphere, along a geodesic:
///
///     x_s = exp_x(pull(t) h sum_k p_k log_x(e_k) + sqrt(beta(t) h) xi),    h = t - s
///
/// with xi a standard normal, tangent at x. N steps cost N evaluations. The last step adds noise as
/// any other; the token is read from the point (domain::text::to_tokens).
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564; there the last time is 1e-5.
/// Shapes    x: [batch, positions x width]; logits [batch, positions x tokens].
/// Errors    an inversion throws when the run is planned; a row of logits that is no distribution
///           (NaN, +inf, nothing but -inf) is reported with step, sample and position.
struct geodesic_random_walk {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::geodesic_random_walk";
  static constexpr std::string_view source = "arXiv:2502.11564";
  static constexpr bool on_sphere = true;
  static constexpr int order = 1;  // weak
  static constexpr int max_evals = 1;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    if (c.grid.inverts()) {
      detail::fail(
          "diffx::solver::geodesic_random_walk: cannot go from data to noise; "
          "start::noised does");
    }
    auto const& schedule = c.process.schedule();
    double const t = c.from().t, h = t - c.to().t;
    categorical_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, t, c.to().t};
    s.weight = {schedule.pull(t) * h, std::sqrt(schedule.beta(t) * h), 0.0, 0.0};
  }
};

static_assert(sphere_solver<geodesic_random_walk>);

}  // namespace diffx::solver
