#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/error.hpp>
#include <diffx/solver/runge_kutta.hpp>
#include <diffx/solver/tableau.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace diffx::solver {

/// An embedded Runge-Kutta pair that chooses its own steps inside every interval of the timetable.
///
///     e   = rms over the batch of (x_b - x_embedded) / (atol + rtol max(|x|, |x_b|))
///     e <= 1: accepted;   h <- h clip(0.9 e^{-1/q}, 0.2, 10),   q = the lower order + 1
///
/// The step length is carried from interval to interval, and it is one for the whole batch, so a
/// sample depends on its batch within the tolerance. The timetable gives the points that must be
/// met: N = 1 leaves everything to the control. An accepted step costs `stages` evaluations, or one
/// less where the last derivative is the next one's first (bs32, dopri54, tsit54) or the step
/// before was rejected. `run.status().evaluations` tells the total.
///
/// An interval onto sigma = 0, where the derivative has no meaning, is one Euler step: it returns
/// the x0 prediction. Let the timetable stop at a small sigma before it.
///
/// Source    Dormand & Prince 1980 and the tableau's own; Song et al. 2021, arXiv:2011.13456,
///           Section 4.3 (rtol = atol = 1e-5).
/// Shapes    x, m: [batch, features]; one more state and `stages` outputs.
/// Requires  over edm_sigma, a start above alpha = 0.
/// Errors    tolerances not above 0, alpha = 0 at an edm_sigma start, or an error that stays above
///           the tolerance however short the step: throws diffx::error.
template <class Tableau, coordinate C = coordinate::edm_sigma>
struct adaptive_rk {
  static_assert(tableau::embedded_pair<Tableau>,
                "diffx::solver::adaptive_rk: the tableau has no embedded weights to estimate an "
                "error with. Use bs32, dopri54, tsit54 or fehlberg45, or solver::runge_kutta.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::adaptive_rk";
  static constexpr std::string_view source = Tableau::source;
  static constexpr diffx::frame frame =
      C == coordinate::edm_sigma ? diffx::frame::eps : diffx::frame::flow;
  static constexpr int order = Tableau::order;
  static constexpr int max_evals = Tableau::stages;  // of one attempt; attempts are not bounded
  static constexpr int history = Tableau::stages;
  static constexpr int states = 2;
  static constexpr int noises = 0;
  static constexpr bool reads_device = true;
  static constexpr bool pure_passes = true;
  static constexpr int remembers = 4;

  double rtol = 1e-5;
  double atol = 1e-5;
  double first_step = 0.05;  // of the first interval
  double safety = 0.9;

  /// One interval of the timetable. It goes on from the last accepted step if a denoiser threw.
  template <class Run>
  bool advance(Run& run) const {
    check();
    diffx::step const interval = run.current_step();
    level const &from = interval.from, &to = interval.to;
    detail::require(scale(from) > 0.0, where, "alpha at the start", from.alpha,
                    "above 0; over flow time it may be 0");
    auto& m = run.memory();
    run.block().reset();  // of an attempt that a denoiser left unfinished
    if (to.sigma == 0.0) {
      stage s = between(from, to);
      s.evaluates = true;
      s.state[0] = scale(to) / scale(from);
      s.output = scale(to) * (place(to) - place(from));
      run.execute(s, true);
      m = {};
      return true;
    }
    double const end = place(to), length = end - place(from);
    if (m[length_of_step] == 0.0) m[length_of_step] = first_step * std::fabs(length);
    if (m[accepted] == 0.0) m[position] = place(from);
    for (bool lands = false; !lands;) {
      double const rest = std::fabs(end - m[position]), h = m[length_of_step];
      detail::require(h > 1e-14 * std::fabs(length), where, "step", h,
                      "longer: the error stays above the tolerance however short the step is");
      lands = h >= 0.999 * rest;
      level const at = m[accepted] == 0.0 ? from : level_at(run.process(), m[position]);
      double const signed_step = std::copysign(lands ? rest : h, length);
      level const next = lands ? to : level_at(run.process(), m[position] + signed_step);
      double const error = attempt(run, at, next, signed_step);
      constexpr double power = -1.0 / (std::min(Tableau::order, Tableau::embedded_order) + 1);
      double const factor = std::clamp(safety * std::pow(error, power), 0.2, 10.0);
      if (error <= 1.0) {
        stage s = between(next, next);
        s.state[0] = 1.0;
        run.execute(s, true);
        m[derivative_known] = reuses_last ? 1.0 : 0.0;
        m[position] += signed_step;
        m[accepted] += 1.0;
        // A step cut short by the interval says little about how long a step may be.
        m[length_of_step] = lands ? std::max(h, rest * factor) : h * factor;
      } else {
        run.block().reset();
        run.block().forget_outputs(Tableau::stages - 1);
        m[derivative_known] = 1.0;
        m[length_of_step] = (lands ? rest : h) * (error > 1.0 ? std::min(factor, 1.0) : 0.2);
        lands = false;
      }
    }
    m[accepted] = m[derivative_known] = 0.0;  // guidance may differ in the next interval
    return true;
  }

 private:
  static constexpr std::string_view where = "diffx::solver::adaptive_rk";
  static constexpr auto size = static_cast<std::size_t>(Tableau::stages);
  static constexpr bool reuses_last = Tableau::a[size - 1] == Tableau::b;
  enum number : std::size_t { length_of_step, position, accepted, derivative_known };

  void check() const {
    detail::require(rtol >= 0.0 && atol > 0.0, where, "rtol, atol", std::min(rtol, atol),
                    "above 0 (rtol may be 0)");
    detail::require(first_step > 0.0 && first_step <= 1.0, where, "first_step", first_step,
                    "in (0, 1]");
    detail::require(safety > 0.0 && safety <= 1.0, where, "safety", safety, "in (0, 1]");
  }

  /// All stages from the state at `at`, and the error in units of the tolerance. The new state is
  /// then the current one, the old one is retained.
  template <class Run>
  double attempt(Run& run, level const& at, level const& to, double h) const {
    auto& m = run.memory();
    bool const known = m[derivative_known] != 0.0;
    m[derivative_known] = 0.0;
    level here = at;
    for (std::size_t j = 0; j < size; ++j) {
      bool const last = j + 1 == size;
      level const next = last ? to : node(run.process(), at, to, h, j + 1);
      stage s = between(here, next);
      s.evaluates = s.keeps = j > 0 || !known;
      s.retains = j == 0;
      if (last && reuses_last) {
        s.state[0] = 1.0;
      } else {
        s.state[j == 0 ? 0 : 1] = scale(next) / scale(at);
        auto const& row = last ? Tableau::b : Tableau::a[j + 1];
        for (std::size_t i = 0; i <= j; ++i) {
          double const w = scale(next) * h * row[i];
          // The newest derivative is the stage's own output, unless it was known before.
          if (i == j && s.evaluates) {
            s.output = w;
          } else {
            s.history[s.evaluates ? j - 1 - i : j - i] = w;
          }
        }
      }
      run.execute(s, false);
      here = next;
    }
    auto& block = run.block();
    using T = typename std::remove_cvref_t<decltype(block)>::value_type;
    detail::scaled_squares_op<T> op{
        {}, {}, {}, atol, rtol, detail::tolerance_rule::sum, block.x().features, block.measured()};
    for (std::size_t j = 0; j < size; ++j) {
      op.value.add(block.history(static_cast<int>(size - 1 - j)),
                   scale(to) * h * (Tableau::b[j] - Tableau::embedded[j]));
    }
    op.a.add(block.state(1), 1.0);
    op.b.add(block.state(0), 1.0);
    return detail::root_mean_square(run.exec(), block.x().batch, op);
  }

  template <class Process>
  static level node(Process const& process, level const& at, level const& to, double h,
                    std::size_t j) {
    double const c = tableau::nodes<Tableau>[j];
    return c == 0.0 ? at : c == 1.0 ? to : level_at(process, place(at) + c * h);
  }
  static stage between(level const& at, level const& to) {
    stage s;
    s.evaluates = false;
    s.at = s.convert = at;
    s.to = to;
    return s;
  }
  static double scale(level const& l) noexcept {
    return C == coordinate::edm_sigma ? l.alpha : l.alpha + l.sigma;
  }
  static double place(level const& l) noexcept { return l.sigma / scale(l); }
  template <class Process>
  static level level_at(Process const& process, double s) {
    double const rest = C == coordinate::edm_sigma ? 0.0 : std::log1p(-s);
    return process.at_lambda(rest - std::log(s));
  }
};

using adaptive_bs32 = adaptive_rk<tableau::bs32>;
using adaptive_dopri54 = adaptive_rk<tableau::dopri54>;
using adaptive_tsit54 = adaptive_rk<tableau::tsit54>;

static_assert(dynamic_solver<adaptive_dopri54>);

}  // namespace diffx::solver
