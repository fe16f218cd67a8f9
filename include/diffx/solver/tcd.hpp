#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Strategic stochastic sampling of a trajectory consistency model: a jump to a cleaner level s,
/// then noise up to the next one.
///
///     s    = (1 - gamma) to                      in time; rounded down to a trained index
///     y    = alpha_s x0 + sigma_s eps
///     x_to = (alpha_to / alpha_s) y + sqrt(sigma_to^2 - (alpha_to sigma_s / alpha_s)^2) xi
///
/// gamma = 0 is DDIM, gamma = 1 noises the x0 prediction. N steps cost N evaluations. The run's
/// last step takes no noise (s is `to` there): onto sigma = 0 it returns the x0 prediction.
///
/// On a process with trained indices (`at_index`) s is floor((1 - gamma) i), as published; on any
/// other it is the time (1 - gamma) t.
///
/// Source    Zheng et al. 2024, arXiv:2402.19159, Algorithm 2.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    gamma outside [0, 1] throws when the run is planned.
struct tcd {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::tcd";
  static constexpr std::string_view source = "arXiv:2402.19159";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double gamma = 0.3;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(gamma >= 0.0 && gamma <= 1.0, "diffx::solver::tcd", "gamma", gamma,
                    "in [0, 1]");
    level const &from = c.from(), &to = c.to();
    bool const last = c.index + 1 == c.grid.steps();
    level const jump = gamma == 0.0 || last ? to : jump_level(c);
    double const direction = jump.sigma / from.sigma, keep = to.alpha / jump.alpha;
    double const variance = to.sigma * to.sigma - keep * keep * jump.sigma * jump.sigma;
    stage& s = out.evaluate(from, to);
    s.state[0] = keep * direction;
    s.output = keep * (jump.alpha - direction * from.alpha);
    double const spread = gamma == 0.0 || last || variance <= 0.0 ? 0.0 : std::sqrt(variance);
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, spread};
  }

 private:
  template <class Process>
  level jump_level(plan_context<Process> const& c) const {
    if constexpr (requires { c.process.at_index(0.0); }) {
      if (c.to().timestep <= 0.0) return c.to();
      return c.process.at_index(std::floor((1.0 - gamma) * c.to().timestep));
    } else {
      return c.process.at((1.0 - gamma) * c.to().t);
    }
  }
};

static_assert(solver_policy<tcd>);

}  // namespace diffx::solver
