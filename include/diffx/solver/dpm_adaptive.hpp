#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/reduction.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace diffx::solver {

/// DPM-Solver with steps of its own inside every interval of the timetable: orders 1 and 2
/// ("12"), or 2 and 3 ("23"), of one set of outputs, and a PID controller in lambda.
///
///     Order 2    low  = DPM-Solver-1,             high = DPM-Solver-2 (r = 1/2)
///     Order 3    low  = DPM-Solver-2 (r = 1/3),   high = DPM-Solver-3 (r = 1/3, 2/3)
///     e     = rms over the batch of (low - high) / max(atol, rtol max(|low|, |x|))
///     f     = 1 + atan(E_0^{b1} E_1^{b2} E_2^{b3} - 1),   E = 1 / (e + 1e-8), newest first,
///     b1    = (p + i + d) / q,   b2 = -(p + 2 d) / q,   b3 = d / q,   q = Order (1.5 with noise)
///     f >= accept: accepted;   h <- f h in any case
///
/// With eta > 0 the step goes to the ancestral sigma_down and noise of the rest is added. The step
/// length is carried from interval to interval and is one for the whole batch, so a sample depends
/// on its batch within the tolerance. The timetable gives the points that must be met: N = 1 leaves
/// everything to the control. An attempt costs Order evaluations, one less after a rejection, which
/// keeps the first. |x| is the size of the current state; the published code takes the lower-order
/// result of the step before, which differs within the tolerance.
///
/// An interval onto sigma = 0 is one step of order 1: it returns the x0 prediction. Let the
/// timetable stop at a small sigma before it.
///
/// Source    Lu et al. 2022, arXiv:2206.00927, Appendix C; the controller is k-diffusion's.
/// Shapes    x, eps: [batch, features]; one more state and Order outputs.
/// Requires  a start above alpha = 0, towards the data.
/// Errors    bad tolerances, eta outside [0, 1], alpha = 0 at the start, an inversion, or an error
///           that stays above the tolerance however short the step: throws diffx::error.
template <int Order = 3>
struct dpm_adaptive {
  static_assert(Order == 2 || Order == 3, "diffx::solver::dpm_adaptive<Order>: Order is 2 or 3.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::dpm_adaptive";
  static constexpr std::string_view source = "arXiv:2206.00927";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = Order;
  static constexpr int max_evals = Order;  // of one attempt; attempts are not bounded
  static constexpr int history = Order;
  static constexpr int states = 2;
  static constexpr int noises = 1;
  static constexpr bool reads_device = true;
  static constexpr bool pure_passes = true;
  static constexpr int remembers = 6;

  double rtol = 0.05;
  double atol = 0.0078;
  double first_step = 0.05;  // in lambda
  double proportional = 0.0, integral = 1.0, derivative = 0.0;
  double accept = 0.81;
  double eta = 0.0;
  double noise_scale = 1.0;

  /// One interval of the timetable. It goes on from the last accepted step if a denoiser threw.
  template <class Run>
  bool advance(Run& run) const {
    check();
    diffx::step const interval = run.current_step();
    level const &from = interval.from, &to = interval.to;
    detail::require(from.alpha > 0.0, where, "alpha at the start", from.alpha, "above 0");
    if (run.grid().inverts()) {
      detail::fail("diffx::solver::dpm_adaptive: cannot go from data to noise");
    }
    auto& m = run.memory();
    run.block().reset();  // of an attempt that a denoiser left unfinished
    if (to.sigma == 0.0) {
      stage s = between(from, to);
      s.evaluates = true;
      s.state[0] = to.alpha / from.alpha;
      s.output = -s.state[0] * from.sigma;
      run.execute(s, true);
      m = {};
      return true;
    }
    if (m[length_of_step] == 0.0) m[length_of_step] = first_step;
    if (m[accepted] == 0.0) m[position] = from.lambda;
    for (bool lands = false; !lands;) {
      double const rest = to.lambda - m[position], h = m[length_of_step];
      detail::require(h > 1e-12, where, "step", h,
                      "longer: the error stays above the tolerance however short the step is");
      lands = h >= rest - 1e-5 * std::min(1.0, to.lambda - from.lambda);
      level const at = m[accepted] == 0.0 ? from : run.process().at_lambda(m[position]);
      level const next = lands ? to : run.process().at_lambda(m[position] + h);
      level const down = lower(run.process(), at, next, to);
      double const error = attempt(run, at, down);
      double const factor = propose(m, error);
      bool const good = factor >= accept;
      if (good) {
        stage s = between(down, next);
        // From sigma_down up to the level itself, as the forward process says.
        s.state[0] = next.alpha / down.alpha;
        double const gap = down.lambda - next.lambda;
        double const up = gap > 0.0 ? next.sigma * std::sqrt(-std::expm1(-2.0 * gap)) : 0.0;
        int const draw = static_cast<int>(m[accepted]);
        detail::require(eta == 0.0 || draw <= noise::max_draw, where, "steps in one interval", draw,
                        "at most 4096: give the timetable more points");
        if (eta > 0.0) s.noise[0] = {{interval.index, draw, 0, at.t, next.t}, noise_scale * up};
        run.execute(s, true);
        m[position] = next.lambda;
        m[accepted] += 1.0;
        m[older] = m[newer];
        m[newer] = 1.0 / (error + 1e-8);
        m[output_known] = 0.0;
      } else {
        run.block().reset();
        run.block().forget_outputs(Order - 1);
        m[output_known] = 1.0;
        lands = false;
      }
      m[length_of_step] = h * factor;
    }
    m[accepted] = m[output_known] = 0.0;
    return true;
  }

 private:
  static constexpr std::string_view where = "diffx::solver::dpm_adaptive";
  enum number : std::size_t { length_of_step, position, accepted, output_known, newer, older };

  void check() const {
    detail::require(rtol >= 0.0 && atol > 0.0, where, "rtol, atol", std::min(rtol, atol),
                    "above 0 (rtol may be 0)");
    detail::require(first_step > 0.0, where, "first_step", first_step, "above 0");
    detail::require(accept > 0.0 && accept < 1.0, where, "accept", accept, "in (0, 1)");
    detail::require(eta >= 0.0 && eta <= 1.0, where, "eta", eta, "in [0, 1]");
    detail::require(noise_scale >= 0.0, where, "noise_scale", noise_scale, "at least 0");
  }

  /// The factor on the step length. An error that is not a number counts as a large one.
  template <class Memory>
  double propose(Memory const& m, double error) const {
    if (!(error < 1e8)) error = 1e8;
    double const q = eta > 0.0 ? 1.5 : Order;
    double const now = 1.0 / (error + 1e-8);
    double const last = m[newer] > 0.0 ? m[newer] : now, before = m[older] > 0.0 ? m[older] : last;
    double const product = std::pow(now, (proportional + integral + derivative) / q) *
                           std::pow(last, -(proportional + 2.0 * derivative) / q) *
                           std::pow(before, derivative / q);
    return 1.0 + std::atan(product - 1.0);
  }

  /// Where the deterministic part goes: sigma_down of the ancestral step, not beyond the end.
  template <class Process>
  level lower(Process const& process, level const& at, level const& next, level const& end) const {
    if (eta == 0.0) return next;
    double const h = next.lambda - at.lambda, s = next.edm_sigma();
    double const up = std::min(s, eta * s * std::sqrt(-std::expm1(-2.0 * h)));
    double const down = s * s - up * up;
    if (!(down > end.edm_sigma() * end.edm_sigma())) return end;
    return process.at_lambda(-0.5 * std::log(down));
  }

  /// All outputs from the state at `at`, and the error in units of the tolerance. The result of
  /// the higher order is then the current state, the old one is retained.
  template <class Run>
  double attempt(Run& run, level const& at, level const& to) const {
    auto& m = run.memory();
    bool const known = m[output_known] != 0.0;
    m[output_known] = 0.0;
    double const h = to.lambda - at.lambda, whole = std::expm1(h);
    std::array<double, 3> low{}, high{};  // weights of the outputs, first to last
    auto const place = [&](double r) { return run.process().at_lambda(at.lambda + r * h); };
    if constexpr (Order == 2) {
      level const middle = place(0.5);
      look(run, at, at, middle, {-middle.sigma * std::expm1(0.5 * h)}, 0, known);
      low = {-to.sigma * whole};
      high = {0.0, -to.sigma * whole};  // r = 1/2: the first output drops out
      look(run, at, middle, to, high, 1, false);
    } else {
      double const r1 = 1.0 / 3.0, r2 = 2.0 / 3.0;
      level const first = place(r1), second = place(r2);
      double const e1 = std::expm1(r1 * h), e2 = std::expm1(r2 * h);
      double const bend = second.sigma * r2 / r1 * (e2 / (r2 * h) - 1.0);
      look(run, at, at, first, {-first.sigma * e1}, 0, known);
      look(run, at, first, second, {-second.sigma * e2 + bend, -bend}, 1, false);
      double const slope = to.sigma * whole / (2.0 * r1);
      low = {-to.sigma * whole + slope, -slope};
      double const curve = to.sigma / r2 * (whole / h - 1.0);
      high = {-to.sigma * whole + curve, 0.0, -curve};
      look(run, at, second, to, high, 2, false);
    }
    auto& block = run.block();
    using T = typename std::remove_cvref_t<decltype(block)>::value_type;
    detail::scaled_squares_op<T> op{{},
                                    {},
                                    {},
                                    atol,
                                    rtol,
                                    detail::tolerance_rule::larger,
                                    block.x().features,
                                    block.measured()};
    op.a.add(block.state(1), to.alpha / at.alpha);
    for (std::size_t j = 0; j < static_cast<std::size_t>(Order); ++j) {
      auto const* const output = block.history(static_cast<int>(Order - 1 - j));
      op.value.add(output, low[j] - high[j]);
      op.a.add(output, low[j]);
    }
    op.b.add(block.state(1), 1.0);
    return detail::root_mean_square(run.exec(), block.x().batch, op);
  }

  /// Evaluates output `j` at `here`, unless it is known, and goes from the step's start to `next`
  /// with the weights of outputs 0 to j.
  template <class Run>
  static void look(Run& run, level const& start, level const& here, level const& next,
                   std::array<double, 3> const& weight, std::size_t j, bool known) {
    stage s = between(here, next);
    s.evaluates = s.keeps = !known;
    s.retains = j == 0;
    s.state[j == 0 ? 0 : 1] = next.alpha / start.alpha;
    for (std::size_t i = 0; i <= j; ++i) {
      if (i == j && !known) {
        s.output = weight[i];
      } else {
        s.history[known ? j - i : j - 1 - i] = weight[i];
      }
    }
    run.execute(s, false);
  }

  static stage between(level const& at, level const& to) {
    stage s;
    s.evaluates = false;
    s.at = s.convert = at;
    s.to = to;
    return s;
  }
};

static_assert(dynamic_solver<dpm_adaptive<>>);

}  // namespace diffx::solver
