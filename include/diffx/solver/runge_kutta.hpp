#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/tableau.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace diffx::solver {

/// What a Runge-Kutta method integrates over. Both are exact forms of the probability-flow ODE on
/// any path; they differ in what a step takes to be nearly straight.
enum class coordinate {
  edm_sigma,  // y = x / alpha over s = sigma / alpha:                    dy/ds = eps
  flow_time,  // y = x / (alpha + sigma) over s = sigma / (alpha + sigma): dy/ds = eps - x0
};

/// An explicit Runge-Kutta method with fixed steps.
///
///     y_i  = y + (s' - s) sum_j a_ij k_j,   k_i = dy/ds at y_i and s + c_i (s' - s)
///     y'   = y + (s' - s) sum_j b_j k_j
///
/// The newest earlier derivative is taken from the current state where that is a mean of two states
/// (Heun, Ralston and SSPRK3 then keep no derivative at all); the others are kept.
///
/// A step costs one evaluation per used stage; a last derivative with b = 0 is not computed. A step
/// onto sigma = 0 is the Euler step: one evaluation, and it returns the x0 prediction.
///
/// Source    of the tableau; Karras et al. 2022, arXiv:2206.00364, for s = sigma / alpha.
/// Shapes    x, m: [batch, features]; one more state and `history` outputs of that shape.
/// Requires  a start above alpha = 0 over edm_sigma.
/// Errors    alpha = 0 at the start over edm_sigma throws when the run is planned.
template <class Tableau, coordinate C = coordinate::edm_sigma>
struct runge_kutta {
 private:
  static constexpr std::size_t size = static_cast<std::size_t>(Tableau::stages);

  struct layout {
    int stages = 0;                      // without trailing ones that b leaves out
    std::array<double, size> carried{};  // share of the current state in what follows it
    tableau::matrix<size> weight{};      // of derivative i in what follows stage j
    std::array<bool, size> kept{};       // is derivative i read by a later stage?
    std::array<std::array<int, size>, size> place{};  // of derivative i in the history, at stage j
    int history = 0;
  };

  static constexpr layout made = [] {
    layout l;
    for (std::size_t i = 0; i < size; ++i) {
      if (Tableau::b[i] != 0.0) l.stages = static_cast<int>(i) + 1;
    }
    auto const n = static_cast<std::size_t>(l.stages);
    for (std::size_t j = 0; j < n; ++j) {
      auto& w = l.weight[j];
      w = j + 1 < n ? Tableau::a[j + 1] : Tableau::b;
      if (j == 0 || Tableau::a[j][j - 1] == 0.0) continue;
      // y_j = y + (s' - s) sum_i a_ji k_i gives k_{j-1}.
      double const share = w[j - 1] / Tableau::a[j][j - 1];
      if (share <= 0.0 || share > 1.0) continue;
      l.carried[j] = share;
      for (std::size_t i = 0; i < j; ++i) {
        w[i] -= share * Tableau::a[j][i];
        if (i + 1 == j || (w[i] < 1e-15 && w[i] > -1e-15)) w[i] = 0.0;
      }
    }
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = 0; i < j; ++i) l.kept[i] = l.kept[i] || l.weight[j][i] != 0.0;
    }
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = 0; i < j; ++i) {
        for (std::size_t k = i + 1; k < j; ++k) l.place[j][i] += l.kept[k] ? 1 : 0;
        if (l.weight[j][i] != 0.0 && l.place[j][i] >= l.history) l.history = l.place[j][i] + 1;
      }
    }
    return l;
  }();

 public:
  using kind = solver_tag;
  static constexpr std::string_view name = Tableau::names[C == coordinate::edm_sigma ? 0 : 1];
  static constexpr std::string_view source = Tableau::source;
  static constexpr diffx::frame frame =
      C == coordinate::edm_sigma ? diffx::frame::eps : diffx::frame::flow;
  static constexpr int order = Tableau::order;
  static constexpr int max_evals = made.stages;
  static constexpr int history = made.history;
  static constexpr int states = made.stages > 1 ? 2 : 1;
  static constexpr int noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    level const &from = c.from(), &to = c.to();
    detail::require(C == coordinate::flow_time || from.alpha > 0.0, name, "alpha at the start",
                    from.alpha, "above 0; over flow time it may be 0");
    double const start = place(from), h = place(to) - start;
    auto const n = to.sigma == 0.0 ? std::size_t{1} : static_cast<std::size_t>(made.stages);
    if (n == 1) {
      stage& s = out.evaluate(from, to);
      s.state[0] = scale(to) / scale(from);
      s.output = scale(to) * h;
      return;
    }
    auto const level_of = [&](std::size_t j) {
      if (j == n) return to;
      double const node = tableau::nodes<Tableau>[j];
      if (node == 0.0) return from;
      return node == 1.0 ? to : between(c.process, start + node * h);
    };
    level at = from;
    for (std::size_t j = 0; j < n; ++j) {
      level const next = level_of(j + 1);
      stage& s = out.evaluate(at, next);
      s.retains = j == 0;
      s.keeps = made.kept[j];
      s.state[0] = (j == 0 ? 1.0 : made.carried[j]) * scale(next) / scale(at);
      if (j > 0) s.state[1] = (1.0 - made.carried[j]) * scale(next) / scale(from);
      s.output = scale(next) * h * made.weight[j][j];
      for (std::size_t i = 0; i < j; ++i) {
        double const w = made.weight[j][i];
        if (w != 0.0) {
          s.history[static_cast<std::size_t>(made.place[j][i])] = scale(next) * h * w;
        }
      }
      at = next;
    }
  }

 private:
  static double scale(level const& l) noexcept {
    return C == coordinate::edm_sigma ? l.alpha : l.alpha + l.sigma;
  }
  static double place(level const& l) noexcept { return l.sigma / scale(l); }

  template <class Process>
  static level between(Process const& process, double s) {
    if constexpr (C == coordinate::edm_sigma) {
      return process.at_lambda(-std::log(s));
    } else {
      return process.at_lambda(std::log1p(-s) - std::log(s));
    }
  }
};

using midpoint = runge_kutta<tableau::midpoint>;
using ralston = runge_kutta<tableau::ralston>;
using ssprk3 = runge_kutta<tableau::ssprk3>;
using rk4 = runge_kutta<tableau::rk4>;
using rk38 = runge_kutta<tableau::rk38>;
using bs32 = runge_kutta<tableau::bs32>;
using dopri54 = runge_kutta<tableau::dopri54>;
using tsit54 = runge_kutta<tableau::tsit54>;
using fehlberg45 = runge_kutta<tableau::fehlberg45>;

using flow_euler = runge_kutta<tableau::euler, coordinate::flow_time>;
using flow_midpoint = runge_kutta<tableau::midpoint, coordinate::flow_time>;
using flow_rk4 = runge_kutta<tableau::rk4, coordinate::flow_time>;

static_assert(solver_policy<rk4> && solver_policy<flow_euler>);

}  // namespace diffx::solver
