#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/log.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace diffx::solver {

/// The step of discrete flow matching with the rates of DeFoG. A position in class x draws a data
/// class x1 from the network's posterior and jumps to another class y at the rate
///
///     R(y) = max(p'(y) - p'(x), 0) / (Z p(x))  +  eta p(y)  +  omega 1[y = x1] / (Z p(x))
///     p(y) = alpha 1[y = x1] + (1 - alpha) pi(y),    p'(y) = 1[y = x1] - pi(y)
///
/// with Z the number of classes that p gives, x1 among them, all at the start of the step; no jump
/// from a class that p does not give, or to one. It jumps to y with probability R(y) times the step
/// in alpha, and where these add up to more than 1, in proportion. A step onto alpha = 1 sets x =
/// x1.
///
/// eta >= 0 is detailed balance: it moves positions and leaves the marginals as they are, up to the
/// error of a step. omega >= 0 hurries to the data class and is biased, whatever the steps. With
/// both 0 and the exact posterior a single position reaches the law of the data in any number of
/// steps, unless one is so long that jumps add up to more than 1. Grids: grid::distorted.
///
/// A guidance of kernels (guidance::d_cfg, guidance::d_cbg) acts on the rates: each branch has the
/// mean of R over its own posterior, and
///
///     R(y) = prod_g R_g(y)^w_g exp(sum_t w_t table_t(y))
///
/// where a class that one of them rules out is ruled out; a step onto alpha = 1 draws x1 from the
/// posteriors tempered alike. Published code draws one x1 for each branch, mixes the two rates with
/// 1e-6 added to both, takes the unconditional rate from the conditional prediction, and ends on
/// the unconditional one.
///
/// N steps cost N evaluations and O(classes) a position, guided O(classes^3).
///
/// Source    Qin et al. 2024 (DeFoG), arXiv:2410.04263; the rates, Campbell et al. 2024,
///           arXiv:2402.04997; their guidance, Nisonoff et al. 2024, arXiv:2406.01572.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    an inversion, eta < 0 or omega < 0 throws when the run is planned; a row of logits
///           that is no distribution is reported with step, sample and position.
struct defog {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::defog";
  static constexpr std::string_view source = "arXiv:2410.04263";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool takes_short_rows = true;
  static constexpr bool gives_kernels = true;

  double eta = 0.0;
  double omega = 0.0;

  /// The rates of a position in class x whose data class is x1.
  struct rates {
    detail::limit_law const& law;
    double alpha, eta, omega;
    int classes, x, x1;

    /// Of a process: the mask is a class, too.
    DIFFX_HD rates(detail::limit_law const& of, double kept, double balance, double hurry, int now,
                   int data) noexcept
        : law(of),
          alpha(kept),
          eta(balance),
          omega(hurry),
          classes(of.mask == of.classes ? of.classes + 1 : of.classes),
          x(now),
          x1(data) {
      double const here = marginal(x);
      scale_ = here > 0.0 ? 1.0 / (given() * here) : 0.0;
    }

    /// p(y | x1).
    DIFFX_HD double marginal(int y) const noexcept {
      return (y == x1 ? alpha : 0.0) + (1.0 - alpha) * law.probability(y);
    }
    /// x1 from alpha = 0 on, so that a step from pure noise leaves the mask.
    DIFFX_HD bool gives(int y) const noexcept { return y == x1 || marginal(y) > 0.0; }
    DIFFX_HD double slope(int y) const noexcept {
      return (y == x1 ? 1.0 : 0.0) - law.probability(y);
    }
    /// Z, the number of classes that p gives.
    DIFFX_HD int given() const noexcept {
      int n = 0;
      for (int y = 0; y < classes; ++y) n += gives(y) ? 1 : 0;
      return n;
    }

    /// Without eta and omega, and of classes that p does not give as well.
    DIFFX_HD double least(int y) const noexcept {
      double const rise = slope(y) - slope(x);
      return rise > 0.0 ? rise * scale_ : 0.0;
    }
    DIFFX_HD double operator()(int y) const noexcept {
      if (scale_ == 0.0 || !gives(y)) return 0.0;
      return least(y) + eta * marginal(y) + (y == x1 && x1 != x ? omega * scale_ : 0.0);
    }

