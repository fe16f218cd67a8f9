#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <string_view>

namespace diffx::solver {

/// DDIM inversion: the deterministic DDIM step from data towards noise, with the network asked at
/// the level where the step goes.
///
///     eps  = network(x, t_to), read at the level of x
///     x_to = (alpha_to / alpha) x + (sigma_to - alpha_to sigma / alpha) eps
///
/// Asking at t_to makes the step that of DDIM read backwards at the same network time; it is exact
/// only where eps does not change on the way. `asks_at_start` asks at the level of x instead.
///
/// N steps cost N evaluations. The run may start at sigma = 0; it goes on a timetable from data to
/// noise.
///
/// Source    Song et al. 2021, arXiv:2010.02502, section 4.3; Mokady et al. 2022, arXiv:2211.09794.
/// Shapes    x, eps: [batch, features]; no history.
/// Requires  an eps, v or flow network where the run starts at sigma = 0: x0 says nothing about eps
///           there.
/// Errors    a timetable from noise to data throws when the run is planned.
struct ddim_inverse {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::ddim_inverse";
  static constexpr std::string_view source = "arXiv:2010.02502";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  bool asks_at_start = false;
  bool keeps_raw_eps = false;  // as solver::ddim: a hook on x0 does not change eps

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    if (!c.grid.inverts()) {
      detail::fail("diffx::solver::ddim_inverse: goes from data to noise; use solver::ddim here");
    }
    level const &from = c.from(), &to = c.to();
    stage& s = out.evaluate(asks_at_start ? from : to, to);
    s.convert = from;
    s.state[0] = to.alpha / from.alpha;
    s.output = to.sigma - to.alpha * from.sigma / from.alpha;
    if (from.sigma == 0.0) {
      s.hook = to.alpha;  // eps cannot follow the hooked x0 = x
    } else if (keeps_raw_eps) {
      s.hook = to.sigma * from.alpha / from.sigma;
    }
  }
};

static_assert(solver_policy<ddim_inverse>);

}  // namespace diffx::solver
