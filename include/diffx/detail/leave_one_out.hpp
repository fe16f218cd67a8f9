#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>

#include <cmath>

namespace diffx::detail {

/// What the class that is seen adds to its own logit: the posterior of the data class with it, the
/// cavity (leave-one-out) without.
///
///     p_i ~ c_i q(now | x0 = i),    log q(now | now) / q(now | other) = log(1 + alpha / (sigma pi))
///
/// 0 where the two cannot be told apart from p: at alpha = 0 they are one, and where data alone
/// shows the class (sigma pi = 0) the posterior says nothing about the other positions.
///
/// Source    Schiff et al. 2024, arXiv:2412.10193; the correction, arXiv:2605.22765.
DIFFX_HD inline double leave_one_out_shift(limit_law const& law, int now, double alpha,
                                           double sigma) noexcept {
  double const hidden = sigma * law.probability(now);
  return alpha > 0.0 && hidden > 0.0 ? std::log1p(alpha / hidden) : 0.0;
}

/// The cavity of one position, whatever the row of logits is the law of; after row.scan().
template <bool Cavity, class Row>
class leave_one_out {
 public:
  DIFFX_HD leave_one_out(Row const& row, limit_law const& law, int now, double alpha, double sigma)
      : row_(&row), now_(now), classes_(law.classes) {
    if (Cavity) return;
    // The others one by one and not as 1 - p: what is left may be far below the rounding of 1.
    for (int k = 0; k < classes_; ++k) others_ += k == now ? 0.0 : row.probability(k);
    here_ = row.probability(now) * std::exp(-leave_one_out_shift(law, now, alpha, sigma));
    if (!(others_ + here_ > 0.0)) here_ = 1.0;
  }

  DIFFX_HD double probability(int k) const noexcept {
    if (Cavity) return row_->probability(k);
    return (k == now_ ? here_ : row_->probability(k)) / (others_ + here_);
  }

  /// The class at u in (0, 1) of a distribution function; one of probability 0 is never drawn.
  DIFFX_HD int draw(double u) const noexcept {
    if (Cavity) return row_->draw(u);
    double left = u * (others_ + here_) - here_;
    int last = now_;  // what rounding leaves goes to the last class that has a probability
    for (int k = 0; k < classes_ && !(left < 0.0); ++k) {
      double const p = k == now_ ? 0.0 : row_->probability(k);
      if (p == 0.0) continue;
      left -= p;
      last = k;
    }
    return last;
  }

 private:
  Row const* row_;
  int now_, classes_;
  double others_ = 0.0, here_ = 0.0;
};

}  // namespace diffx::detail
