#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace diffx::solver {

/// How a block's rules use its outputs; see detail::block_form.
using block_form = detail::block_form;

/// Singlestep DPM-Solver and DPM-Solver++ whose inner points are grid points: orders 1, 2, 3, 1, 2,
/// 3, ... each going again from the first level of its block of Order steps.
///
///     x_{b+1} = order 1 from x_b;   x_{b+2} = order 2 from x_b;   x_{b+3} = order 3 from x_b
///
/// This is `dpm_solver_singlestep` with one evaluation per step of the timetable and inner points
/// wherever the timetable has them. x_b is eliminated with the rule of the step before, so that a
/// step reads no more than a multistep solver does; in the SDE form that repeats the noise of the
/// step before.
///
/// `exact` integrates the polynomial through all outputs of the block ("heun" in code bases),
/// `ends` is the paper's third order, `midpoint` the form that most codes run. In runs of fewer
/// than `short_run` steps a whole last block ends with order 1; so does every run onto sigma = 0.
///
/// N steps cost N evaluations.
///
/// Source    Lu et al. 2022, arXiv:2206.00927, Algorithms 1 and 2; arXiv:2211.01095, Algorithm 1.
/// Shapes    x, m: [batch, features]; Order - 1 outputs kept.
/// Errors    eta < 0, or eta > 0 on an inversion, throws when the run is planned.
template <frame F, int Order, bool Stochastic = false>
struct dpm_solver_blocks {
  static_assert(Order >= 1 && Order <= 3,
                "diffx::solver::dpm_solver_blocks<F, Order>: Order is 1, 2 or 3.");
  static_assert(F != diffx::frame::flow,
                "diffx::solver::dpm_solver_blocks<F, Order>: F is frame::x0 or frame::eps.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::dpm_solver_blocks";
  static constexpr std::string_view source =
      F == diffx::frame::x0 ? "arXiv:2211.01095" : "arXiv:2206.00927";
  static constexpr diffx::frame frame = F;
  static constexpr int order = Order;
  static constexpr int max_evals = 1;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = Stochastic ? 2 : 0;

  block_form form = block_form::exact;
  double eta = Stochastic ? 1.0 : 0.0;
  int short_run = 15;  // 0: never lower the order at the end

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(eta >= 0.0, "diffx::solver::dpm_solver_blocks", "eta", eta, "at least 0");
    detail::require(Stochastic || eta == 0.0, "diffx::solver::dpm_solver_blocks", "eta", eta,
                    "0 in the deterministic form");
    detail::require_denoising(c, eta, "diffx::solver::dpm_solver_blocks");
    auto const k = static_cast<std::size_t>(step_order(c));
    std::array<level, 4> point{};
    for (std::size_t j = 0; j <= k; ++j) {
      point[j] = c.grid[c.index + 1 - static_cast<int>(k) + static_cast<int>(j)];
    }
    auto const b = detail::exponential_block(F, std::span(point.data(), k + 1), eta * eta, form);
    stage& s = out.evaluate(c.from(), c.to());
    s.keeps = Order > 1 && c.remaining() > 1;
    s.state[0] = b.state;
    s.output = b.output[0];
    for (std::size_t i = 1; i < k; ++i) s.history[i - 1] = b.output[i];
    if constexpr (Stochastic) {
      s.noise[0] = {{c.index, 0, 0, point[0].t, c.to().t}, b.noise};
      if (k > 1) s.noise[1] = {{c.index - 1, 0, 0, point[0].t, c.from().t}, b.past_noise};
    }
  }

 private:
  template <class Process>
  int step_order(plan_context<Process> const& c) const {
    int const steps = c.grid.steps();
    bool const zero = c.grid.back().sigma == 0.0;
    bool const lower = steps < short_run || zero || steps % Order != 0;
    bool const last = c.index == steps - 1;
    if (last && (zero || (lower && steps % Order == 0))) return 1;
    return std::min(c.index % Order + 1, c.past() + 1);
  }
};

static_assert(solver_policy<dpm_solver_blocks<frame::x0, 3, true>>);

}  // namespace diffx::solver
