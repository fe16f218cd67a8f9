#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/limit_law.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// The exact step of a concrete score, position by position given x_t:
///
///     p(x_s = y | x_t) ~ (s_y - (1 - a) pi_y sum_z s_z) (a 1[y = x] + (1 - a) pi_x)
///
/// with a = alpha_t / alpha_s. The first factor is the score of the cleaner level, up to a factor;
/// for an exact score the law is that of solver::ancestral. Other scores may leave a class less
/// than nothing: it gets 0, and the rest is normalised. Staying is a coin of its own.
///
/// The law needs the sum over the other classes, cut at 0: a position that is drawn anew reads its
/// row up to three times, under absorbing noise two. A last step onto alpha = 1 leaves no mask.
///
/// Source    Lou et al. 2024, arXiv:2310.16834, theorem 4.2.
/// Shapes    x: [batch, positions], integers; log-scores [batch, positions, classes].
/// Errors    an inversion, or a step from alpha = 0, throws when the run is planned; a row with NaN
///           or +inf is reported with step, sample and position.
struct tweedie {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::tweedie";
  static constexpr std::string_view source = "arXiv:2310.16834";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool takes_scores = true;
  static constexpr bool takes_laws = false;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    detail::require_rates("diffx::solver::tweedie", c.grid.inverts(), c.from());
    categorical_stage& s = detail::add_class_step(c, out);
    // Not 1 - a, which loses its digits where a step is small.
    s.weight = {c.from().alpha / c.to().alpha, (c.from().sigma - c.to().sigma) / c.to().alpha,
                c.to().sigma, 0.0};
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  template <class Row, class Words>
  DIFFX_HD static int advance_score(double const (&w)[4], detail::limit_law const& law, int now,
                                    Row& row, Words const& words) {
    double const a = w[0], lost = w[1], pi = law.probability(now);
    if (pi == 0.0) return now;  // nothing but data shows a class that pi never gives
    row.excluded = now;
    bool const others = row.scan();
    double const rest = row.log_sum();
    if (!others) return rest == -HUGE_VAL ? now : -1;
    auto const r = words(0);
    double const coin = detail::unit_uniform(r.word[0], r.word[1]);
    double const u = detail::unit_uniform(r.word[2], r.word[3]);
    // Scores over their sum: the law of the class that is seen, given the other positions.
    double const seen = 1.0 / (1.0 + std::exp(rest)), unseen = 1.0 / (1.0 + std::exp(-rest));
    double const same = seen > lost * pi ? seen - lost * pi : 0.0;
    if (law.mask >= 0) {
      double const stay = w[2] > 0.0 ? same : 0.0;  // at the data there is no mask
      return coin * (stay + lost * unseen) < stay ? now : row.draw(u);
    }
    double sum = 0.0;
    for (int k = 0; k < law.classes; ++k) sum += cleaner(law, lost, unseen, row, k, now);
    double const stay = (a + lost * pi) * same, leave = lost * pi * sum;
    if (!(leave > 0.0) || coin * (stay + leave) < stay) return now;
    double left = u * sum;
    int last = now;  // what rounding leaves goes to the last class of any probability
    for (int k = 0; k < law.classes; ++k) {
      double const mass = cleaner(law, lost, unseen, row, k, now);
      if (mass <= 0.0) continue;
      last = k;
      if ((left -= mass) < 0.0) break;
    }
    return last;
  }

 private:
  template <class Row>
  DIFFX_HD static double cleaner(detail::limit_law const& law, double lost, double unseen,
                                 Row const& row, int k, int now) {
    double const mass = unseen * row.probability(k) - lost * law.probability(k);
    return k != now && mass > 0.0 ? mass : 0.0;
  }
};

static_assert(categorical_solver<tweedie>);

}  // namespace diffx::solver
