#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/reverse_rates.hpp>

#include <cstdint>
#include <string_view>

namespace diffx::solver {

/// Euler's step of the reverse jump process: every position leaves its class with the rates that it
/// has at the step's start,
///
///     P(x -> y) = h pi_x s_y   for y != x,    h = log(alpha_s / alpha_t)
///
/// in the clock of the total noise, whose own step h is exact for every schedule. s_y is the
/// concrete score, or what a posterior or cavity says of it. Where the probabilities of leaving add
/// up to more than 1, they are divided by their sum and the position surely leaves: the step was
/// too long, and its law is not Euler's. How often that was so is counted, for each position in
/// run.capped() and altogether in result::capped. Whether, and whereto, are separate draws.
///
/// Under absorbing noise solver::ancestral costs the same and has the exact rates: this one is for
/// other noise, and to be compared with. A last step onto alpha = 1 may leave masks.
///
/// Source    Lou et al. 2024, arXiv:2310.16834; Campbell et al. 2022, arXiv:2205.14987.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    an inversion, or a step from alpha = 0, where the rates are infinite, throws when the
///           run is planned; a row of logits that is no distribution (NaN, +inf, nothing but -inf;
///           scores may all be -inf) is reported with step, sample and position.
struct euler_ctmc {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::euler_ctmc";
  static constexpr std::string_view source = "arXiv:2310.16834";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool takes_scores = true;
  static constexpr bool counts_capped = true;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    detail::require_rates("diffx::solver::euler_ctmc", c.grid.inverts(), c.from());
    categorical_stage& s = detail::add_class_step(c, out);
    s.weight = {c.from().alpha, c.from().sigma, detail::noise_between(c.from(), c.to()), 0.0};
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  /// `capped` goes up by one where the step is too long.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words, std::int32_t& capped) {
    return step < Cavity ? detail::row_meaning::cavity
                         : detail::row_meaning::posterior > (w, law, now, row, words, capped);
  }
  template <class Row, class Words>
  DIFFX_HD static int advance_score(double const (&w)[4], detail::limit_law const& law, int now,
                                    Row& row, Words const& words, std::int32_t& capped) {
    return step<detail::row_meaning::score>(w, law, now, row, words, capped);
  }

 private:
  template <detail::row_meaning Meaning, class Row, class Words>
  DIFFX_HD static int step(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                           Words const& words, std::int32_t& capped) {
    auto const rates = detail::rates_from<Meaning>(law, now, w[0], w[1], row);
    if (rates.total < 0.0) return -1;
    double const sum = w[2] * rates.total;
    bool const too_long = !(sum <= 1.0);
    if (too_long) ++capped;
    double const leave = too_long ? 1.0 : sum;
    auto const r = words(0);
    double const coin = detail::unit_uniform(r.word[0], r.word[1]);
    if (coin >= leave) return now;
    return detail::draw_jump(law, now, rates, row, coin / leave,
                             detail::unit_uniform(r.word[2], r.word[3]));
  }
};

static_assert(categorical_solver<euler_ctmc>);

}  // namespace diffx::solver
