#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

namespace diffx::solver {

/// What the noise prediction is a polynomial of.
enum class deis_variable {
  log_rho,  // log(sigma / alpha): the integrals are exact, and equal exponential Adams on eps
  time,     // the process time t, as in tAB-DEIS; the integrals are Gauss-Legendre sums
};

/// DEIS: Adams-Bashforth on the noise prediction with the semilinear part solved exactly.
///
///     x_t = alpha_t (x / alpha_s + sum_j C_j eps_j),   C_j = int_{rho_s}^{rho_t} l_j d rho,
///     rho = sigma / alpha,   l_j the Lagrange basis through the last Order outputs
///
/// N steps cost N evaluations. The first steps use the outputs there are; runs of fewer than
/// `short_run` steps end with orders 2 and 1. A step onto sigma = 0 returns the x0 prediction.
///
/// Source    Zhang & Chen 2023, arXiv:2204.13902, Equations 14 and 15 (log_rho, time).
/// Shapes    x, eps: [batch, features]; Order - 1 outputs kept.
template <int Order, deis_variable Variable = deis_variable::log_rho>
struct deis {
  static_assert(Order >= 1 && Order <= 4, "diffx::solver::deis<Order>: Order is 1 to 4.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::deis";
  static constexpr std::string_view source = "arXiv:2204.13902";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = Order;
  static constexpr int max_evals = 1;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  int short_run = 15;  // 0: never lower the order at the end

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    int const k = step_order(c);
    auto const e = detail::exponential(frame, c.from(), c.to(), 0.0, k);
    std::array<double, detail::exponential_step::max_order> w{};
    if (Variable == deis_variable::log_rho || k == 1) {
      auto const nodes = detail::past_nodes(c, e.h, k);
      w = detail::lagrange_weights(e.moment, std::span(nodes.data(), static_cast<std::size_t>(k)));
    } else {
      w = time_weights(c, e.h, k);
    }
    stage& s = out.evaluate(c.from(), c.to());
    s.keeps = Order > 1 && c.remaining() > 1;
    s.state[0] = e.state;
    s.output = w[0];
    for (std::size_t j = 1; j < static_cast<std::size_t>(k); ++j) s.history[j - 1] = w[j];
  }

 private:
  template <class Process>
  int step_order(plan_context<Process> const& c) const {
    int most = Order;
    int const left = c.grid.steps() - c.index;
    bool const short_one = c.grid.steps() < short_run;
    if (left == 1 && (short_one || c.to().sigma == 0.0)) most = 1;
    if (left == 2 && short_one) most = std::min(most, 2);
    return std::min(most, c.past() + 1);
  }

  /// -sigma_t int_0^h e^{h-u} l_j(t(u)) du by eight-point Gauss-Legendre.
  template <class Process>
  static auto time_weights(plan_context<Process> const& c, double h, int k) {
    constexpr double place[4] = {0.18343464249564980494, 0.52553240991632898582,
                                 0.79666647741362673959, 0.96028985649753623168};
    constexpr double share[4] = {0.36268378337836198297, 0.31370664587788728734,
                                 0.22238103445337447054, 0.10122853629037625915};
    std::array<double, detail::exponential_step::max_order> w{};
    for (int q = 0; q < 8; ++q) {
      double const v = 0.5 + (q < 4 ? -0.5 : 0.5) * place[q % 4];
      double const t = c.process.at_lambda(c.from().lambda + v * h).t;
      double const factor = -c.to().sigma * 0.5 * h * share[q % 4] * std::exp(h * (1.0 - v));
      for (int j = 0; j < k; ++j) {
        double basis = 1.0;
        for (int i = 0; i < k; ++i) {
          if (i != j) basis *= (t - c.back(i).t) / (c.back(j).t - c.back(i).t);
        }
        w[static_cast<std::size_t>(j)] += factor * basis;
      }
    }
    return w;
  }
};

static_assert(solver_policy<deis<3>>);

}  // namespace diffx::solver
