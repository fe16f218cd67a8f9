#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Diffusion of the stochastic flow: g(tau)^2 = 2 strength tau; strength 0 is the Euler step.
struct sqrt_tau {
  double strength = 1.0;
  double square(double tau) const noexcept { return 2.0 * strength * tau; }
};
/// Constant diffusion: g(tau)^2 = value.
struct constant_diffusion {
  double value = 1.0;
  double square(double) const noexcept { return value; }
};

/// Euler-Maruyama on the stochastic differential equation with the marginals of a rectified flow.
///
///     S    = -eps / tau,   eps = x + (1 - tau) u,   d = tau_from - tau_to
///     x_to = x - u d + g^2 S d / 2 + g sqrt(d) xi
///
/// Any g leaves the marginals as they are; g = 0 is the flow's Euler step. N steps cost N
/// evaluations. The step onto tau = 0 takes g = 0: it returns the x0 prediction.
///
/// Source    Ma et al. 2024, arXiv:2401.08740 (SiT), Equations 6 and 9; Albergo et al. 2023,
///           arXiv:2303.08797.
/// Shapes    x, u: [batch, features]; no history.
/// Requires  the straight path alpha + sigma = 1, towards the data.
/// Errors    another path, an inversion, or g^2 below 0 throws when the run is planned.
template <class Diffusion = sqrt_tau>
struct stochastic_flow {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::stochastic_flow";
  static constexpr std::string_view source = "arXiv:2401.08740";
  static constexpr diffx::frame frame = diffx::frame::flow;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  Diffusion diffusion{};

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::stochastic_flow";
    level const &from = c.from(), &to = c.to();
    double const tau = from.sigma, d = tau - to.sigma;
    detail::require(std::fabs(from.alpha + from.sigma - 1.0) < 1e-9, where, "alpha + sigma",
                    from.alpha + from.sigma, "1: a rectified flow");
    if (c.grid.inverts()) detail::fail("diffx::solver::stochastic_flow: cannot go to noise");
    double const square = to.sigma == 0.0 ? 0.0 : diffusion.square(tau);
    detail::require(square >= 0.0, where, "g^2", square, "at least 0");
    double const pull = 0.5 * square * d / tau;  // weight of -eps
    stage& s = out.evaluate(from, to);
    s.state[0] = 1.0 - pull;
    s.output = -d - pull * from.alpha;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, std::sqrt(square * d)};
  }
};

static_assert(solver_policy<stochastic_flow<>>);

}  // namespace diffx::solver
