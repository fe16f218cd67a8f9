#pragma once

#include <diffx/concepts/prediction.hpp>
#include <diffx/concepts/solver.hpp>

namespace diffx::rule {

template <class Solver, class Prediction>
inline constexpr bool solver_reads_prediction =
    !class_prediction<Prediction> || !categorical_solver<Solver> ||
    (scores_classes<Prediction> ? takes_scores<Solver> : takes_laws<Solver>);

template <class Solver, class Prediction>
struct solver_and_prediction_must_fit {
  static_assert(solver_reads_prediction<Solver, Prediction>,
                "diffx: one of the two speaks of concrete scores and the other of the law of the "
                "data class. prediction::concrete_score goes with solver::tweedie, the exact step, "
                "or solver::euler_ctmc and solver::tau_leaping; prediction::x0_posterior and "
                "prediction::x0_cavity go with solver::ancestral, the exact step, or the latter "
                "two. The two policies are the arguments of solver_and_prediction_must_fit<...>.");
};

}  // namespace diffx::rule
