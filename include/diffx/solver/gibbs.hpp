#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/leave_one_out.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>

#include <cstdint>
#include <string_view>

namespace diffx::solver {

/// A Gibbs sweep at one level: some positions of every sample, picked at random, are drawn anew from
/// their law given all others,
///
///     p_s(x = k | elsewhere) = alpha_s c_k + (1 - alpha_s) pi_k
///
/// with c the cavity. A posterior is turned into it in double: the correction reaches log(classes).
/// One position a sweep leaves p_s as it is, exactly, for an exact network; several at once do not
/// see each other's new classes.
///
/// Under a posterior a class that the limit law never gives stays: nothing is known of what the
/// others say there. Masked diffusion has no use for this corrector: see solver::remdm.
///
/// Every position finds the same picks from the words of its sample (Floyd's method), so no pass
/// over the sample is needed.
///
/// Source    Zhao et al. 2024, arXiv:2405.21012; leave-one-out, arXiv:2605.22765.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    `picks` outside [1, 16] throws when the run is planned; a row of logits that is no
///           distribution is reported with step, sample and position.
struct gibbs {
  static constexpr std::string_view name = "solver::gibbs";
  static constexpr std::string_view source = "arXiv:2605.22765";
  static constexpr bool absorbing = false;
  static constexpr int max_picks = 16;
  static constexpr int draws = 2 + max_picks / 2;  // blocks of words that a stage takes

  int picks = 1;  // positions of a sweep; all if there are fewer

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    detail::require(picks >= 1 && picks <= max_picks, "diffx::solver::gibbs", "picks", picks,
                    "in [1, 16]");
    categorical_stage& s = out.evaluate(c.to(), c.to());
    s.weight = {c.to().alpha, c.to().sigma, static_cast<double>(picks), 0.0};
  }

  /// Of a position in class `now`: its class after the sweep, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    if (!is_picked(static_cast<int>(w[2]), words)) return now;
    double const alpha = w[0], sigma = w[1];
    if (!Cavity && sigma * law.probability(now) == 0.0) return now;
    auto const first = words(0);
    if (detail::unit_uniform(first.word[0], first.word[1]) >= alpha) {
      auto const second = words(1);
      return law.draw(detail::unit_uniform(second.word[0], second.word[1]));
    }
    if (!row.scan()) return -1;
    detail::leave_one_out<Cavity, Row> const cavity(row, law, now, alpha, sigma);
    return cavity.draw(detail::unit_uniform(first.word[2], first.word[3]));
  }

  /// True if the position is one of the sample's k distinct picks, each set as likely as any other.
  template <class Words>
  DIFFX_HD static bool is_picked(int k, Words const& words) {
    std::int64_t const positions = words.positions;
    if (k >= positions) return true;
    std::int64_t picked[max_picks];
    bool mine = false;
    for (int i = 0; i < k; ++i) {
      std::int64_t const last = positions - k + i;
      auto const block = words.of_sample(2 + i / 2);
      double const u = detail::unit_uniform(block.word[i % 2 * 2], block.word[i % 2 * 2 + 1]);
      auto pick = static_cast<std::int64_t>(u * static_cast<double>(last + 1));
      for (int j = 0; j < i; ++j) {
        if (picked[j] == pick) {
          pick = last;
          break;
        }
      }
      picked[i] = pick;
      mine = mine || pick == words.position;
    }
    return mine;
  }
};

}  // namespace diffx::solver
