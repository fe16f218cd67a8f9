#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/langevin_corrector.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// S4: one evaluation of the score for a Langevin correction and a step, which is split in two
/// halves of drift and noise with the whole of the score between them.
///
///     S    = -eps / sigma at x                     one evaluation
///     x   <- x + c S + sqrt(2 c) xi                c = 2 a (snr |xi| / |S|)^2, not where snr = 0
///     x_m  = (alpha_m / alpha) x + alpha_m sqrt(r - r_m) xi_1,    r = (sigma / alpha)^2
///     x_k  = x_m + alpha_m^2 (r - r_to) S
///     x_to = (alpha_to / alpha_m) x_k + alpha_to sqrt(r_m - r_to) xi_2
///
/// with m half way in process time: both halves are the reverse SDE without its score, exactly, and
/// the kick is its diffusion over the step, seen from the middle. All three are one affine pass
/// with one variate. The norms are those of solver::langevin_corrector.
///
/// Published halves of the variance-preserving path have the variance of the process forwards,
/// 1 - (alpha / alpha_m)^2, and the published kick is g^2(t) dt: the same to first order in the
/// step, which is the order of the method, since the score is not asked for again in the middle.
///
/// N steps cost N evaluations. The last step of the timetable returns the mean after the second
/// half, without that half's noise, unless `noisy_end`.
///
/// Source    Jo et al. 2022 (GDSS), arXiv:2202.02514, Section 3.3.
/// Shapes    x, eps: [batch, features]; one output kept.
/// Errors    snr below 0, or an inversion, throws when the run is planned.
struct s4 {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::s4";
  static constexpr std::string_view source = "arXiv:2202.02514";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 1;
  static constexpr int states = 1;
  static constexpr int noises = 1;
  static constexpr bool pure_passes = true;
  static constexpr bool moves_by_norm = true;
  static constexpr int correction_draw = 16;

  double snr = 0.1;
  langevin_norms norms = langevin_norms::sample;
  bool noisy_end = false;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::s4";
    detail::require(snr >= 0.0, where, "snr", snr, "at least 0");
    if (c.grid.inverts()) detail::fail("diffx::solver::s4: cannot go from data to noise");
    level const &from = c.from(), &to = c.to();
    level const middle = c.process.at(0.5 * (from.t + to.t));
    auto const ratio = [](level const& l) { return l.sigma * l.sigma / (l.alpha * l.alpha); };
    detail::add_look(out, from);
    if (snr > 0.0) {
      detail::add_langevin(out, frame, from, to, c.index, correction_draw, snr, norms);
    }
    stage& s = out.pass(from, to);
    s.state[0] = to.alpha / from.alpha;
    double const kick = middle.alpha * middle.alpha * (ratio(from) - ratio(to));
    s.history[0] = -to.alpha / middle.alpha * kick / from.sigma;
    bool const last = c.index + 1 == c.grid.steps();
    double const end = last && !noisy_end ? ratio(middle) : ratio(to);
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, to.alpha * std::sqrt(ratio(from) - end)};
  }
};

static_assert(solver_policy<s4>);

}  // namespace diffx::solver
