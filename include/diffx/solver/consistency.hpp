#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Multistep sampling of a consistency model: D(x) = x0, noised again to the next level, less the
/// noise that data at sigma_min still carries.
///
///     x_to = alpha_to (D + sqrt(max(rho_to, sigma_min)^2 - sigma_min^2) noise_scale xi)
///
/// with rho = sigma / alpha. N steps cost N evaluations; a step onto rho <= sigma_min, 0 included,
/// returns D. The boundary condition D(x, sigma_min) = x belongs to the network's prediction
/// type (prediction::consistency).
///
/// Source    Song et al. 2023, arXiv:2303.01469, Algorithm 1.
/// Units     sigma_min is an EDM sigma; 0 noises to the full level.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    sigma_min or noise_scale below 0 throws when the run is planned.
struct consistency {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::consistency";
  static constexpr std::string_view source = "arXiv:2303.01469";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double sigma_min = 0.002;
  double noise_scale = 1.0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::consistency";
    detail::require(sigma_min >= 0.0, where, "sigma_min", sigma_min, "at least 0");
    detail::require(noise_scale >= 0.0, where, "noise_scale", noise_scale, "at least 0");
    level const &from = c.from(), &to = c.to();
    // alpha_to sqrt(rho^2 - sigma_min^2), finite also onto alpha = 0.
    double const floor = to.alpha * sigma_min, sigma = std::max(to.sigma, floor);
    stage& s = out.evaluate(from, to);
    s.output = to.alpha;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t},
                  noise_scale * std::sqrt((sigma - floor) * (sigma + floor))};
  }
};

static_assert(solver_policy<consistency>);

}  // namespace diffx::solver
