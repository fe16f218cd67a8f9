#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/gibbs.hpp>

#include <string_view>
#include <utility>

namespace diffx::solver {

/// A step of a solver of classes, and then sweeps of a corrector at the level it has reached. Every
/// sweep is an evaluation.
///
/// Nothing is corrected at alpha = 1, where the corrector has no noise to work with. N steps cost
/// N + Sweeps C evaluations, with C the steps that are corrected: the timetable's first
/// `corrected_steps`, or all but the last.
///
/// Requires  a predictor whose last weight is at least 0: that is how its stages are told apart.
/// Source    Campbell et al. 2022, arXiv:2205.14987; Gat et al. 2024, arXiv:2407.15595.
/// Shapes    those of the predictor.
/// Errors    those of the predictor and the corrector.
template <categorical_solver Predictor, class Corrector = gibbs, int Sweeps = 1>
struct predictor_corrector {
  static_assert(Sweeps >= 1 && Sweeps <= 64, "diffx: Sweeps must be in [1, 64].");
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::predictor_corrector";
  static constexpr std::string_view source = "arXiv:2205.14987";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool absorbing = Corrector::absorbing;
  static constexpr int order = Predictor::order;
  static constexpr int max_evals = Predictor::max_evals + Sweeps;

  Predictor predictor{};
  Corrector corrector{};
  int corrected_steps = -1;  // -1: all that can be

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    predictor.plan(c, out);
    if (c.to().sigma == 0.0) return;
    if (corrected_steps >= 0 && c.index >= corrected_steps) return;
    for (int i = 0; i < Sweeps; ++i) {
      corrector.plan(c, out);
      categorical_stage& s = out.stages().back();
      // Draws of their own after the predictor's.
      s.key = {c.index, (i + 1) * draws_of_a_stage, 0, c.to().t, c.to().t};
      s.weight.back() = correcting;
    }
  }

  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    if (w[3] == correcting) {
      return Corrector::template advance<Cavity>(w, law, now, row, words);
    }
    return Predictor::template advance<Cavity>(w, law, now, row, words);
  }

 private:
  static constexpr double correcting = -1.0;
  static constexpr int draws_of_a_stage = 16;
  static_assert(Corrector::draws <= draws_of_a_stage);
};

template <class P>
predictor_corrector(P) -> predictor_corrector<P>;
template <class P, class C>
predictor_corrector(P, C) -> predictor_corrector<P, C>;
template <class P, class C>
predictor_corrector(P, C, int) -> predictor_corrector<P, C>;

/// Steps of a run that has `budget` evaluations and corrects its first steps, `sweeps` times each:
/// as many of them as leave one step at the end without.
struct corrected_run {
  int steps = 0;
  int corrected = 0;
};
constexpr corrected_run split_budget(int budget, int sweeps) noexcept {
  int const corrected = sweeps > 0 ? (budget - 1) / (1 + sweeps) : 0;
  return {budget - sweeps * corrected, corrected};
}

}  // namespace diffx::solver
