#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace diffx::solver {

/// How the last stage of a step uses the outputs before it.
enum class singlestep_form {
  published,  // order 2: the midpoint rule; order 3: linear through the first and the last output
  exact,      // the integral of the polynomial through all of them
};

/// DPM-Solver-1/2S/3S (eps frame) and DPM-Solver++ 1/2S/3S (x0 frame): exponential Runge-Kutta with
/// evaluations at lambda_s, lambda_s + r1 h and lambda_s + r2 h.
///
///     order 2   u = a step of order 1 to r1 h;  x_t from D and (D_m - D) / r1
///     order 3   u1 as above;  u2 from D and (D_1 - D) / r1;  x_t from D and (D_2 - D) / r2
///
/// `published` weighs the slope of order 2 with half the weight of D (the midpoint rule); `exact`
/// integrates the fit, which for order 2 is RES-2S and satisfies the stiff order conditions. r1 is
/// 1/2 for order 2, and (r1, r2) = (1/3, 2/3) for order 3.
///
/// A step costs Order evaluations, and one onto sigma = 0, which returns the x0 prediction. With
/// `budget` the last steps are shortened so that the run costs exactly that many; the timetable
/// must then have steps_for(budget) steps.
///
/// Source    Lu et al. 2022, arXiv:2206.00927, Algorithms 1 and 2; arXiv:2211.01095, Algorithm 1;
///           Zhang & Chen 2023 (RES), arXiv:2308.02157.
/// Shapes    x, m: [batch, features]; Order - 1 outputs kept within a step.
/// Errors    r1 or r2 outside 0 < r1 < r2 < 1, or a budget that does not fit the timetable, throws
///           when the run is planned.
template <frame F, int Order, singlestep_form Form = singlestep_form::published>
struct dpm_solver_singlestep {
  static_assert(Order >= 1 && Order <= 3,
                "diffx::solver::dpm_solver_singlestep<F, Order>: Order is 1, 2 or 3.");
  static_assert(F != diffx::frame::flow,
                "diffx::solver::dpm_solver_singlestep<F, Order>: F is frame::x0 or frame::eps.");

  using kind = solver_tag;
  static constexpr std::string_view name =
      F == diffx::frame::x0 ? (Order == 2 && Form == singlestep_form::exact ? "solver::res_2s"
                               : Order == 2                                 ? "solver::dpmpp_2s"
                               : Order == 3                                 ? "solver::dpmpp_3s"
                                                                            : "solver::dpmpp_1s")
                            : (Order == 2   ? "solver::dpm_solver_2s"
                               : Order == 3 ? "solver::dpm_solver_3s"
                                            : "solver::dpm_solver_1s");
  static constexpr std::string_view source =
      F == diffx::frame::x0 ? "arXiv:2211.01095" : "arXiv:2206.00927";
  static constexpr diffx::frame frame = F;
  static constexpr int order = Order;
  static constexpr int max_evals = Order;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  double r1 = Order == 3 ? 1.0 / 3.0 : 0.5;
  double r2 = Order == 3 ? 2.0 / 3.0 : 1.0;
  int budget = 0;  // evaluations of the whole run; 0: Order in every step

  /// Steps of a run that costs `evaluations`.
  static constexpr int steps_for(int evaluations) noexcept {
    return Order == 3 ? evaluations / 3 + 1 : (evaluations + Order - 1) / Order;
  }

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    detail::require(r1 > 0.0 && r1 < (Order == 3 ? r2 : 1.0), name, "r1", r1,
                    "above 0 and below r2 (order 3) or 1");
    detail::require(Order < 3 || r2 < 1.0, name, "r2", r2, "above r1 and below 1");
    int const k = evaluations(c);
    double const h = c.step().h();
    constexpr auto rule = Form == singlestep_form::exact ? detail::block_form::exact
                          : Order == 3                   ? detail::block_form::ends
                                                         : detail::block_form::midpoint;
    std::array<level, 4> point{c.from()};
    for (int j = 1; j < k; ++j) {
      point[static_cast<std::size_t>(j)] =
          c.process.at_lambda(c.from().lambda + (j == 1 ? r1 : r2) * h);
    }
    point[static_cast<std::size_t>(k)] = c.to();
    for (std::size_t j = 1; j <= static_cast<std::size_t>(k); ++j) {
      auto const b = detail::exponential_block(F, std::span(point.data(), j + 1), 0.0, rule);
      stage& s = out.evaluate(point[j - 1], point[j]);
      s.keeps = j < static_cast<std::size_t>(k);
      s.state[0] = b.state;
      s.output = b.output[0];
      for (std::size_t i = 1; i < j; ++i) s.history[i - 1] = b.output[i];
    }
  }

 private:
  template <class Process>
  int evaluations(plan_context<Process> const& c) const {
    int k = Order;
    if (budget != 0) {
      int const steps = c.grid.steps();
      detail::require(budget > 0 && steps == steps_for(budget), name, "budget", budget,
                      "such that steps_for(budget) is the number of steps");
      int const left = steps - c.index;  // 1: the last step
      if (Order == 2 && left == 1 && budget % 2 == 1) k = 1;
      if (Order == 3 && left == 1) k = budget % 3 == 2 ? 2 : 1;
      if (Order == 3 && left == 2 && budget % 3 == 0) k = 2;
    }
    return c.to().sigma == 0.0 || c.from().alpha == 0.0 ? 1 : k;
  }
};

using dpm_solver_2s = dpm_solver_singlestep<frame::eps, 2>;
using dpm_solver_3s = dpm_solver_singlestep<frame::eps, 3>;
using dpmpp_2s = dpm_solver_singlestep<frame::x0, 2>;
using dpmpp_3s = dpm_solver_singlestep<frame::x0, 3>;

/// RES-2S(r1): the second-order exponential Runge-Kutta method that meets the stiff conditions.
using res_2s = dpm_solver_singlestep<frame::x0, 2, singlestep_form::exact>;

static_assert(solver_policy<dpm_solver_3s> && solver_policy<dpmpp_2s> && solver_policy<res_2s>);

}  // namespace diffx::solver
