#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace diffx::solver {

/// How the second-order rule of DPM-Solver weighs the slope of the output.
enum class second_order {
  exact,     // the integral of the linear fit ("heun" in code bases)
  midpoint,  // half the weight of the output itself: the same to leading order
};

/// How the third-order rule weighs the curvature.
enum class third_order {
  exact,
  undoubled,             // half of it, as in the published codes: order 2
  undoubled_wrong_sign,  // -(phi_2 + 1/2), one library's SDE form: not consistent; to compare only
};

/// What eta means in the exponent of the decay.
enum class eta_convention {
  quadratic,  // e^{-eta^2 h}: the family with equal marginals (SA-Solver's tau)
  linear,     // e^{-eta h}, as in k-diffusion
};

/// DPM-Solver (eps frame) and DPM-Solver++ (x0 frame), multistep, of order 1 to 3; with
/// `Stochastic` their SDE forms. `dpmpp_2m`, `dpmpp_3m`, `dpmpp_2m_sde`, `dpmpp_3m_sde` are its
/// common names.
///
///     m(u) = polynomial through the last k outputs in u = lambda - lambda_s,   r = eta^2 or eta
///     x0:   x_t = (sigma_t / sigma_s) e^{-r h} x + alpha_t (1 + r) int_0^h e^{-(1+r)(h-u)} m du
///                 + sigma_t sqrt(1 - e^{-2 r h}) xi
///     eps:  x_t = (alpha_t / alpha_s) x - sigma_t (1 + r) int_0^h e^{h-u} m du
///                 + sqrt(r) sigma_t sqrt(e^{2h} - 1) xi
///
/// The exact integrals are the default. The code bases' forms are `second` and `third`: midpoint
/// keeps the order, an undoubled curvature lowers it to 2.
///
/// N steps cost N evaluations. The first steps use the outputs there are, so order 3 shows from
/// exact previous outputs only, and the weak order of the SDE form is at most 2. Runs of fewer than
/// `short_run` steps end with orders 2 and 1; a step onto sigma = 0 is always of order 1 and
/// returns the x0 prediction.
///
/// Source    Lu et al. 2022, arXiv:2206.00927 and arXiv:2211.01095, Algorithm 2.
/// Shapes    x, m: [batch, features]; Order - 1 outputs kept.
/// Errors    eta < 0, or eta > 0 on an inversion, throws when the run is planned.
template <frame F, int Order, bool Stochastic = false>
struct dpm_solver_multistep {
  static_assert(Order >= 1 && Order <= 3,
                "diffx::solver::dpm_solver_multistep<F, Order>: Order is 1, 2 or 3. For more, use "
                "solver::unipc or solver::sa_solver.");
  static_assert(F != diffx::frame::flow,
                "diffx::solver::dpm_solver_multistep<F, Order>: F is frame::x0 (DPM-Solver++) or "
                "frame::eps (DPM-Solver).");

  using kind = solver_tag;
  static constexpr std::string_view name =
      F == diffx::frame::x0 ? (Stochastic ? (Order == 1   ? "solver::dpmpp_1_sde"
                                             : Order == 2 ? "solver::dpmpp_2m_sde"
                                                          : "solver::dpmpp_3m_sde")
                                          : (Order == 1   ? "solver::dpmpp_1"
                                             : Order == 2 ? "solver::dpmpp_2m"
                                                          : "solver::dpmpp_3m"))
                            : (Stochastic ? (Order == 1   ? "solver::dpm_solver_1_sde"
                                             : Order == 2 ? "solver::dpm_solver_2m_sde"
                                                          : "solver::dpm_solver_3m_sde")
                                          : (Order == 1   ? "solver::dpm_solver_1"
                                             : Order == 2 ? "solver::dpm_solver_2m"
                                                          : "solver::dpm_solver_3m"));
  static constexpr std::string_view source =
      F == diffx::frame::x0 ? "arXiv:2211.01095" : "arXiv:2206.00927";
  static constexpr diffx::frame frame = F;
  static constexpr int order = Stochastic && Order == 3 ? 2 : Order;  // weak order: see above
  static constexpr int max_evals = 1;
  static constexpr int history = Order - 1;
  static constexpr int states = 1;
  static constexpr int noises = Stochastic ? 1 : 0;

  double eta = Stochastic ? 1.0 : 0.0;
  eta_convention convention = eta_convention::quadratic;
  second_order second = second_order::exact;
  third_order third = third_order::exact;
  int short_run = 15;           // 0: never lower the order at the end
  bool euler_at_final = false;  // order 1 on the last step of longer runs too

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    double const rate = decay();
    detail::require_denoising(c, rate, name);
    int const k = step_order(c);
    auto e = detail::exponential(F, c.from(), c.to(), rate, k);
    if (k == 2 && second == second_order::midpoint) e.moment[1] = 0.5 * e.moment[0];
    if (k == 3) adjust_curvature(e, c, rate);
    auto const nodes = detail::past_nodes(c, e.h, k);
    auto const w =
        detail::lagrange_weights(e.moment, std::span(nodes.data(), static_cast<std::size_t>(k)));

    stage& s = out.evaluate(c.from(), c.to());
    s.keeps = Order > 1 && c.remaining() > 1;
    s.state[0] = e.state;
    s.output = w[0];
    for (std::size_t j = 1; j < static_cast<std::size_t>(k); ++j) s.history[j - 1] = w[j];
    s.noise[0] = {{c.index, 0, 0, c.from().t, c.to().t}, e.noise};
  }

 private:
  double decay() const {
    detail::require(eta >= 0.0, name, "eta", eta, "at least 0");
    detail::require(Stochastic || eta == 0.0, name, "eta", eta, "0 in the deterministic form");
    return convention == eta_convention::quadratic ? eta * eta : eta;
  }

  template <class Process>
  int step_order(plan_context<Process> const& c) const {
    int most = Order;
    int const left = c.grid.steps() - c.index;
    bool const short_one = c.grid.steps() < short_run;
    if (left == 1 && (short_one || euler_at_final || c.to().sigma == 0.0)) most = 1;
    if (left == 2 && short_one) most = std::min(most, 2);
    return std::min(most, c.past() + 1);
  }

  template <class Process>
  void adjust_curvature(detail::exponential_step& e, plan_context<Process> const& c,
                        double rate) const {
    if (third == third_order::undoubled) e.moment[2] *= 0.5;
    if (third == third_order::undoubled_wrong_sign) {
      e.moment[2] = -c.to().alpha * (detail::phi(2, -(1.0 + rate) * e.h) + 0.5);
    }
  }
};

/// The solver of RES and of exponential Adams-Bashforth codes is the exact second-order form.
using res_multistep = dpm_solver_multistep<frame::x0, 2>;
using dpm_solver_2m = dpm_solver_multistep<frame::eps, 2>;
using dpm_solver_3m = dpm_solver_multistep<frame::eps, 3>;

static_assert(solver_policy<dpm_solver_multistep<frame::x0, 1>>);
static_assert(solver_policy<dpm_solver_multistep<frame::eps, 3, true>>);

}  // namespace diffx::solver