   private:
    double scale_;
  };

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    constexpr auto where = "diffx::solver::defog";
    if (c.grid.inverts()) {
      detail::fail(std::string(where) + ": cannot go from data to noise; start::noised does");
    }
    detail::require(eta >= 0.0 && std::isfinite(eta), where, "eta", eta, "at least 0 and finite");
    detail::require(omega >= 0.0 && std::isfinite(omega), where, "omega", omega,
                    "at least 0 and finite");
    categorical_stage& s = detail::add_class_step(c, out);
    bool const lands = c.to().sigma == 0.0;
    s.weight = {c.from().alpha, eta, omega, lands ? -1.0 : c.to().alpha - c.from().alpha};
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    bool const shown = law.probability(now) == 0.0;  // by data alone: it is its own data class
    if (shown && (w[1] == 0.0 || w[3] < 0.0)) return now;
    auto const first = words(0);
    double const u = detail::unit_uniform(first.word[0], first.word[1]);
    double const coin = detail::unit_uniform(first.word[2], first.word[3]);
    if (!shown && !row.scan()) return -1;
    int const x1 = shown ? now : data_class<Cavity>(w[0], law, now, row, u, words);
    if (w[3] < 0.0) return x1;
    rates const rate(law, w[0], w[1], w[2], now, x1);
    double total = 0.0;
    for (int y = 0; y < rate.classes; ++y) total += y == now ? 0.0 : rate(y) * w[3];
    double left = coin * (total > 1.0 ? total : 1.0);
    int last = now;
    for (int y = 0; y < rate.classes; ++y) {
      if (y == now) continue;
      double const p = rate(y) * w[3];
      if (p > 0.0) last = y;
      if ((left -= p) < 0.0) return y;
    }
    return total >= 1.0 ? last : now;  // what rounding leaves
  }

  /// advance() under a guidance that acts on the rates.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance_kernels(double const (&w)[4], detail::limit_law const& law, int now,
                                      Row& row, Words const& words) {
    bool const shown = law.probability(now) == 0.0;
    if (shown && (w[1] == 0.0 || w[3] < 0.0)) return now;
    if (!shown && !row.normalise()) return -1;
    bool const lands = w[3] < 0.0;
    guided_rates<Cavity, Row> const rate{row, law, {w[0], w[1], w[2]}, now, shown, lands};
    int const classes = law.mask == law.classes ? law.classes + 1 : law.classes;
    double total = 0.0;
    for (int y = 0; y < classes; ++y) total += rate(y);
    if (!(total - total == 0.0) || (lands && !(total > 0.0))) return -1;
    double const step = lands ? 1.0 : w[3];
    auto const first = words(0);
    double const coin = detail::unit_uniform(first.word[2], first.word[3]);
    double left = coin * (lands || total * step > 1.0 ? total * step : 1.0);
    int last = now;
    for (int y = 0; y < classes; ++y) {
      double const p = rate(y) * step;
      if (p > 0.0) last = y;
      if ((left -= p) < 0.0) return y;
    }
    return lands || total * step >= 1.0 ? last : now;  // what rounding leaves
  }

 private:
  /// The mixed rate to another class, or where a step lands on data the mixed law of the class.
  template <bool Cavity, class Row>
  struct guided_rates {
    Row const& row;
    detail::limit_law const& law;
    double w[3];
    int now;
    bool shown, lands;

    DIFFX_HD double operator()(int y) const noexcept {
      if (!lands && y == now) return 0.0;
      double sum = 0.0;
      DIFFX_UNROLLED
      for (int g = 0; g < Row::branches; ++g) {
        if (g >= row.sources) break;
        if (g >= row.kernels) {
          double const l = y < law.classes ? detail::widened<double>(row.source[g][y]) : 0.0;
          if (l == Row::nothing) return 0.0;
          sum += row.weight[g] * l;
          continue;
        }
        double const r = lands ? data(g, y) : mean_rate(g, y);
        if (!(r > 0.0)) return r;  // ruled out, or NaN
        sum += row.weight[g] * detail::log(r);
      }
      return sum - sum == 0.0 ? detail::exp(sum) : sum;  // of a table: the run refuses it
    }

    /// The posterior of the data class, up to a factor of the position.
    DIFFX_HD double data(int g, int k) const noexcept {
      if (shown) return k == now ? 1.0 : 0.0;
      if (k >= law.classes) return 0.0;
      double const seen =
          Cavity ? (k == now ? w[0] : 0.0) + (1.0 - w[0]) * law.probability(now) : 1.0;
      return seen * row.data_probability(g, k);
    }

    DIFFX_HD double mean_rate(int g, int y) const noexcept {
      double sum = 0.0, mass = 0.0;
      for (int k = 0; k < law.classes; ++k) {
        double const p = data(g, k);
        if (!(p > 0.0)) continue;
        mass += p;
        sum += p * rates(law, w[0], w[1], w[2], now, k)(y);
      }
      return mass > 0.0 ? sum / mass : 0.0;
    }
  };

  /// Of a cavity, the class that is there has its own evidence beside the rest's.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int data_class(double alpha, detail::limit_law const& law, int now,
                                 Row const& row, double u, Words const& words) {
    if constexpr (Cavity) {
      if (law.mask < 0) {
        double const seen = alpha * row.probability(now);
        auto const second = words(1);
        double const route = detail::unit_uniform(second.word[0], second.word[1]);
        if (route * (seen + (1.0 - alpha) * law.probability(now)) < seen) return now;
      }
    }
    return row.draw(u);
  }
};

static_assert(categorical_solver<defog>);

}  // namespace diffx::solver
