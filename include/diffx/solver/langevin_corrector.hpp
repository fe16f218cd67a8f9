#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/reverse_diffusion.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>

namespace diffx::solver {

/// Predictor-corrector sampling: Langevin steps at each level, whose length follows from the norms
/// of noise and score, then the predictor's step to the next level.
///
///     Corrections times:  c = 2 a (snr mean |xi| / mean |S|)^2,   x <- x + c S + sqrt(2 c) xi
///     then:               x <- predictor(x)
///
/// with S = -eps / sigma, Euclidean norms per sample averaged over the batch, and a = (alpha_from /
/// alpha_to)^2, which is 1 on the variance-exploding path and 1 - beta on the variance-preserving
/// one. The means make a sample depend on its batch, as published.
///
/// N steps cost N (Corrections + the predictor's) evaluations. The corrections' draws have numbers
/// first_draw, first_draw + 1, ... within their step. Each costs one pass more than an ordinary
/// step, since the norm must be known before the state moves, and off the host it waits.
///
/// Source    Song et al. 2021, arXiv:2011.13456, Algorithms 2 to 5 (snr 0.16 VE, 0.01 VP).
/// Shapes    x, score: [batch, features]; one output kept.
/// Errors    snr not above 0, or an inversion, throws at the first step.
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
  static constexpr bool reads_device = true;
  static constexpr bool pure_passes = true;
  static constexpr int first_draw = 16;

  double snr = 0.16;
  Predictor predictor{};

  /// One step. It goes on from the stage where a throwing denoiser left it.
  template <class Run>
  bool advance(Run& run) const {
    detail::require(snr > 0.0, "diffx::solver::langevin_corrector", "snr", snr, "above 0");
    if (run.grid().inverts()) {
      detail::fail("diffx::solver::langevin_corrector: cannot go from data to noise");
    }
    while (run.stage_index() < 2 * Corrections) {
      if (run.stage_index() % 2 == 0) {
        look(run);
      } else {
        correct(run);
      }
    }
    diffx::plan plan;
    using process = std::remove_cvref_t<decltype(run.process())>;
    int const index = run.current_step().index;
    predictor.plan(
        plan_context<process>{run.process(), run.grid(), index, run.first_step(), run.last_step()},
        plan);
    auto const& stages = plan.stages();
    for (auto k = static_cast<std::size_t>(run.stage_index() - 2 * Corrections); k < stages.size();
         ++k) {
      run.execute(stages[k], k + 1 == stages.size());
    }
    return true;
  }

 private:
  /// Evaluates and keeps the output; the state stays as it is.
  template <class Run>
  static void look(Run& run) {
    diffx::plan plan;
    level const from = run.current_step().from;
    stage& s = plan.evaluate(from, from);
    s.keeps = true;
    s.state[0] = 1.0;
    run.execute(s, true);
  }

  template <class Run>
  void correct(Run& run) const {
    auto& block = run.block();
    using T = typename std::remove_cvref_t<decltype(block)>::value_type;
    diffx::step const step = run.current_step();
    level const &from = step.from, &to = step.to;
    // The score in terms of the state and the kept output.
    double const square = from.sigma * from.sigma;
    double const of_state = frame == diffx::frame::x0 ? -1.0 / square : 0.0;
    double const of_output = frame == diffx::frame::x0 ? from.alpha / square : -1.0 / from.sigma;
    noise::key const key{step.index, first_draw + run.stage_index() / 2, block.block(), from.t,
                         from.t};
    detail::combination<T> score;
    score.add(block.state(0), of_state);
    score.add(block.history(0), of_output);
    auto const x = block.x();
    double const score_norm = detail::mean_norm(
        run.exec(), x.batch, detail::squares_op<T>{score, x.features, block.measured()});
    using noise_type = std::remove_cvref_t<decltype(block.noise())>;
    double const noise_norm =
        detail::mean_norm(run.exec(), x.batch,
                          detail::noise_squares_op<T, noise_type>{
                              block.noise(), key, x.first_sample, x.features, block.measured()});
    double const slope = from.alpha / to.alpha;
    double const ratio = score_norm > 0.0 ? snr * noise_norm / score_norm : 0.0;
    double const c = 2.0 * slope * slope * ratio * ratio;
    diffx::plan plan;
    stage& s = plan.pass(from, from);
    s.state[0] = 1.0 + c * of_state;
    s.history[0] = c * of_output;
    s.noise[0] = {key, std::sqrt(2.0 * c)};
    run.execute(s, true);
  }
};

static_assert(dynamic_solver<langevin_corrector<>>);

}  // namespace diffx::solver
