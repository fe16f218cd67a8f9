#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Multistep sampling of a latent consistency model: the x0 estimate, tied to the state by the
/// boundary condition, is noised again to the next level.
///
///     s      = timestep_scaling timestep
///     d      = sigma_data^2 / (s^2 + sigma_data^2) x + s / sqrt(s^2 + sigma_data^2) x0
///     x_to   = alpha_to d + sigma_to xi
///
/// N steps cost N evaluations. A step onto sigma = 0 returns d. Clipping and thresholding act on
/// x0, before the boundary condition.
///
/// Source    Luo et al. 2023, arXiv:2310.04378, Algorithm 3 and Appendix; boundary condition of
///           Song et al. 2023, arXiv:2303.01469, Appendix C.
/// Units     timestep: the level's training index, as the network is told.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    sigma_data not above 0 throws when the run is planned.
struct lcm {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::lcm";
  static constexpr std::string_view source = "arXiv:2310.04378";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double timestep_scaling = 10.0;
  double sigma_data = 0.5;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(sigma_data > 0.0, "diffx::solver::lcm", "sigma_data", sigma_data, "above 0");
    level const &from = c.from(), &to = c.to();
    double const scaled = timestep_scaling * from.timestep;
    double const square = scaled * scaled + sigma_data * sigma_data;
    stage& s = out.evaluate(from, to);
    s.state[0] = to.alpha * sigma_data * sigma_data / square;
    s.output = to.alpha * scaled / std::sqrt(square);
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, to.sigma};
  }
};

static_assert(solver_policy<lcm>);

}  // namespace diffx::solver
