#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace diffx::solver {

/// The noise scale of ER-SDE: phi(L) = L (e^{L^0.3} + 10).
struct er_noise_scale {
  double operator()(double l) const noexcept { return l * (std::exp(std::pow(l, 0.3)) + 10.0); }
};
/// phi(L) = L^p: 1 is the ODE, 2 the reverse SDE.
struct er_power {
  double power = 1.0;
  double operator()(double l) const noexcept { return std::pow(l, power); }
};

/// How ER-SDE integrates 1 / phi.
enum class er_quadrature {
  gauss,     // Gauss-Legendre, 16 points in log L: exact to rounding
  left_sum,  // the published sum of 100 left values, which lowers the order to about 1.3
};

/// ER-SDE-Solver of order 1 to 3: the family of reverse SDEs with noise scale phi, in L =
/// sigma / alpha, with Taylor terms of x0 by backward differences.
///
///     q = phi(L_t) / phi(L_s),   d = L_t - L_s,   I_0 = int_{L_t}^{L_s} du / phi(u),
///     I_1 = int_{L_t}^{L_s} (u - L_s) / phi(u) du
///     x_t = (alpha_t / alpha_s) q x + alpha_t (1 - q) D
///           + alpha_t (d + phi(L_t) I_0) D' + alpha_t (d^2 / 2 + phi(L_t) I_1) D''
///           + alpha_t sqrt(L_t^2 - L_s^2 q^2) xi
///     D'  = (D - D_1) / (L_s - L_{s-1}),   D'' = 2 (D' - D'_1) / (L_s - L_{s-2})
///
/// N steps cost N evaluations. The first steps use the outputs there are. A step onto sigma = 0
/// returns the x0 prediction.
///
/// Source    Cui et al. 2023, arXiv:2309.06169, Algorithms 1 to 3 (VP and VE alike).
/// Shapes    x, x0: [batch, features]; Order - 1 outputs kept.
/// Requires  alpha > 0 at the start; phi(L) / L does not fall as L grows.
/// Errors    an inversion, or a phi that would need noise of negative variance, throws when
/// planned.
template <int Order = 3, class Phi = er_noise_scale>
struct er_sde {
  static_assert(Order >= 1 && Order <= 3, "diffx::solver::er_sde<Order>: Order is 1, 2 or 3.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::er_sde";
  static constexpr std::string_view source = "arXiv:2309.06169";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = Order == 3 ? 2 : Order;  // weak order: the start is of order 1
  static constexpr int max_evals = 1;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = 1;

  Phi phi{};
  er_quadrature quadrature = er_quadrature::gauss;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    constexpr auto where = "diffx::solver::er_sde";
    if (c.grid.inverts()) detail::fail("diffx::solver::er_sde: cannot go from data to noise");
    detail::require(c.from().alpha > 0.0, where, "alpha at the start", c.from().alpha, "above 0");
    level const &from = c.from(), &to = c.to();
    stage& s = out.evaluate(from, to);
    s.keeps = Order > 1 && c.remaining() > 1;
    s.noise[0] = {{c.index, 0, 0, from.t, to.t}, 0.0};
    if (to.sigma == 0.0) {
      s.output = to.alpha;
      return;
    }
    double const ls = from.edm_sigma(), lt = to.edm_sigma(), d = lt - ls, end = phi(lt);
    double const q = end / phi(ls);
    s.state[0] = to.alpha / from.alpha * q;
    std::array<double, 3> w{to.alpha * (1.0 - q), 0.0, 0.0};
    int const k = std::min(Order, c.past() + 1);
    if (k >= 2) {
      double const slope = to.alpha * (d + end * integral(lt, ls, 0));
      double const gap = ls - c.back(1).edm_sigma();
      w[0] += slope / gap;
      w[1] -= slope / gap;
      if (k == 3) {
        double const curve = to.alpha * (0.5 * d * d + end * integral(lt, ls, 1)) * 2.0 /
                             (ls - c.back(2).edm_sigma());
        double const gap1 = c.back(1).edm_sigma() - c.back(2).edm_sigma();
        w[0] += curve / gap;
        w[1] -= curve * (1.0 / gap + 1.0 / gap1);
        w[2] += curve / gap1;
      }
    }
    s.output = w[0];
    for (std::size_t j = 1; j < static_cast<std::size_t>(k); ++j) s.history[j - 1] = w[j];
    double const variance = lt * lt - ls * ls * q * q;
    // The ODE's variance is 0 up to rounding.
    double const rounding = 1e-12 * lt * lt;
    detail::require(variance >= -rounding, where, "variance of the noise", variance,
                    "at least 0: phi(L) / L must not fall as L grows");
    s.noise[0].weight = variance > rounding ? to.alpha * std::sqrt(variance) : 0.0;
  }

 private:
  /// int_a^b (u - b)^p / phi(u) du, p = 0 or 1.
  double integral(double a, double b, int p) const {
    auto const value = [&](double u) { return (p == 0 ? 1.0 : u - b) / phi(u); };
    double sum = 0.0;
    if (quadrature == er_quadrature::left_sum) {
      constexpr int points = 100;
      double const width = (b - a) / points;
      for (int i = 0; i < points; ++i) sum += value(a + i * width) * width;
      return sum;
    }
    constexpr double place[8] = {0.09501250983763744019, 0.28160355077925891323,
                                 0.45801677765722738634, 0.61787624440264374845,
                                 0.75540440835500303390, 0.86563120238783174388,
                                 0.94457502307323257608, 0.98940093499164993260};
    constexpr double share[8] = {0.18945061045506849629, 0.18260341504492358887,
                                 0.16915651939500253819, 0.14959598881657673208,
                                 0.12462897125553387205, 0.09515851168249278481,
                                 0.06225352393864789286, 0.02715245941175409485};
    double const low = std::log(a), half = 0.5 * (std::log(b) - low);
    for (int i = 0; i < 8; ++i) {
      for (double const sign : {-1.0, 1.0}) {
        double const u = std::exp(low + half * (1.0 + sign * place[i]));
        sum += share[i] * half * u * value(u);
      }
    }
    return sum;
  }
};

static_assert(solver_policy<er_sde<>>);

}  // namespace diffx::solver
