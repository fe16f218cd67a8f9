#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// One step along the bridges of a sphere with the directions of its start: the mean direction and
/// the noise of the whole step are those of the flat bridge, exactly,
///
///     x_s = exp_x((1 - sigma_s / sigma_t) sum_k p_k log_x(e_k) + sqrt(v) xi)
///     v   = S_s (S_t - S_s) / S_t,    S_t = int_0^t beta
///
/// with xi a standard normal, tangent at x. A step onto t = 0 goes all the way and adds no noise: a
/// sure network ends on its vertex, whatever the number of steps. On a circle (two coordinates) and
/// while the posterior stays as it is, any step is exact in law.
///
/// N steps cost N evaluations. The order is that of geodesic_random_walk; which constant is smaller
/// depends on the law. Few steps favour this one where the network is sure, the other where it is
/// not: here the last step decides for the likelier token.
///
/// Source    the walk of Jo & Hwang 2025, arXiv:2502.11564, with the coefficients of a Brownian
///           bridge.
/// Shapes    x: [batch, positions x width]; logits [batch, positions x tokens].
/// Errors    an inversion throws when the run is planned; a row of logits that is no distribution
///           (NaN, +inf, nothing but -inf) is reported with step, sample and position.
struct geodesic_bridge {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::geodesic_bridge";
  static constexpr std::string_view source = "arXiv:2502.11564";
  static constexpr bool on_sphere = true;
  static constexpr int order = 1;  // weak
  static constexpr int max_evals = 1;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    if (c.grid.inverts()) {
      detail::fail(
          "diffx::solver::geodesic_bridge: cannot go from data to noise; start::noised "
          "does");
    }
    auto const& schedule = c.process.schedule();
    categorical_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    double const now = c.from().sigma, then = c.to().sigma;
    // alpha_s - alpha_t where most of the noise is to come, sigma_t - sigma_s where little is.
    double const part = now > 0.5 ? c.to().alpha - c.from().alpha : now - then;
    s.weight = {part / now, std::sqrt(schedule.to_come(1.0) * then * part / now), 0.0, 0.0};
  }
};

static_assert(sphere_solver<geodesic_bridge>);

}  // namespace diffx::solver
