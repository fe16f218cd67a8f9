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

/// What a run of LMS that starts in the middle of its timetable does with outputs it never had.
enum class lms_start {
  exact,         // the order grows with the outputs there are
  as_published,  // weights of the full order are made, and those of missing outputs dropped: the
                 // sum of the weights is then not the step, as in one widely used library
};

/// Linear multistep in the EDM sigma rho = sigma / alpha: the Lagrange polynomial through the last
/// Order noise predictions is integrated exactly.
///
///     x_to = alpha_to (x / alpha_from + sum_j w_j eps_j),
///     w_j  = int_{rho_from}^{rho_to} prod_{i != j} (rho - rho_i) / (rho_j - rho_i) d rho
///
/// N steps cost N evaluations; the orders of the first steps are 1, 2, ... A step onto sigma = 0 is
/// finite and keeps its order.
///
/// Source    Adams-Bashforth with variable steps; Karras et al. 2022, arXiv:2206.00364, Equation 3,
///           is the differential equation.
/// Shapes    x, eps: [batch, features]; Order - 1 outputs kept.
/// Requires  alpha > 0 at the start.
/// Errors    alpha = 0 at the start throws when the run is planned.
template <int Order = 4>
struct lms {
  static_assert(Order >= 1 && Order <= 6, "diffx::solver::lms<Order>: Order is 1 to 6.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::lms";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = Order;
  static constexpr int max_evals = 1;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  lms_start start = lms_start::exact;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    detail::require(from.alpha > 0.0, "diffx::solver::lms", "alpha at the start", from.alpha,
                    "above 0");
    constexpr auto most = static_cast<std::size_t>(detail::exponential_step::max_order);
    int const had = std::min(Order, c.past() + 1);
    int const k = start == lms_start::exact ? had : std::min(Order, c.index + 1);
    double const rho = from.edm_sigma(), d = to.edm_sigma() - rho;
    std::array<double, most> moment{}, node{};
    for (std::size_t p = 0; p < most; ++p) moment[p] = to.alpha * d / static_cast<double>(p + 1);
    for (int j = 1; j < k; ++j) {
      node[static_cast<std::size_t>(j)] = (c.back(j).edm_sigma() - rho) / d;
    }
    auto const w = detail::lagrange_weights(
        moment, std::span<double const>(node.data(), static_cast<std::size_t>(k)));
    stage& s = out.evaluate(from, to);
    s.keeps = Order > 1 && c.remaining() > 1;
    s.state[0] = to.alpha / from.alpha;
    s.output = w[0];
    for (std::size_t j = 1; j < static_cast<std::size_t>(had); ++j) s.history[j - 1] = w[j];
  }
};

static_assert(solver_policy<lms<>>);

}  // namespace diffx::solver
