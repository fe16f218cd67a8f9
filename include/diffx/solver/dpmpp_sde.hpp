#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <array>
#include <span>
#include <string_view>

namespace diffx::solver {

/// How the two stages of DPM-Solver++ SDE share their noise.
enum class stage_noise {
  same_path,    // both stages are driven by one path: weak order 2
  independent,  // each stage draws its own, as golden vectors of one library have it: weak order 1
};

/// DPM-Solver++ SDE (singlestep, order 2): the reverse SDE with an evaluation at
/// lambda_m = lambda + r h.
///
///     x_m  = (sigma_m / sigma) e^{-eta^2 r h} x + alpha_m (1 - e^{-k r h}) D + N_m
///     x_to = (sigma_to / sigma) e^{-eta^2 h} x + alpha_to (1 - e^{-k h}) ((1 - 1/2r) D + D_m / 2r)
///     + N k    = 1 + eta^2,   Var N = sigma_to^2 (1 - e^{-2 eta^2 h}), Var N_m likewise
///
/// On the same path N = (sigma_to / sigma_m) e^{-eta^2 (1 - r) h} N_m + the noise of the second
/// part. x is eliminated with the rule for x_m, so no state is saved.
///
/// N steps cost 2N evaluations, one less with a last step onto sigma = 0, which returns the x0
/// prediction.
///
/// Source    Lu et al. 2022, arXiv:2211.01095, section 6; k-diffusion, sample_dpmpp_sde.
/// Shapes    x, x0: [batch, features]; one output kept within a step.
/// Errors    r outside (0, 1), eta or s_noise below 0, or an inversion, throws when planned.
template <stage_noise Noise = stage_noise::same_path>
struct dpmpp_sde_of {
  static constexpr bool shares = Noise == stage_noise::same_path;

  using kind = solver_tag;
  static constexpr std::string_view name =
      shares ? "solver::dpmpp_sde" : "solver::dpmpp_sde_independent";
  static constexpr std::string_view source = "arXiv:2211.01095";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = shares ? 2 : 1;
  static constexpr int max_evals = 2;
  static constexpr int history = 1;
  static constexpr int states = 1;
  static constexpr int noises = shares ? 1 : 2;

  double eta = 1.0;
  double s_noise = 1.0;
  double r = 0.5;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::dpmpp_sde";
    detail::require(eta >= 0.0, where, "eta", eta, "at least 0");
    detail::require(s_noise >= 0.0, where, "s_noise", s_noise, "at least 0");
    detail::require(r > 0.0 && r < 1.0, where, "r", r, "in (0, 1)");
    detail::require_denoising(c, eta, where);
    level const &from = c.from(), &to = c.to();
    double const rate = eta * eta;
    if (to.sigma == 0.0 || from.alpha == 0.0) {
      auto const e = detail::exponential(frame, from, to, rate, 1);
      stage& s = out.evaluate(from, to);
      s.state[0] = e.state;
      s.output = e.moment[0];
      s.noise[0] = {{c.index, 0, 0, from.t, to.t}, s_noise * e.noise};
      return;
    }
    std::array<level, 3> const point{from, c.process.at_lambda(from.lambda + r * c.step().h()), to};
    level const& middle = point[1];
    constexpr auto form = detail::block_form::midpoint;
    auto const one = detail::exponential_block(frame, std::span(point.data(), 2), rate, form);
    auto const two = detail::exponential_block(frame, point, rate, form);
    stage& first = out.evaluate(from, middle);
    first.keeps = true;
    first.state[0] = one.state;
    first.output = one.output[0];
    first.noise[0] = {{c.index, 0, 0, from.t, middle.t}, s_noise * one.noise};
    noise_term const earlier = first.noise[0];
    stage& second = out.evaluate(middle, to);
    second.state[0] = two.state;
    second.output = two.output[0];
    second.history[0] = two.output[1];
    if constexpr (shares) {
      double const part = detail::exponential(frame, middle, to, rate, 1).noise;
      second.noise[0] = {{c.index, 1, 0, middle.t, to.t}, s_noise * part};
    } else {
      second.noise[0] = {{c.index, 1, 0, from.t, to.t}, s_noise * two.noise};
      second.noise[1] = {earlier.key, s_noise * two.past_noise};
    }
  }
};

using dpmpp_sde = dpmpp_sde_of<>;

static_assert(solver_policy<dpmpp_sde> && solver_policy<dpmpp_sde_of<stage_noise::independent>>);

}  // namespace diffx::solver
