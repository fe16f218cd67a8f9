#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/gibbs.hpp>

#include <string_view>

namespace diffx::solver {

/// A step of a solver of classes, and then sweeps of a corrector at the level that it has reached.
/// Every sweep is an evaluation.
///
/// Nothing is corrected at alpha = 1, where the corrector has no noise to work with. N steps cost
/// N + sweeps C evaluations, with C the steps that are corrected: the timetable's first
/// `corrected_steps`, or all that do not end at alpha = 1.
///
/// Source    Campbell et al. 2022, arXiv:2205.14987; Gat et al. 2024, arXiv:2407.15595.
/// Shapes    those of the predictor.
/// Errors    those of the predictor and the corrector; sweeps outside [0, 256] throw when the run
/// is
///           planned.
template <categorical_solver Predictor, class Corrector = gibbs<>>
struct predictor_corrector {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::predictor_corrector";
  static constexpr std::string_view source = "arXiv:2205.14987";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool absorbing = Corrector::absorbing;
  static constexpr int order = Predictor::order;
  static constexpr int max_evals = Predictor::max_evals + 1;  // of a step with one sweep
  using predictor_type = Predictor;
  using corrector_type = Corrector;

  Predictor predictor{};
  Corrector corrector{};
  int sweeps = 1;            // after every corrected step
  int corrected_steps = -1;  // -1: all that can be

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    detail::require(sweeps >= 0 && sweeps <= max_sweeps, "diffx::solver::predictor_corrector",
                    "sweeps", sweeps, "in [0, 256]");
    predictor.plan(c, out);
    if (c.to().sigma == 0.0 || (corrected_steps >= 0 && c.index >= corrected_steps)) return;
    for (int i = 0; i < sweeps; ++i) {
      corrector.plan(c, out);
      // Draws of their own, after the predictor's.
      out.stages().back().key = {c.index, first_draw + i * Corrector::draws, 0, c.to().t, c.to().t};
    }
  }

  /// True of a stage that the corrector takes.
  static bool corrects(categorical_stage const& s) noexcept { return s.key.draw >= first_draw; }

 private:
  static constexpr int first_draw = 16;
  static constexpr int max_sweeps = 256;
  static_assert(first_draw + max_sweeps * Corrector::draws <= noise::max_draw);
};

template <class P>
predictor_corrector(P) -> predictor_corrector<P>;
template <class P, class C>
predictor_corrector(P, C) -> predictor_corrector<P, C>;
template <class P, class C>
predictor_corrector(P, C, int) -> predictor_corrector<P, C>;
template <class P, class C>
predictor_corrector(P, C, int, int) -> predictor_corrector<P, C>;

/// A run of `budget` evaluations whose first steps are corrected, `sweeps` times each: as many of
/// them as leave one step at the end without.
struct corrected_run {
  int steps = 0;
  int corrected_steps = 0;

  static constexpr corrected_run of(int budget, int sweeps) noexcept {
    int const corrected = sweeps > 0 ? (budget - 1) / (1 + sweeps) : 0;
    return {budget - sweeps * corrected, corrected};
  }
};

}  // namespace diffx::solver
