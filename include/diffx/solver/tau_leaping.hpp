#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/reverse_rates.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace diffx::solver {

/// What several jumps of one position in one step mean.
enum class several_jumps {
  choose,  // one of them is taken: classes without an order
  refuse,  // none is: the position stays
  add      // their sizes y - x are added and clipped to the classes: ordinal classes
};

/// Tau-leaping of the reverse jump process: jumps to every class come with the rates of the step's
/// start, independently,
///
///     N_y ~ Poisson(h pi_x s_y)   for y != x,    h = log(alpha_s / alpha_t)
///
/// in the clock of the total noise, as in solver::euler_ctmc; here no probability exceeds 1. How
/// many jumps there are, and whereto, are separate draws: sum N_y is Poisson, and each goes to y
/// in proportion to s_y.
///
/// With `refuse` a long step leaves positions as they are, and with `add` more than 1024 jumps of a
/// position count as 1024.
///
/// Source    Campbell et al. 2022, arXiv:2205.14987.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    as solver::euler_ctmc; `add` under absorbing noise throws: a mask is no number.
struct tau_leaping {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::tau_leaping";
  static constexpr std::string_view source = "arXiv:2205.14987";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool takes_scores = true;
  static constexpr int most_jumps = 1024;

  several_jumps several = several_jumps::choose;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    constexpr auto where = "diffx::solver::tau_leaping";
    detail::require_rates(where, c.grid.inverts(), c.from());
    if (Process::is_absorbing && several == several_jumps::add) {
      detail::fail(std::string(where) +
                   ": several_jumps::add counts with classes, and a mask is no number; use "
                   "several_jumps::choose");
    }
    categorical_stage& s = detail::add_class_step(c, out);
    s.weight = {c.from().alpha, c.from().sigma, detail::noise_between(c.from(), c.to()),
                static_cast<double>(several)};
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    return step < Cavity ? detail::row_meaning::cavity
                         : detail::row_meaning::posterior > (w, law, now, row, words);
  }
  template <class Row, class Words>
  DIFFX_HD static int advance_score(double const (&w)[4], detail::limit_law const& law, int now,
                                    Row& row, Words const& words) {
    return step<detail::row_meaning::score>(w, law, now, row, words);
  }

 private:
  template <detail::row_meaning Meaning, class Row, class Words>
  DIFFX_HD static int step(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                           Words const& words) {
    auto const rates = detail::rates_from<Meaning>(law, now, w[0], w[1], row);
    if (rates.total < 0.0) return -1;
    double const expected = w[2] * rates.total;
    auto const r = words(0);
    double const coin = detail::unit_uniform(r.word[0], r.word[1]);
    if (w[3] == static_cast<double>(several_jumps::add)) {
      return added(law, now, rates, row, words, jumps(expected, coin));
    }
    double const leave = w[3] == static_cast<double>(several_jumps::choose)
                             ? -std::expm1(-expected)
                             : (expected < 1e9 ? expected * std::exp(-expected) : 0.0);
    if (coin >= leave) return now;
    return detail::draw_jump(law, now, rates, row, coin / leave,
                             detail::unit_uniform(r.word[2], r.word[3]));
  }

  /// The inverse of Poisson's distribution function.
  DIFFX_HD static int jumps(double expected, double u) {
    double term = std::exp(-expected), sum = term;
    int n = 0;
    while (u >= sum && n < most_jumps) sum += term *= expected / ++n;
    return n;
  }

  template <class Row, class Words>
  DIFFX_HD static int added(detail::limit_law const& law, int now,
                            detail::reverse_rates const& rates, Row const& row, Words const& words,
                            int n) {
    long long to = now;
    for (int j = 1; j <= n; ++j) {
      auto const r = words(j);
      to += detail::draw_jump(law, now, rates, row, detail::unit_uniform(r.word[0], r.word[1]),
                              detail::unit_uniform(r.word[2], r.word[3])) -
            now;
    }
    return to < 0 ? 0 : to >= law.classes ? law.classes - 1 : static_cast<int>(to);
  }
};

static_assert(categorical_solver<tau_leaping>);

}  // namespace diffx::solver
