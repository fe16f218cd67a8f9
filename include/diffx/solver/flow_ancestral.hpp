#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/ancestral.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Euler ancestral in flow time: z = x / (alpha + sigma) over tau = sigma / (alpha + sigma), which
/// on the straight path are x and sigma themselves.
///
///     tau_d = tau_to (1 + (tau_to / tau - 1) eta)
///     z_d   = (tau_d / tau) z + (1 - tau_d / tau) x0
///     z_to  = k z_d + s_noise sqrt(tau_to^2 - (k tau_d)^2) xi,   k = (1 - tau_to) / (1 - tau_d)
///
/// N steps cost N evaluations. A step onto sigma = 0 returns the x0 prediction. With eta = 0 it is
/// the Euler step.
///
/// Source    the rectified-flow form of k-diffusion's Euler ancestral, as in ComfyUI and LTX-Video.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    eta outside [0, 1], s_noise below 0, or an inversion, throws when the run is planned.
struct flow_ancestral {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::flow_ancestral";
  static constexpr std::string_view source = "k-diffusion";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double eta = 1.0;
  double s_noise = 1.0;
  double guard = 0.0;  // added to 1 - tau_d and to its square; one code has 1e-12

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require_ancestral(c, eta, s_noise, "diffx::solver::flow_ancestral");
    detail::require(eta <= 1.0, "diffx::solver::flow_ancestral", "eta", eta, "in [0, 1]");
    level const &from = c.from(), &to = c.to();
    stage& s = out.evaluate(from, to);
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, 0.0};
    if (to.sigma == 0.0) {
      s.output = to.alpha;
      return;
    }
    double const scale_from = from.alpha + from.sigma, scale_to = to.alpha + to.sigma;
    double const tau = from.sigma / scale_from, next = to.sigma / scale_to;
    double const down = next * (1.0 + (next / tau - 1.0) * eta);
    double const ratio = down / tau, rest = 1.0 - down;
    double keep = 1.0;
    if (eta > 0.0) {
      keep = (1.0 - next) / (rest + guard);
      double const kept = down * (1.0 - next) / std::sqrt(rest * rest + guard);
      double const variance = std::max(0.0, (next - kept) * (next + kept));
      s.noise[0].weight = s_noise * scale_to * std::sqrt(variance);
    }
    s.state[0] = scale_to * keep * ratio / scale_from;
    s.output = scale_to * keep * (1.0 - ratio);
  }
};

static_assert(solver_policy<flow_ancestral>);

}  // namespace diffx::solver
