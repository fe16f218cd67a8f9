#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace diffx::detail {

/// A step of classes with one evaluation, at its start.
template <class Process>
categorical_stage& add_class_step(plan_context<Process> const& c, categorical_plan& out) {
  categorical_stage& s = out.evaluate(c.from(), c.to());
  s.key = {c.index, 0, 0, c.from().t, c.to().t};
  return s;
}

/// log(alpha_to / alpha_from), the total noise between two levels.
inline double noise_between(level const& from, level const& to) {
  double const lost = (from.sigma - to.sigma) / to.alpha;
  return lost < 0.5 ? -std::log1p(-lost) : std::log(to.alpha / from.alpha);
}

/// What solvers that go by rates or scores refuse.
inline void require_rates(std::string_view solver, bool inverts, level const& from) {
  if (inverts) {
    fail(std::string(solver) + ": cannot go from data to noise; start::noised does");
  }
  if (from.alpha == 0.0) {
    fail(std::string(solver) + ": a step starts at t = " + text(from.t) +
         " with alpha = 0, where the rates are infinite and scores say nothing; use a schedule "
         "that keeps some signal (schedule::log_linear{1e-3}) or start at a smaller t");
  }
}

}  // namespace diffx::detail
