#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace diffx::solver {

/// How many visible positions a step masks again: a share r of them, each by a coin of its own.
///
/// | `r.share(t, from, to)` | r before it is held below its limit; t: the grid's own time |
/// | `r.on(process, level)` | the level at which the rule stands at a level of the grid   |
/// | `r.check()`            | throws if its numbers are out of range                      |
namespace remask {

/// The largest share that leaves the marginals as they are, min(1, (1 - alpha_s) / alpha_t). At
/// alpha_t = 0 nothing is visible, and any share is as good.
inline double limit(level const& from, level const& to) noexcept {
  return from.alpha > to.sigma ? to.sigma / from.alpha : 1.0;
}

/// The same share in every step, as far as the limit allows.
struct cap {
  static constexpr std::string_view name = "cap";

  double eta = 0.008;  // for 1024 steps

  double share(double, level const&, level const&) const noexcept { return eta; }
  template <class Process>
  level on(Process const&, level const& l) const {
    return l;
  }
  void check() const {
    detail::require(eta >= 0.0 && eta <= 1.0, "diffx::solver::remask::cap", "eta", eta,
                    "in [0, 1]");
  }
};

/// A share of the limit; eta = 1 masks and draws as much as the marginals allow.
struct rescale {
  static constexpr std::string_view name = "rescale";

  double eta = 0.015;  // for 1024 steps

  double share(double, level const& from, level const& to) const noexcept {
    return eta * limit(from, to);
  }
  template <class Process>
  level on(Process const&, level const& l) const {
    return l;
  }
  void check() const {
    detail::require(eta >= 0.0 && eta <= 1.0, "diffx::solver::remask::rescale", "eta", eta,
                    "in [0, 1]");
  }
};

/// As many as a forward step from s back to t would mask.
struct forward_backward {
  static constexpr std::string_view name = "forward_backward";

  double share(double, level const& from, level const& to) const noexcept {
    double const gained = from.sigma - to.sigma;
    return gained < from.alpha ? gained / from.alpha : 1.0;
  }
  template <class Process>
  level on(Process const&, level const& l) const {
    return l;
  }
  void check() const {}
};

/// Draws quickly down to a level, stays there while masks are put back and drawn anew, and finishes
/// without remasking.
///
///     t > t_on             the process's path from t = 1 to where alpha = alpha_on, r = 0
///     t_on >= t > t_off    alpha = alpha_on, r = eta
///     t <= t_off           the rest of the path, r = 0
///
/// Both parts of the path are run through evenly in its own time. The network is told the level at
/// which the state is, not the grid's. A step across t_on or t_off goes from the one part's level
/// to the other's, so that the marginals hold on any grid.
struct loop {
  static constexpr std::string_view name = "loop";

  double eta = 0.02;
  double t_on = 0.55;
  double t_off = 0.05;
  double alpha_on = 0.9;

  double share(double t, level const&, level const&) const noexcept {
    return t <= t_on && t > t_off ? eta : 0.0;
  }
  template <class Process>
  level on(Process const& process, level const& l) const {
    double const held = process.at_lambda(std::log(alpha_on) - std::log1p(-alpha_on)).t;
    if (l.t > t_on) return process.at(1.0 - (1.0 - l.t) * ((1.0 - held) / (1.0 - t_on)));
    return process.at(l.t > t_off ? held : held * (l.t / t_off));
  }
  void check() const {
    constexpr auto where = "diffx::solver::remask::loop";
    detail::require(eta >= 0.0 && eta <= 1.0, where, "eta", eta, "in [0, 1]");
    detail::require(t_on < 1.0 && t_on > t_off, where, "t_on", t_on, "in (t_off, 1)");
    detail::require(t_off > 0.0, where, "t_off", t_off, "above 0");
    detail::require(alpha_on > 0.0 && alpha_on < 1.0, where, "alpha_on", alpha_on, "in (0, 1)");
  }
};

/// The limit's share of one position, spread over all visible ones of a sample by how unlikely
/// their classes were when they were drawn:
///
///     r^l = limit softmax_l(-psi^l),    psi = the probability of the class then
///
/// Classes that the solver has not drawn are never masked. The marginals hold on no position by
/// itself: a heuristic.
struct confidence {
  static constexpr std::string_view name = "confidence";
  static constexpr double never = std::numeric_limits<double>::infinity();

