#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/adams.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace diffx::solver {

/// How PNDM starts.
enum class pndm_start {
  runge_kutta,  // the first three steps are pseudo Runge-Kutta steps of four evaluations
  plms,         // the first step is evaluated at both ends, the next ones have orders 2, 3, 4
};

/// Which quantity PNDM combines.
enum class pndm_combine {
  eps,  // every output is turned into eps with its own state, then they are combined
  v,    // for v networks on a variance-preserving path: the v are combined and turned into eps
        // with the state at the step's base, as one widely used library does
};

/// PNDM: pseudo numerical methods, the Runge-Kutta and Adams-Bashforth rules of equal steps on the
/// noise prediction with the DDIM transfer in place of the Euler step.
///
///     T(x, e; s -> t) = (alpha_t / alpha_s) (x - sigma_s e) + sigma_t e
///     start          e = (e_1 + 2 e_2 + 2 e_3 + e_4) / 6        pseudo Runge-Kutta, 3 steps
///                    e = (e_1 + e(at the end)) / 2               PLMS, first step
///     then           e = (55 e - 59 e_1 + 37 e_2 - 9 e_3) / 24   with fewer outputs: orders 2, 3
///
/// N steps cost N + 9 evaluations with the Runge-Kutta start and N + 1 without. A first step that
/// lands on sigma = 0 is the DDIM step alone: there is nothing to evaluate at its end. The middle
/// of a Runge-Kutta step is the mean of the two times. Intermediate Runge-Kutta outputs are not
/// kept: they are recovered from the states they led to, so three states and three outputs do.
///
/// With `stride` above 0 the steps are those of one library's fixed stride, whatever the grid: an
/// Adams step goes `stride` (in process time) down from its level, the PLMS start comes from
/// `stride` above the second level, and Runge-Kutta middles lie `half_stride` above the step's end.
/// Where the grid's own steps are equal to the stride, this changes nothing.
///
/// Source    Liu et al. 2022, arXiv:2202.09778, Equations 11 to 13 and Algorithm 2.
/// Shapes    x, eps: [batch, features]; three outputs kept, two states more for Runge-Kutta.
/// Requires  alpha > 0 at the start.
/// Errors    strides below 0, or alpha = 0 at the start, throw when the run is planned.
template <pndm_start Start = pndm_start::runge_kutta, pndm_combine Combine = pndm_combine::eps>
struct pndm {
  using kind = solver_tag;
  static constexpr std::string_view name =
      Start == pndm_start::runge_kutta ? "solver::pndm" : "solver::plms";
  static constexpr std::string_view source = "arXiv:2202.09778";
  static constexpr diffx::frame frame = diffx::frame::eps;
  static constexpr int order = 2;
  static constexpr int max_evals = Start == pndm_start::runge_kutta ? 4 : 2;
  static constexpr int history = 3;
  static constexpr int states = Start == pndm_start::runge_kutta ? 3 : 2;
  static constexpr int noises = 0;

  double stride = 0.0;
  double half_stride = 0.0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::pndm";
    detail::require(c.from().alpha > 0.0, where, "alpha at the start", c.from().alpha, "above 0");
    detail::require(stride >= 0.0 && half_stride >= 0.0, where, "stride, half_stride",
                    std::min(stride, half_stride), "at least 0");
    bool const ends = c.to().sigma == 0.0;
    if (Start == pndm_start::runge_kutta && c.past() < 3 && !ends) {
      runge_kutta(c, out);
    } else if (Start == pndm_start::plms && c.past() == 0 && !ends) {
      both_ends(c, out);
    } else {
      adams(c, out);
    }
  }

 private:
  struct transfer {
    double state, output;
  };

  static transfer between(level const& from, level const& to) noexcept {
    auto const e = detail::exponential(frame, from, to, 0.0, 1);
    if (Combine == pndm_combine::eps) return {e.state, e.moment[0]};
    return {e.state + e.moment[0] * from.sigma, e.moment[0] * from.alpha};
  }

  // On clean data eps and v are one: converted there, a v network's output stays what it is.
  static stage& evaluate(diffx::plan& out, level const& at, level const& to) {
    stage& s = out.evaluate(at, to);
    if (Combine == pndm_combine::v) s.convert = level{at.t, 1.0, 0.0};
    return s;
  }

  template <class Process>
  static level shifted(plan_context<Process> const& c, double t) {
    level const& last = c.grid.back();
    return t > last.t + 1e-9 ? c.process.at(t) : last;
  }

  template <class Process>
  void adams(plan_context<Process> const& c, diffx::plan& out) const {
    level const& from = c.from();
    level const to = stride > 0.0 ? shifted(c, from.t - stride) : c.to();
    transfer const t = between(from, to);
    stage& s = evaluate(out, from, to);
    s.keeps = c.remaining() > 1;
    s.state[0] = t.state;
    int const k = std::min(4, c.past() + 1);
    auto const w = detail::adams_bashforth(k);
    s.output = t.output * w[0];
    for (int j = 1; j < k; ++j) {
      s.history[static_cast<std::size_t>(j - 1)] = t.output * w[static_cast<std::size_t>(j)];
    }
  }

  template <class Process>
  void both_ends(plan_context<Process> const& c, diffx::plan& out) const {
    level const from = c.from(), asked = c.to();
    level const first = stride > 0.0 ? shifted(c, from.t - stride) : asked;
    level const base = stride > 0.0 ? c.process.at(asked.t + stride) : from;
    transfer const there = between(from, first), all = between(base, asked);
    stage& predict = evaluate(out, from, first);
    predict.keeps = predict.retains = true;
    predict.state[0] = there.state;
    predict.output = there.output;
    stage& correct = evaluate(out, asked, asked);
    correct.state[1] = all.state;
    correct.output = correct.history[0] = 0.5 * all.output;
  }

  template <class Process>
  void runge_kutta(plan_context<Process> const& c, diffx::plan& out) const {
    level const from = c.from(), to = c.to();
    level const middle = c.process.at(stride > 0.0 ? to.t + half_stride : 0.5 * (from.t + to.t));
    level const first = stride > 0.0 ? c.process.at(from.t - half_stride) : middle;
    level const third = stride > 0.0 ? c.process.at(middle.t - half_stride) : to;
    transfer const t1 = between(from, first), t2 = between(from, middle);
    transfer const t3 = between(from, third), t4 = between(from, to);
    stage& s1 = evaluate(out, from, first);
    s1.keeps = s1.retains = true;
    s1.state[0] = t1.state;
    s1.output = t1.output;
    stage& s2 = evaluate(out, middle, middle);
    s2.state[1] = t2.state;
    s2.output = t2.output;
    stage& s3 = evaluate(out, middle, third);
    s3.retains = true;
    s3.state[1] = t3.state;
    s3.output = t3.output;
    // States are now x_4, x_3 and x; e_2 = (x_3 - t2.state x) / t2.output, e_3 likewise.
    double const second = t4.output / (3.0 * t2.output), last = t4.output / (3.0 * t3.output);
    stage& s4 = evaluate(out, to, to);
    s4.state = {last, second, t4.state - second * t2.state - last * t3.state};
    s4.output = s4.history[0] = t4.output / 6.0;
  }
};

/// The PLMS start alone.
using plms = pndm<pndm_start::plms>;

static_assert(solver_policy<pndm<>> && solver_policy<plms>);

}  // namespace diffx::solver
