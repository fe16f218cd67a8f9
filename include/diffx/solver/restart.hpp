#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

namespace diffx::solver {

/// One restart: from the grid point nearest to sigma_min the noise is put back up to sigma_max,
/// and a Heun run of points - 1 steps comes down again; all of it `times` times.
struct restart_interval {
  int points = 3;
  int times = 1;
  double sigma_min = 0.05;
  double sigma_max = 0.3;
};

/// Restart sampling: Heun's method in s = sigma / alpha, with restarts where the main run passes.
///
///     main        y_to = y + (s_to - s) (d + d') / 2,    d = eps at y, d' = eps at the Euler step
///     at a restart, K times:
///                 y <- y + sqrt(s_max^2 - s_min^2) S_noise xi
///                 Heun down from s_max to s_min on the Karras grid of N_r points
///
/// with y = x / alpha. s_min is the grid point itself; the step that arrives there holds the
/// restart's stages. A step onto sigma = 0 is the Euler step and returns the x0 prediction.
/// N steps that end at 0 cost 2 N - 1 evaluations, each restart 2 K (N_r - 1) more. The Euler
/// point carries the state, so Heun keeps one output and no second state.
///
/// Source    Xu et al. 2023, arXiv:2306.14878, Algorithm 2; Karras et al. 2022, arXiv:2206.00364.
/// Units     sigma_min, sigma_max: EDM sigmas. Draw k of the step belongs to repetition k.
/// Shapes    x, eps: [batch, features]; one output kept.
/// Requires  alpha > 0 at the start, towards the data.
/// Errors    points < 2, times < 0, sigma_max not above sigma_min, sigma_min not above 0, rho not
///           above 0, alpha = 0 at the start, or an inversion throws when the run is planned.
struct restart {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::restart";
  static constexpr std::string_view source = "arXiv:2306.14878";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 2;
  static constexpr int max_evals = 2;  // of a step without a restart
  static constexpr int history = 1;
  static constexpr int states = 1;
  static constexpr int noises = 1;
  static constexpr bool pure_passes = true;

  std::vector<restart_interval> intervals{};
  double noise_scale = 1.003;
  double rho = 7.0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(c.from().alpha > 0.0, where, "alpha at the start", c.from().alpha, "above 0");
    detail::require(rho > 0.0, where, "rho", rho, "above 0");
    if (c.grid.inverts()) detail::fail("diffx::solver::restart: cannot go from data to noise");
    level const &from = c.from(), &to = c.to();
    heun(from, to, out);
    int draw = 0;
    for (restart_interval const& r : intervals) {
      check(r);
      if (nearest(c.grid, r.sigma_min) != c.index + 1) continue;
      double const low = to.edm_sigma();
      detail::require(low < r.sigma_max, where, "sigma_max", r.sigma_max,
                      "above the grid point where the restart begins, " + detail::text(low));
      level const top = c.process.at_lambda(-std::log(r.sigma_max));
      for (int k = 0; k < r.times; ++k, ++draw) {
        stage& up = out.pass(to, top);
        up.state[0] = top.alpha / to.alpha;
        double const spread = top.alpha * std::sqrt((r.sigma_max - low) * (r.sigma_max + low));
        up.noise[0] = {{c.index, draw, 0, top.t, to.t}, noise_scale * spread};
        level at = top;
        for (int i = 1; i < r.points; ++i) {
          bool const last = i + 1 == r.points;
          level const next = last ? to : c.process.at_lambda(-std::log(karras(r, low, i)));
          heun(at, next, out);
          at = next;
        }
      }
    }
  }

 private:
  static constexpr std::string_view where = "diffx::solver::restart";

  static void check(restart_interval const& r) {
    detail::require(r.points >= 2, where, "points", r.points, "at least 2");
    detail::require(r.times >= 0, where, "times", r.times, "at least 0");
    detail::require(r.sigma_min > 0.0, where, "sigma_min", r.sigma_min, "above 0");
    detail::require(r.sigma_max > r.sigma_min, where, "sigma_max", r.sigma_max,
                    "above sigma_min = " + detail::text(r.sigma_min));
  }

  /// Index of the grid point nearest to this EDM sigma, sigma = 0 and the start left out.
  static int nearest(timetable const& grid, double sigma) {
    int best = 0;
    double distance = std::numeric_limits<double>::infinity();
    for (int i = 1; i <= grid.steps(); ++i) {
      if (grid[i].sigma == 0.0) continue;
      double const d = std::fabs(grid[i].edm_sigma() - sigma);
      if (d < distance) {
        distance = d;
        best = i;
      }
    }
    return best;
  }

  double karras(restart_interval const& r, double low, int i) const {
    double const a = std::pow(r.sigma_max, 1.0 / rho), b = std::pow(low, 1.0 / rho);
    return std::pow(a + (b - a) * i / (r.points - 1), rho);
  }

  /// x^ = y + h d, then y + h (d + d') / 2 = x^ + h (d' - d) / 2.
  static void heun(level const& from, level const& to, diffx::plan& out) {
    double const h = to.alpha * (to.edm_sigma() - from.edm_sigma());
    stage& euler = out.evaluate(from, to);
    euler.state[0] = to.alpha / from.alpha;
    euler.output = h;
    if (to.sigma == 0.0) return;
    euler.keeps = true;
    stage& correct = out.evaluate(to, to);
    correct.state[0] = 1.0;
    correct.output = 0.5 * h;
    correct.history[0] = -0.5 * h;
  }
};

static_assert(solver_policy<restart>);

}  // namespace diffx::solver
