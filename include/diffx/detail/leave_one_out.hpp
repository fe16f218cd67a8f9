#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>

#include <cmath>
#include <limits>

namespace diffx::detail {

/// What the class that is seen adds to its own logit: the posterior of the data class has it, the
/// cavity (leave-one-out) has not.
///
///     p_i ~ c_i q(now | x0 = i),    log q(now | now) / q(now | other) = log(1 + alpha / (sigma
///     pi))
///
/// 0 where the posterior says nothing about the cavity, since data alone shows the class
/// (sigma pi = 0).
///
/// Source    arXiv:2605.22765; the two laws, Schiff et al. 2024, arXiv:2412.10193.
DIFFX_HD inline double leave_one_out_shift(limit_law const& law, int now, double alpha,
                                           double sigma) noexcept {
  double const hidden = sigma * law.probability(now);
  return hidden > 0.0 ? std::log1p(alpha / hidden) : 0.0;
}

/// The cavity of one position, from a row of logits that has `shift` too much for the class `now`.
///
/// The row is scanned without that class, and stays so; the class has odds of its own against all
/// others. Nothing is subtracted from a probability near 1, so shifts of any size are exact.
template <class Row>
class leave_one_out {
 public:
  DIFFX_HD leave_one_out(Row& row, int now, double shift) : row_(&row), now_(now) {
    int const excluded = row.excluded;
    row.excluded = now;
    if (!row.scan()) {  // all others ruled out, or no distribution
      row.excluded = excluded;
      is_law_ = row.scan();
      here_ = 1.0;
      return;
    }
    likeliest_other_ = row.likeliest();
    double const share = row.log_probability(likeliest_other_);
    row.excluded = excluded;
    double const odds = row.log_odds(likeliest_other_, now) - share + shift;  // of all others
    row.excluded = now;
    is_law_ = odds > nothing;
    here_ = 1.0 / (1.0 + std::exp(odds));
    others_ = 1.0 / (1.0 + std::exp(-odds));
  }

  /// False if the row is no distribution.
  DIFFX_HD bool is_law() const noexcept { return is_law_; }
  /// The likeliest class but the one that is there, the lowest of equals; -1: all are ruled out.
  DIFFX_HD int likeliest_other() const noexcept { return likeliest_other_; }

  DIFFX_HD double probability(int k) const noexcept {
    return k == now_ ? here_ : others_ == 0.0 ? 0.0 : others_ * row_->probability(k);
  }

  /// The class at u in (0, 1) of a distribution function that has `now` first. One of probability 0
  /// is never drawn.
  DIFFX_HD int draw(double u) const noexcept {
    return u < here_ || others_ == 0.0 ? now_ : row_->draw((u - here_) / others_);
  }

 private:
  static constexpr double nothing = -std::numeric_limits<double>::infinity();

  Row* row_;
  int now_;
  int likeliest_other_ = -1;
  bool is_law_ = false;
  double here_ = 0.0, others_ = 0.0;
};

}  // namespace diffx::detail
