#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <string_view>

namespace diffx::solver {

/// Multistep sampling of a TrigFlow consistency model (sCM): the x0 prediction is noised again,
/// with noise of the data's own deviation.
///
///     x_to = cos(t_to) x0 + sin(t_to) sigma_data xi        alpha = cos t, sigma = sin t
///
/// N steps cost N evaluations. A step onto t = 0 returns x0.
///
/// Source    Lu & Song 2024, arXiv:2410.11081, Section 2.2 and Appendix.
/// Shapes    x, x0: [batch, features]; no history.
/// Errors    sigma_data below 0 throws when the run is planned.
struct scm {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::scm";
  static constexpr std::string_view source = "arXiv:2410.11081";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr int history = 0;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  double sigma_data = 0.5;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(sigma_data >= 0.0, "diffx::solver::scm", "sigma_data", sigma_data,
                    "at least 0");
    level const &from = c.from(), &to = c.to();
    stage& s = out.evaluate(from, to);
    s.output = to.alpha;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, to.sigma * sigma_data};
  }
};

static_assert(solver_policy<scm>);

}  // namespace diffx::solver
