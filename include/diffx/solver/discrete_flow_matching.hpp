#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace diffx::solver {

/// How the rates of a discrete flow act over a step.
enum class flow_rates {
  integrated,  // over the whole step: no error but that of the frozen state and data class
  frozen,      // as they are at the start of the step, times its length
};

/// The solver of discrete flow matching: positions jump independently along a probability velocity.
///
/// The flow's time is u = 1 - t and its scheduler kappa(u) = alpha. Of a position in class x, with
/// a data class x1 drawn from the network's posterior, the rates of jumping to another class y are
///
///     v(y) = (1 + c) kappa' / (1 - kappa) 1[y = x1]  +  c kappa' / kappa pi(y)
///
/// with pi the limit law, the flow's source, and c >= 0 the weight of the divergence-free part: it
/// sends positions back to the source and forth again, and leaves the marginals as they are. A
/// position jumps with probability 1 - exp(-(sum of its rates)), and then to y in proportion to its
/// rate. A last step onto alpha = 1 sets x = x1; a first one from alpha = 0, where all is source
/// already, takes c = 0.
///
/// Integrated rates with c = 0 under absorbing noise are solver::ancestral's own probabilities. The
/// library of the source freezes the rates; that needs a schedule with `slope(t)`, the
/// derivative of 1 - alpha.
///
/// N steps cost N evaluations; the error falls as 1 / N, with c > 0 and a uniform source as log N /
/// N. A cavity is turned into the posterior that is meant here.
///
/// Source    Gat et al. 2024, arXiv:2407.15595; the solver, Lipman et al. 2024, arXiv:2412.06264.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    an inversion, or c < 0, throws when the run is planned; a row of logits that is no
///           distribution is reported with step, sample and position.
struct discrete_flow_matching {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::discrete_flow_matching";
  static constexpr std::string_view source = "arXiv:2407.15595";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool takes_short_rows = true;

  double c = 0.0;
  flow_rates rates = flow_rates::integrated;

  /// The rates of a position, or what they add up to over a step: `data` of jumping to x1, and
  /// `source` times pi(y) of jumping to y besides.
  struct velocity {
    double data = 0.0;
    double source = 0.0;

    /// Of jumping from x to y, another class.
    DIFFX_HD double to(detail::limit_law const& law, int x1, int y) const noexcept {
      return (y == x1 ? data : 0.0) + source * law.probability(y);
    }
    /// Of leaving x.
    DIFFX_HD double away(detail::limit_law const& law, int x, int x1) const noexcept {
      return (x == x1 ? 0.0 : data) + source * (1.0 - law.probability(x));
    }
  };

  DIFFX_HD static double jump_probability(double away) noexcept { return -std::expm1(-away); }

  /// The rates at one time: `rate` is that of 1 - alpha.
  velocity at(level const& l, double rate) const noexcept {
    bool const starts = l.alpha == 0.0;
    return {(starts ? 1.0 : 1.0 + c) * rate / l.sigma, starts ? 0.0 : c * rate / l.alpha};
  }

  /// The integral of the rates over a step.
  velocity over(level const& from, level const& to) const noexcept {
    bool const starts = from.alpha == 0.0;
    return {(starts ? 1.0 : 1.0 + c) * std::log(from.sigma / to.sigma),
            starts ? 0.0 : c * std::log(to.alpha / from.alpha)};
  }

  template <class Process>
  void plan(plan_context<Process> const& k, categorical_plan& out) const {
    constexpr auto where = "diffx::solver::discrete_flow_matching";
    if (k.grid.inverts()) {
      detail::fail(std::string(where) + ": cannot go from data to noise; start::noised does");
    }
    detail::require(c >= 0.0 && std::isfinite(c), where, "c", c, "at least 0 and finite");
    categorical_stage& s = out.evaluate(k.from(), k.to());
    s.key = {k.index, 0, 0, k.from().t, k.to().t};
    velocity const v = step_rates(k.process, k.from(), k.to());
    s.weight = {v.data, v.source, k.from().alpha, k.from().sigma};
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    velocity const v{w[0], w[1]};
    auto const first = words(0);
    double const coin = detail::unit_uniform(first.word[0], first.word[1]);
    double const u = detail::unit_uniform(first.word[2], first.word[3]);
    // Where the source never shows a class, it is the data's own: x1 = now.
    double const pi = law.probability(now);
    bool const shown = pi == 0.0;
    double const stays = v.away(law, now, now);  // the rate of leaving a class that is x1 itself
    if (coin >= jump_probability(shown ? stays : v.data + stays)) return now;
    if (shown) return law.draw_other(u, now);
    if (!row.scan()) return -1;
    auto const second = words(1);
    double const route = detail::unit_uniform(second.word[0], second.word[1]);
    int const x1 = draw_data<Cavity>(w, pi, now == law.mask, now, row, u, route);
    double const away = v.away(law, now, x1);
    if (coin >= jump_probability(away)) return now;
    auto const third = words(2);
    if (detail::unit_uniform(third.word[0], third.word[1]) * away < v.data && x1 != now) return x1;
    return law.draw_other(detail::unit_uniform(third.word[2], third.word[3]), now);
  }

 private:
  template <class Process>
  velocity step_rates(Process const& process, level const& from, level const& to) const {
    if (to.sigma == 0.0) return {certain, 0.0};
    if (rates == flow_rates::integrated) return over(from, to);
    if constexpr (requires { process.schedule().slope(1.0); }) {
      velocity const v = at(from, process.schedule().slope(from.t));
      return {v.data * (from.t - to.t), v.source * (from.t - to.t)};
    } else {
      detail::fail(
          "diffx::solver::discrete_flow_matching: this schedule has no slope(t), which "
          "flow_rates::frozen needs");
    }
  }

  /// A data class given all positions. Of a cavity, `now` has its own evidence beside the rest's;
  /// the mask is no evidence.
  template <bool Cavity, class Row>
  DIFFX_HD static int draw_data(double const (&w)[4], double pi, bool masked, int now,
                                Row const& row, double u, double route) noexcept {
    if (Cavity && !masked) {
      double const seen = w[2] * row.probability(now);
      if (route * (seen + w[3] * pi) < seen) return now;
    }
    return row.draw(u);
  }

  static constexpr double certain = 1e300;  // a sum of rates that no coin survives
};

static_assert(categorical_solver<discrete_flow_matching>);

}  // namespace diffx::solver
