#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/detail/exponential.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace diffx::solver {

/// How UniPC finds the weight of a single difference of outputs (predictor of order 2, corrector of
/// order 1). All longer rules are solved, and B(h) cancels in them.
enum class unipc_form {
  exact,  // solved as well
  bh1,    // 1/2 with B(h) = h
  bh2,    // 1/2 with B(h) = e^h - 1
};

/// UniPC-p: an exponential Adams predictor of order p and a corrector of order p + 1 that uses the
/// output at the predicted point, which the next step needs in any case.
///
///     predictor  x~ = a x + integral of the polynomial through the last p outputs
///     corrector  x  = a x + integral of the one through these and the output at x~
///
/// Both have the same a x, so the corrected state is x~ and a combination of outputs: no sample is
/// saved, and the correction is part of the next step's pass. The last step runs uncorrected.
///
/// N steps cost N evaluations. The order of step i is at most 1 + the outputs there are and, in
/// runs of fewer than `short_run` steps, the number of steps left; the start alone leaves an error
/// of order 3. A step onto sigma = 0 returns the x0 prediction.
///
/// Source    Zhao et al. 2023, arXiv:2302.04867, Algorithms 1 and 2.
/// Shapes    x, m: [batch, features]; Order outputs kept.
template <int Order = 3, frame F = frame::x0>
struct unipc {
  static_assert(Order >= 1 && Order <= 5, "diffx::solver::unipc<Order>: Order is 1 to 5.");
  static_assert(F != diffx::frame::flow,
                "diffx::solver::unipc<Order, F>: F is frame::x0 or frame::eps.");

  using kind = solver_tag;
  static constexpr std::string_view name = "solver::unipc";
  static constexpr std::string_view source = "arXiv:2302.04867";
  static constexpr diffx::frame frame = F;
  static constexpr int order = Order + 1;
  static constexpr int max_evals = 1;
  static constexpr int history = Order;
  static constexpr int states = 1;
  static constexpr int noises = 0;

  unipc_form form = unipc_form::exact;
  int short_run = 15;  // 0: never lower the order at the end
  bool corrects = true;
  std::vector<int> uncorrected{};  // steps whose result is not corrected

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    int const k = step_order(c);
    auto const e = detail::exponential(F, c.from(), c.to(), 0.0, k);
    auto const predicted = predictor(c, e, k);

    stage& s = out.evaluate(c.from(), c.to());
    s.keeps = c.remaining() > 1 && Order > (corrects ? 0 : 1);
    s.state[0] = e.state;
    s.output = predicted[0];
    for (std::size_t j = 1; j < static_cast<std::size_t>(k); ++j) s.history[j - 1] = predicted[j];

    if (c.past() == 0 || !corrected(c.index - 1)) return;
    // The step that led here, once more: corrector minus predictor, carried on by a.
    plan_context<Process> before = c;
    --before.index;
    int const p = step_order(before);
    auto const b = detail::exponential(F, before.from(), before.to(), 0.0, p + 1);
    auto const was = predictor(before, b, p);
    auto const now = corrector(before, b, p);
    s.output += e.state * now[0];
    for (std::size_t j = 0; j < static_cast<std::size_t>(p); ++j) {
      s.history[j] += e.state * (now[j + 1] - was[j]);
    }
  }

 private:
  using weights = std::array<double, detail::exponential_step::max_order>;

  bool corrected(int step) const {
    return corrects && std::find(uncorrected.begin(), uncorrected.end(), step) == uncorrected.end();
  }

  template <class Process>
  int step_order(plan_context<Process> const& c) const {
    int const left = c.grid.steps() - c.index;
    int const most = c.grid.steps() < short_run ? std::min(Order, left) : Order;
    return c.to().sigma == 0.0 ? 1 : std::min(most, c.past() + 1);
  }

  double half(detail::exponential_step const& e) const {
    return form == unipc_form::bh1 ? e.plain_linear : 0.5 * e.moment[0];
  }

  template <class Process>
  weights predictor(plan_context<Process> const& c, detail::exponential_step e, int k) const {
    if (k == 2 && form != unipc_form::exact) e.moment[1] = half(e);
    auto const nodes = detail::past_nodes(c, e.h, k);
    return detail::lagrange_weights(e.moment, std::span(nodes.data(), static_cast<std::size_t>(k)));
  }

  /// Weights of the output at the end point, then of those the predictor used.
  template <class Process>
  weights corrector(plan_context<Process> const& c, detail::exponential_step e, int k) const {
    if (k == 1 && form != unipc_form::exact) e.moment[1] = half(e);
    auto const past = detail::past_nodes(c, e.h, k);
    weights nodes{1.0};
    std::copy_n(past.begin(), k, nodes.begin() + 1);
    return detail::lagrange_weights(e.moment,
                                    std::span(nodes.data(), static_cast<std::size_t>(k) + 1));
  }
};

static_assert(solver_policy<unipc<>>);
static_assert(solver_policy<unipc<2, frame::eps>>);

}  // namespace diffx::solver
