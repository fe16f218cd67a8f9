#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/reverse_diffusion.hpp>

#include <cmath>
#include <string_view>

namespace diffx::detail {

/// A Langevin step from the output kept last, 2 a (snr |xi| / |S|)^2 long.
inline void add_langevin(diffx::plan& out, frame works_in, level const& from, level const& to,
                         int index, int draw, double snr, langevin_norms norms) {
  double const square = from.sigma * from.sigma, slope = from.alpha / to.alpha;
  double const of_state = works_in == frame::x0 ? -1.0 / square : 0.0;
  double const of_output = works_in == frame::x0 ? from.alpha / square : -1.0 / from.sigma;
  double const scale = 2.0 * slope * slope * snr * snr;
  stage& s = out.pass(from, from);
  s.noise[0] = {{index, draw, 0, from.t, from.t}, 0.0};
  if (norms == langevin_norms::level) {
    double const c = scale * square;
    s.state[0] = 1.0 + c * of_state;
    s.history[0] = c * of_output;
    s.noise[0].weight = std::sqrt(2.0 * c);
    return;
  }
  s.state[0] = of_state;
  s.history[0] = of_output;
  s.langevin = scale;
  s.norms = norms;
}

/// An evaluation whose output is kept, while the state stays as it is.
inline void add_look(diffx::plan& out, level const& from) {
  stage& s = out.evaluate(from, from);
  s.keeps = true;
  s.state[0] = 1.0;
}

}  // namespace diffx::detail

namespace diffx::solver {

/// Predictor-corrector sampling: Langevin steps at each level, whose length follows from the norms
/// of noise and score, then the predictor's step to the next level.
///
///     Corrections times:  c = 2 a (snr |xi| / |S|)^2,   x <- x + c S + sqrt(2 c) xi
///     then:               x <- predictor(x)
///
/// with S = -eps / sigma, and a = (alpha_from / alpha_to)^2, which is 1 on the variance-exploding
/// path and 1 - beta on the variance-preserving one. The norms are
///
///     batch    the means over the batch, as published: a sample depends on its batch
///     sample   |S| of the sample, and the root of its number of elements for |xi|
///     level    |xi| / |S| = sigma, which is so where the prediction of eps has the norm of noise:
///              an affine step
///
/// The first two leave a law of the state a little wrong, since the length depends on the state.
/// Elements that are fixed (options.fixed) count in no norm.
///
/// N steps cost N (Corrections + the predictor's) evaluations. The corrections' draws have numbers
/// first_draw, first_draw + 1, ... within their step. Each costs one pass more than an ordinary
/// step, since the norm must be known before the state moves, and off the host `batch` waits, where
/// the execution object reads back.
///
/// Source    Song et al. 2021, arXiv:2011.13456, Algorithms 2 to 5 (snr 0.16 VE, 0.01 VP).
/// Shapes    x, score: [batch, features]; one output kept.
/// Errors    snr not above 0, or an inversion, throws when the run is planned.
template <class Predictor = reverse_diffusion, int Corrections = 1>
struct langevin_corrector {
  static_assert(Corrections >= 1, "diffx::solver::langevin_corrector: at least one correction.");
  static_assert(Predictor::history == 0 && Predictor::states == 1,
                "diffx::solver::langevin_corrector: the corrections move the state between the "
                "predictor's steps, so the predictor must be one without memory, such as "
                "solver::reverse_diffusion or solver::ddim.");
  static_assert(Predictor::frame != diffx::frame::flow,
                "diffx::solver::langevin_corrector: the predictor works in x0 or eps.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::langevin_corrector";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr diffx::frame frame = Predictor::frame;
  static constexpr int order = Predictor::order;
  static constexpr int max_evals = Corrections + Predictor::max_evals;
  static constexpr int history = 1;
  static constexpr int states = 1;
  static constexpr int noises = Predictor::noises > 0 ? Predictor::noises : 1;
  static constexpr bool pure_passes = true;
  static constexpr bool moves_by_norm = true;
  static constexpr int first_draw = 16;

  double snr = 0.16;
  Predictor predictor{};
  langevin_norms norms = langevin_norms::batch;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(snr > 0.0, "diffx::solver::langevin_corrector", "snr", snr, "above 0");
    if (c.grid.inverts()) {
      detail::fail("diffx::solver::langevin_corrector: cannot go from data to noise");
    }
    for (int k = 0; k < Corrections; ++k) {
      detail::add_look(out, c.from());
      detail::add_langevin(out, frame, c.from(), c.to(), c.index, first_draw + k, snr, norms);
    }
    predictor.plan(c, out);
  }
};

static_assert(solver_policy<langevin_corrector<>>);

}  // namespace diffx::solver
