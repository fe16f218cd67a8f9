#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// How long an Euler-Maruyama step is.
enum class em_step {
  exact,         // t_from - t_to
  as_published,  // 1 / N on every step, whatever the grid: one library's, whose N points go from 1
                 // to a small time and so are N - 1 steps
};

/// Euler-Maruyama on the reverse SDE of a variance-preserving or variance-exploding diffusion, in
/// process time.
///
///     preserving   x_to = x + beta (x / 2 + S) d + sqrt(beta d) xi,   beta = -2 d log alpha / dt
///     exploding    x_to = x + g^2 S d + g sqrt(d) xi,                 g^2 = d sigma^2 / dt
///
/// with S = -eps / sigma, d = t_from - t_to, and beta and g^2 at t_from.
///
/// N steps cost N evaluations. The last step of the timetable returns the mean, without its noise,
/// unless `noisy_end`. Use an exponential solver (solver::ddim with eta = 1, dpmpp_2m_sde) where
/// the mean is to be exact.
///
/// Source    Song et al. 2021, arXiv:2011.13456, Equation 6 and Appendix D.
/// Shapes    x, eps: [batch, features]; no history.
/// Requires  alpha^2 + sigma^2 = 1, or alpha = 1, and a process that gives lambda_rate(t)
///           (process::vp, process::ve).
/// Errors    another path or an inversion throws when the run is planned.
struct euler_maruyama {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::euler_maruyama";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  em_step length = em_step::exact;
  bool noisy_end = false;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    static_assert(
        requires { c.process.lambda_rate(0.5); },
        "diffx::solver::euler_maruyama needs a process that gives lambda_rate(t), such "
        "as process::vp or process::ve. Use solver::reverse_diffusion with any other.");
    level const &from = c.from(), &to = c.to();
    double const norm = from.alpha * from.alpha + from.sigma * from.sigma;
    bool const explodes = from.alpha == 1.0;
    detail::require(explodes || std::fabs(norm - 1.0) < 1e-9, "diffx::solver::euler_maruyama",
                    "alpha^2 + sigma^2", norm, "1: a variance-preserving path, or alpha = 1");
    if (c.grid.inverts()) detail::fail("diffx::solver::euler_maruyama: cannot go to noise");
    double const d = length == em_step::exact ? from.t - to.t : 1.0 / c.grid.steps();
    // d log alpha / d lambda = sigma^2 where the variance is preserved.
    double const beta = -2.0 * from.sigma * from.sigma * c.process.lambda_rate(from.t);
    bool const last = c.index + 1 == c.grid.steps();
    stage& s = out.evaluate(from, to);
    s.state[0] = explodes ? 1.0 : 1.0 + 0.5 * beta * d;
    s.output = -beta * d / from.sigma;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, last && !noisy_end ? 0.0 : std::sqrt(beta * d)};
  }
};

static_assert(solver_policy<euler_maruyama>);

}  // namespace diffx::solver
