#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>
#include <utility>

namespace diffx::solver {

/// The solver of a stem: in every round but the last it takes its step to the next level and is
/// noised back to where it stood, so that it follows the trunk, which is held, and the trunk's step
/// sees it. With the noise of both that is one pass.
///
///     x <- (alpha / alpha_to) step(x) + sqrt(sigma^2 - (alpha sigma_to / alpha_to)^2) xi
///
/// N steps cost N rounds evaluations, those of the trunk. The draws of the rounds have numbers
/// first_draw, first_draw + 1, ... within their step.
///
/// Source    Mercatali et al. 2024 (Diffusion Twigs), arXiv:2410.24012; the released code has one
///           round, the plain product of both.
/// Requires  a solver of numbers of one evaluation and no memory, such as solver::ddpm.
/// Errors    rounds outside [1, 64] throws when the run is planned.
template <linear_solver Inner>
struct stem : Inner {
  static_assert(Inner::max_evals == 1 && Inner::history == 0 && Inner::states == 1 &&
                    Inner::noises == 1,
                "diffx::solver::stem: a round is one evaluation and one pass, so the solver must "
                "be one of a single evaluation and noise term without memory, such as "
                "solver::ddpm or solver::reverse_diffusion.");
  static_assert(
      !requires { requires Inner::learned_variance; },
      "diffx::solver::stem: the noise of a round is of a known size; use solver::ddpm.");
  static constexpr std::string_view name = "solver::stem";
  static constexpr std::string_view source = "arXiv:2410.24012";
  static constexpr int first_draw = 32;
  int rounds = 1;

  explicit stem(Inner inner, int times = 1) : Inner(std::move(inner)), rounds(times) {}

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(rounds >= 1 && rounds <= 64, "diffx::solver::stem", "rounds", rounds,
                    "in [1, 64]");
    level const &from = c.from(), &to = c.to();
    double const back = from.alpha / to.alpha;
    double const fresh = from.sigma * from.sigma - back * back * to.sigma * to.sigma;
    for (int r = 1; r < rounds; ++r) {
      Inner::plan(c, out);
      stage& s = out.stages().back();
      s.to = from;
      s.state[0] *= back;
      s.output *= back;
      s.hook *= back;
      double const kept = back * s.noise[0].weight;
      s.noise[0] = {{c.index, first_draw + r - 1, 0, from.t, from.t},
                    std::sqrt(kept * kept + std::fmax(fresh, 0.0))};
    }
    Inner::plan(c, out);
  }
};

}  // namespace diffx::solver
