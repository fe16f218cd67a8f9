#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/leave_one_out.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

namespace diffx::solver {

/// The law of a position in class `now`, given all others, at a level of the noise:
///
///     p(x = k | elsewhere) = alpha c_k + sigma pi_k,    c the cavity
///
/// from a row of logits of the cavity or of the posterior.
template <bool Cavity, class Row>
class gibbs_law {
 public:
  DIFFX_HD gibbs_law(Row& row, detail::limit_law const& law, int now, double alpha, double sigma)
      : cavity_(row, now, Cavity ? 0.0 : detail::leave_one_out_shift(law, now, alpha, sigma)),
        law_(&law),
        now_(now),
        alpha_(alpha),
        sigma_(sigma) {}

  DIFFX_HD bool is_law() const noexcept { return cavity_.is_law(); }
  DIFFX_HD detail::leave_one_out<Row> const& cavity() const noexcept { return cavity_; }

  DIFFX_HD double probability(int k) const noexcept {
    return alpha_ * cavity_.probability(k) + sigma_ * law_->probability(k);
  }
  DIFFX_HD double current() const noexcept { return probability(now_); }

  /// The largest probability of another class.
  DIFFX_HD double largest_other() const noexcept {
    int const k = cavity_.likeliest_other();
    double largest = k < 0 ? 0.0 : probability(k);
    if (law_->cumulative != nullptr) {
      for (int j = 0; j < law_->classes; ++j) {
        if (j == now_) continue;
        double const p = probability(j);
        largest = p > largest ? p : largest;
      }
    } else if (k < 0 && law_->classes > 1) {
      largest = sigma_ * law_->probability(now_ == 0 ? 1 : 0);
    }
    return largest;
  }

 private:
  detail::leave_one_out<Row> cavity_;
  detail::limit_law const* law_;
  int now_;
  double alpha_, sigma_;
};

/// Which positions a Gibbs sweep draws anew: those of the largest score of(law), to which Gumbel
/// noise is added. All scores are high where the network is least sure.
///
/// Source    arXiv:2605.22765.
namespace pick {

/// Any position as likely as any other, without a look at the logits.
struct at_random {
  static constexpr std::string_view name = "pick::at_random";
  static constexpr bool reads_row = false;
};

/// By minus the log of the largest probability.
struct lowest_probability {
  static constexpr std::string_view name = "pick::lowest_probability";
  static constexpr bool reads_row = true;
  template <class Law>
  DIFFX_HD static double of(Law const& law) noexcept {
    double const now = law.current(), other = law.largest_other();
    return -std::log(now > other ? now : other);
  }
};

/// By minus the log-probability of the class that is there.
struct lowest_current {
  static constexpr std::string_view name = "pick::lowest_current";
  static constexpr bool reads_row = true;
  template <class Law>
  DIFFX_HD static double of(Law const& law) noexcept {
    return -std::log(law.current());
  }
};

/// By how far the likeliest other class is ahead of the one that is there, in log-probability.
struct lowest_margin {
  static constexpr std::string_view name = "pick::lowest_margin";
  static constexpr bool reads_row = true;
  template <class Law>
  DIFFX_HD static double of(Law const& law) noexcept {
    return std::log(law.largest_other()) - std::log(law.current());
  }
};

}  // namespace pick

/// A Gibbs sweep at one level: some positions of every sample are drawn anew from their law given
/// all others,
///
///     p_s(x = k | elsewhere) = alpha_s c_k + (1 - alpha_s) pi_k
///
/// with c the cavity. A posterior is turned into it in double: the correction reaches log(classes).
///
/// One position a sweep, picked at random, leaves p_s as it is, exactly, for an exact network.
/// Picks that look at the state do not, nor do several at once, which do not see each other's new
/// classes.
///
/// Under a posterior a class that the limit law never gives stays: nothing is known of what the
/// others say there. Masked diffusion has no use for this corrector: see solver::remdm. Positions
/// that are fixed are never picked.
///
/// Source    arXiv:2605.22765; Gibbs correctors, Campbell et al. 2022, arXiv:2205.14987.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    picks < 1 or a temperature below 0 throws when the run is planned; a row of logits
/// that
///           is no distribution is reported with step, sample and position.
template <class Pick = pick::at_random>
struct gibbs {
  static constexpr std::string_view name = "solver::gibbs";
  static constexpr std::string_view source = "arXiv:2605.22765";
  static constexpr bool absorbing = false;
  static constexpr int draws = 3;  // blocks of words of a position and sweep
  using pick_type = Pick;

  int picks = 1;             // positions of a sweep; all if there are fewer
  double temperature = 1.0;  // of the picks: scores are divided by it; 0: no Gumbel noise

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    constexpr auto where = "diffx::solver::gibbs";
    detail::require(picks >= 1, where, "picks", picks, "at least 1");
    detail::require(temperature >= 0.0 && std::isfinite(temperature), where, "temperature",
                    temperature, "at least 0 and finite");
    categorical_stage& s = out.evaluate(c.to(), c.to());
    s.weight = {c.to().alpha, c.to().sigma, static_cast<double>(picks), temperature};
  }

  /// The key of a position with this score and uniform: the sweep draws those of the largest.
  DIFFX_HD static double key(double score, double temperature, double u) noexcept {
    if (!Pick::reads_row) return u;
    return temperature > 0.0 ? score / temperature - std::log(-std::log(u)) : score;
  }

  /// The key of a position in class `now`, which `valid` says has a row that is a distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static double key(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                             Words const& words, bool& valid) {
    auto const third = words(2);
    double const u = detail::unit_uniform(third.word[0], third.word[1]);
    valid = true;
    if constexpr (Pick::reads_row) {
      gibbs_law<Cavity, Row> const given(row, law, now, w[0], w[1]);
      valid = given.is_law();
      return valid ? key(Pick::of(given), w[3], u) : 0.0;
    } else {
      return key(0.0, 0.0, u);
    }
  }

  /// Of a position that is picked, in class `now`: its class after the sweep, or -1 if the row is
  /// no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    double const alpha = w[0], sigma = w[1];
    if (!Cavity && sigma * law.probability(now) == 0.0) return now;
    auto const first = words(0);
    if (detail::unit_uniform(first.word[0], first.word[1]) >= alpha) {
      auto const second = words(1);
      return law.draw(detail::unit_uniform(second.word[0], second.word[1]));
    }
    gibbs_law<Cavity, Row> const given(row, law, now, alpha, sigma);
    if (!given.is_law()) return -1;
    return given.cavity().draw(detail::unit_uniform(first.word[2], first.word[3]));
  }
};

}  // namespace diffx::solver
