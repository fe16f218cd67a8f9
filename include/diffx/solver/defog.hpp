#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/limit_law.hpp>
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
/// N steps cost N evaluations and O(classes) a position.
///
/// Source    Qin et al. 2024 (DeFoG), arXiv:2410.04263; the rates, Campbell et al. 2024,
///           arXiv:2402.04997.
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

 private:
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
