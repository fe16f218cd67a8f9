#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>

#include <cmath>

namespace diffx::detail {

/// What a row of logits says.
enum class row_meaning { posterior, cavity, score };

/// How fast a position leaves its class in reverse, per unit of the total noise -log alpha, and
/// what for: a class of the row with probability `from_row`, else one of the limit law; never the
/// same one.
struct reverse_rates {
  double total = 0.0;  // below 0: the row is no distribution
  double from_row = 1.0;
};

/// The rates from class `now` at a level that keeps the data class with probability `kept`,
///
///     sum over y != now of R(y -> now) s_y = pi_now sum s_y,    s as in prediction::concrete_score
///
/// and leaves `row` ready to draw a class other than `now`. The class that is there and the others
/// meet in one number, its odds; among the others the law of a posterior and a cavity is the same.
template <row_meaning Meaning, class Row>
DIFFX_HD reverse_rates rates_from(limit_law const& law, int now, double kept, double moved,
                                  Row& row) {
  constexpr reverse_rates none{-1.0, 1.0};
  double const pi = law.probability(now);
  if (pi == 0.0) return {};  // nothing but data shows it: it is not left
  int const hidden = row.excluded;
  row.excluded = now;
  bool const others = row.scan();
  double const rest = row.log_sum();
  if (!others && rest != -HUGE_VAL) return none;
  if constexpr (Meaning == row_meaning::score) return {pi * std::exp(rest), 1.0};
  if (law.mask >= 0) return others ? reverse_rates{kept / moved, 1.0} : none;
  row.excluded = hidden;
  double const own = row.log_weight(now);
  row.excluded = now;
  if (!(own < HUGE_VAL) || (!others && own == -HUGE_VAL)) return none;
  double odds = own - rest;
  if (Meaning == row_meaning::posterior) odds -= std::log1p(kept / (moved * pi));
  double const clean = kept / (1.0 + std::exp(odds)), fresh = moved * (1.0 - pi);
  double const seen = kept / (1.0 + std::exp(-odds)) + moved * pi;
  if (clean + fresh == 0.0) return {};
  return {pi * (clean + fresh) / seen, clean / (clean + fresh)};
}

/// A class other than `now`, after rates_from; `coin` says whence.
template <class Row>
DIFFX_HD int draw_jump(limit_law const& law, int now, reverse_rates const& rates, Row const& row,
                       double coin, double u) {
  return coin < rates.from_row ? row.draw(u) : law.draw_other(u, now);
}

}  // namespace diffx::detail
