#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/churn.hpp>
#include <diffx/timetable.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::solver {

/// Classes beside numbers that solver::churn moves: noised to the time that the numbers go up to,
/// then a step of Inner from there.
///
///     t^ = min_c t_c((1 + gamma) s_c(t))  over the columns c of the numbers,  gamma as there
///     x^ ~ q(x_t^ | x_t),   then Inner from t^
///
/// Under absorbing noise a class that is there is masked with probability 1 - alpha(t^) / alpha(t).
/// S_noise is of the numbers alone. A step costs what Inner's costs, and one pass without an
/// evaluation where gamma > 0.
///
/// Source    Shi et al. 2025 (TabDiff), arXiv:2410.20626.
/// Shapes    those of Inner.
/// Requires  numbers, the process of the numbers and their churn_amount, in the same timetable.
/// Errors    those of solver::churn, when the run is planned.
template <class Numbers, categorical_solver Inner = ancestral>
struct class_churn : Inner {
  static_assert(gaussian_process<Numbers> || gaussian_column_process<Numbers>,
                "diffx::solver::class_churn<Numbers, Inner>: Numbers is the process of the numbers "
                "that solver::churn moves: process::edm, or process::columns of it.");
  static_assert(
      !(
          requires { Inner::decodes; } || requires { Inner::remembers_draws; } ||
          requires { typename Inner::corrector_type; }),
      "diffx::solver::class_churn<Numbers, Inner>: Inner must draw every position by itself, such "
      "as solver::ancestral or solver::tweedie.");

  static constexpr std::string_view name = "solver::class_churn";
  static constexpr std::string_view source = "arXiv:2410.20626";
  static constexpr bool takes_bits = false;
  static constexpr bool pure_passes = true;

  Numbers numbers;
  churn_amount amount;

  explicit class_churn(Numbers numbers_, churn_amount amount_ = {}, Inner inner = {})
      : Inner(std::move(inner)), numbers(std::move(numbers_)), amount(amount_) {}

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    amount.check("diffx::solver::class_churn");
    if (c.grid.inverts()) detail::fail("diffx::solver::class_churn: cannot go from data to noise");
    level const& from = c.from();
    double const gamma = amount.gamma(numbers.at(from.t).edm_sigma(), c.grid.steps());
    if (gamma == 0.0) {
      Inner::plan(c, out);
      return;
    }
    level const up = c.process.at(raised(from.t, std::log1p(gamma)));
    categorical_stage& pass = out.pass(from, up);
    pass.key = {c.index, own_draw, 0, from.t, up.t};
    std::size_t const before = out.stages().size();
    timetable const own(std::vector<level>{up, c.to()});
    Inner::plan(plan_context<Process>{c.process, own, 0, 0, 0}, out);
    for (std::size_t k = before; k < out.stages().size(); ++k) out.stages()[k].key.step = c.index;
  }

  /// The time that classes go up to from t, where lambda falls by `fall`.
  double raised(double t, double fall) const {
    if constexpr (gaussian_column_process<Numbers>) {
      double least = 1.0;
      for (int k = 0; k < numbers.size(); ++k) {
        auto const& column = numbers.column(k);
        least = std::fmin(least, column.at_lambda(column.at(t).lambda - fall).t);
      }
      return least;
    } else {
      return numbers.at_lambda(numbers.at(t).lambda - fall).t;
    }
  }

 private:
  static constexpr int own_draw = noise::max_draw - 1;  // beyond those of any solver's stage
};

static_assert(solver_policy<class_churn<process::edm>>);

}  // namespace diffx::solver
