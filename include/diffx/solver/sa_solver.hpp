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

/// SA-Solver's tau: `value` where low <= t <= high, 0 elsewhere.
struct tau_interval {
  double value = 1.0, low = 0.2, high = 0.8;

  double operator()(level const& at) const noexcept {
    return at.t >= low && at.t <= high ? value : 0.0;
  }
};

/// How SA-Solver weighs the slope of a two-point fit.
enum class sa_form {
  exact,
  as_published,  // h^2 / 2 instead of h^2 phi_2, in the x0 frame: a change of order h^3
};

/// SA-Solver: stochastic Adams, a predictor through P outputs and a corrector through Q, for the
/// SDE with stochasticity tau(t).
///
///     x_t = (sigma_t / sigma_s) e^{-tau^2 h} x
///           + alpha_t (1 + tau^2) int_0^h e^{-(1 + tau^2)(h - u)} m(u) du
///           + sigma_t sqrt(1 - e^{-2 tau^2 h}) xi                                   (x0 frame)
///
/// The corrector's polynomial goes through the output at the predicted point and Q - 1 before it,
/// with the predictor's tau and xi. These cancel in its difference to the predictor, so the
/// corrected state is the predicted one and a combination of outputs, added in the next step's
/// pass: no sample and no noise is saved. The last step runs uncorrected. tau is taken at the start
/// of each step.
///
/// N steps cost N evaluations. Runs of fewer than `short_run` steps end with falling orders. With
/// tau = 0 the order is that of exponential Adams; with noise the weak order is at most 2, since
/// the first step is of order 1. (3, 4) is meant for unguided sampling, (2, 2) for strong guidance.
/// A step onto sigma = 0 returns the x0 prediction.
///
/// Source    Xue et al. 2023, arXiv:2309.05019, Algorithm 1.
/// Shapes    x, m: [batch, features]; max(P, Q) - 1 outputs kept, or P if that is more.
/// Errors    tau < 0, or tau > 0 on an inversion, throws when the run is planned.
template <int P = 3, int Q = 4, frame F = frame::x0, class Tau = tau_interval>
struct sa_solver {
  static_assert(P >= 1 && P <= 5 && Q >= 0 && Q <= 5,
                "diffx::solver::sa_solver<P, Q>: P is 1 to 5; Q is 1 to 5, or 0 for no corrector.");
  static_assert(F != diffx::frame::flow, "diffx::solver::sa_solver: F is frame::x0 or frame::eps.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::sa_solver";
  static constexpr std::string_view source = "arXiv:2309.05019";
  static constexpr diffx::frame frame = F;
  static constexpr int order = std::min(Q == 0 ? P : std::min(P + 1, Q), 2);
  static constexpr int max_evals = 1;
  static constexpr int history = Q == 0 ? P - 1 : std::max(P, Q - 1);
  static constexpr int states = 1;
  static constexpr int noises = 1;

  Tau tau{};
  sa_form form = sa_form::exact;
  int short_run = 15;  // 0: never lower the order at the end

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    int const k = predictor_order(c);
    auto const e = step(c, k);
    auto const predicted = weights_of(c, e, k, false);

    stage& s = out.evaluate(c.from(), c.to());
    s.keeps = history > 0 && c.remaining() > 1;
    s.state[0] = e.state;
    s.output = predicted[0];
    for (std::size_t j = 1; j < static_cast<std::size_t>(k); ++j) s.history[j - 1] = predicted[j];
    s.noise[0] = {{c.index, 0, 0, c.from().t, c.to().t}, e.noise};

    if (Q == 0 || c.past() == 0) return;
    plan_context<Process> before = c;
    --before.index;
    int const p = predictor_order(before), q = corrector_order(before);
    auto const b = step(before, std::max(p, q));
    auto const was = weights_of(before, b, p, false);
    auto const now = weights_of(before, b, q, true);
    s.output += e.state * now[0];
    for (int j = 0; j < std::max(p, q - 1); ++j) {
      auto const i = static_cast<std::size_t>(j);
      s.history[i] += e.state * ((j + 1 < q ? now[i + 1] : 0.0) - (j < p ? was[i] : 0.0));
    }
  }

 private:
  using weights = std::array<double, detail::exponential_step::max_order>;

  template <class Process>
  detail::exponential_step step(plan_context<Process> const& c, int terms) const {
    double const value = tau(c.from());
    detail::require(value >= 0.0, "diffx::solver::sa_solver", "tau", value, "at least 0");
    detail::require_denoising(c, value, "diffx::solver::sa_solver");
    return detail::exponential(F, c.from(), c.to(), value * value, terms);
  }

  template <class Process>
  int predictor_order(plan_context<Process> const& c) const {
    int const left = c.grid.steps() - c.index;
    int const most = c.grid.steps() < short_run ? std::min(P, left) : P;
    return c.to().sigma == 0.0 ? 1 : std::min(most, c.past() + 1);
  }
  template <class Process>
  int corrector_order(plan_context<Process> const& c) const {
    int const left = c.grid.steps() - c.index;
    int const most = c.grid.steps() < short_run ? std::min(Q, left + 1) : Q;
    return std::min(most, c.past() + 2);
  }

  /// Weights of the outputs at `k` nodes, the first of them at the end of the step if it is known.
  template <class Process>
  weights weights_of(plan_context<Process> const& c, detail::exponential_step e, int k,
                     bool end_known) const {
    if (k == 2 && F == diffx::frame::x0 && form == sa_form::as_published) {
      e.moment[1] = e.plain_linear;
    }
    int const past = end_known ? k - 1 : k;
    auto const back = detail::past_nodes(c, e.h, past);
    weights nodes{1.0};
    std::copy_n(back.begin(), past, nodes.begin() + (end_known ? 1 : 0));
    return detail::lagrange_weights(e.moment, std::span(nodes.data(), static_cast<std::size_t>(k)));
  }
};

static_assert(solver_policy<sa_solver<>>);
static_assert(solver_policy<sa_solver<2, 2, frame::eps>>);

}  // namespace diffx::solver
