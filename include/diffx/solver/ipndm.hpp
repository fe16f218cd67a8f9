#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/adams.hpp>
#include <diffx/detail/exponential.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace diffx::solver {

/// iPNDM: Adams-Bashforth with the weights of equal steps on the noise prediction, carried over by
/// the DDIM transfer. It starts with orders 1, 2, ..., Order and has no Runge-Kutta start.
///
///     e    = eps;  (3 eps - eps_1) / 2;  (23 eps - 16 eps_1 + 5 eps_2) / 12;  ...
///     x_to = (alpha_to / alpha_from) (x - sigma_from e) + sigma_to e
///
/// N steps cost N evaluations. The weights are those of equal steps and the transfer is not, so the
/// order saturates at 2 (solver::lms and solver::deis have weights of their own for every step). A
/// step from alpha = 0, where the state is all noise, takes x0 = 0, the mean of the prior.
///
/// Source    Zhang & Chen 2023, arXiv:2204.13902, Equation 23, after Liu et al. 2022,
///           arXiv:2202.09778.
/// Shapes    x, eps: [batch, features]; Order - 1 outputs kept.
template <int Order = 4>
struct ipndm {
  static_assert(Order >= 1 && Order <= 4, "diffx::solver::ipndm<Order>: Order is 1 to 4.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::ipndm";
  static constexpr std::string_view source = "arXiv:2204.13902";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = Order == 1 ? 1 : 2;
  static constexpr int max_evals = 1;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    stage& s = out.evaluate(from, to);
    s.keeps = Order > 1 && c.remaining() > 1;
    double transfer = to.sigma;
    if (from.alpha > 0.0) {
      auto const e = detail::exponential(frame, from, to, 0.0, 1);
      s.state[0] = e.state;
      transfer = e.moment[0];
    }
    int const k = std::min(Order, c.past() + 1);
    auto const w = detail::adams_bashforth(k);
    s.output = transfer * w[0];
    for (int j = 1; j < k; ++j) {
      s.history[static_cast<std::size_t>(j - 1)] = transfer * w[static_cast<std::size_t>(j)];
    }
  }
};

static_assert(solver_policy<ipndm<>>);

}  // namespace diffx::solver
