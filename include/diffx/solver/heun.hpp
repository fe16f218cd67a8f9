#pragma once

#include <diffx/solver/runge_kutta.hpp>

namespace diffx::solver {

/// Heun's second-order step for the probability-flow ODE, in y = x / alpha over s = sigma / alpha.
///
///     d    = eps(y, s)                     evaluation 0
///     y^   = y + (s' - s) d
///     d'   = eps(y^, s')                   evaluation 1
///     y'   = y + (s' - s) (d + d') / 2  =  (y + y^) / 2 + (s' - s) d' / 2
///
/// The last form needs no stored derivative: two states are read instead. A step onto sigma = 0 is
/// the Euler step alone and returns the x0 prediction, so N steps that end at 0 cost 2N - 1
/// evaluations.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Algorithm 1.
/// Shapes    x: [batch, features]; one more state of that shape.
/// Errors    alpha = 0 at the start throws when the run is planned.
using heun = runge_kutta<tableau::heun>;

/// The same in flow time, z = x / (alpha + sigma) over tau = sigma / (alpha + sigma), which may
/// start at alpha = 0.
using flow_heun = runge_kutta<tableau::heun, coordinate::flow_time>;

static_assert(solver_policy<heun> && heun::history == 0 && heun::states == 2);
static_assert(solver_policy<flow_heun>);

}  // namespace diffx::solver