  /// Of the visible classes of one sample: exp(-psi - least) sums to `sum`.
  struct total {
    double least = 0.0;  // the smallest psi, with the opposite sign the largest logit
    double sum = 0.0;    // 0: nothing can be masked

    DIFFX_HD double share(double psi) const noexcept {
      return sum > 0.0 ? std::exp(least - psi) / sum : 0.0;
    }
  };

  template <class Code>
  DIFFX_HD static total of(Code const* x, double const* psi, std::int64_t positions,
                           int mask) noexcept {
    total t{never, 0.0};
    for (std::int64_t p = 0; p < positions; ++p) {
      if (static_cast<int>(x[p]) != mask && psi[p] < t.least) t.least = psi[p];
    }
    if (t.least == never) return t;
    for (std::int64_t p = 0; p < positions; ++p) {
      if (static_cast<int>(x[p]) != mask) t.sum += std::exp(t.least - psi[p]);
    }
    return t;
  }

  double share(double, level const& from, level const& to) const noexcept {
    return limit(from, to);
  }
  template <class Process>
  level on(Process const&, level const& l) const {
    return l;
  }
  void check() const {}
};

}  // namespace remask

/// The ancestral step of masked diffusion that may take back what it has drawn.
///
///     from a class:     the mask with r, else it stays
///     from the mask:    a class of p with (alpha_s - (1 - r) alpha_t) / (1 - alpha_t)
///
/// with r the rule's share, held at or below min(1, (1 - alpha_s) / alpha_t): every position
/// carries data with probability alpha_s after the step, whatever the rule. r = 0 is
/// solver::ancestral. A last step onto alpha = 1 masks nothing and leaves no mask.
///
/// N steps cost N evaluations. Classes that were given, a prompt's, are masked again like all
/// others unless they are put back after every step.
///
/// Source    Wang et al. 2025, arXiv:2503.00307. The forward-backward rule is that of Campbell et
///           al. 2022, arXiv:2205.14987; there its share may exceed what the marginals allow.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    an inversion, and a rule whose numbers are out of range, throw when the run is
/// planned;
///           a row of logits that is no distribution is reported with step, sample and position.
template <class Rule = remask::cap>
struct remdm {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::remdm";
  static constexpr std::string_view source = "arXiv:2503.00307";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr bool absorbing = true;
  static constexpr bool remembers_draws = std::is_same_v<Rule, remask::confidence>;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool takes_short_rows = true;

  using rule_type = Rule;

  Rule rule{};

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    if (c.grid.inverts()) {
      detail::fail("diffx::solver::remdm: cannot go from data to noise; start::noised does");
    }
    rule.check();
    level const from = rule.on(c.process, c.from()), to = rule.on(c.process, c.to());
    categorical_stage& s = out.evaluate(from, to);
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    s.weight = weights(c.from().t, from, to);
  }

  /// The probabilities of leaving the mask and of going back to it.
  auto weights(double t, level const& from, level const& to) const {
    double const r = std::min(rule.share(t, from, to), remask::limit(from, to));
    return decltype(categorical_stage::weight){
        (from.sigma - to.sigma + (remembers_draws ? 0.0 : r) * from.alpha) / from.sigma, r};
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    auto const first = words(0);
    double const coin = detail::unit_uniform(first.word[0], first.word[1]);
    if (now != law.mask) return coin < w[1] ? law.mask : now;
    if (coin >= w[0]) return now;
    return row.scan() ? row.draw(detail::unit_uniform(first.word[2], first.word[3])) : -1;
  }

  /// The same where a position remembers the probability `psi` of its class and has a share of its
  /// own of w[1].
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words, double share, double& psi) {
    double const mine[4] = {w[0], w[1] * share, 0.0, 0.0};
    int const next = advance<Cavity>(mine, law, now, row, words);
    if (now == law.mask && next >= 0 && next != now) psi = row.probability(next);
    return next;
  }
};

template <class Rule>
remdm(Rule) -> remdm<Rule>;
remdm()->remdm<>;

static_assert(categorical_solver<remdm<>>);

}  // namespace diffx::solver
