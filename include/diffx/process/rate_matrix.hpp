#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/class_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/stochastic_matrix.hpp>
#include <diffx/error.hpp>
#include <diffx/schedule/class_rates.hpp>
#include <diffx/schedule/linear_noise.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::process {

/// Classes jump with rates of the user's: a chain in continuous time, run by the total noise of a
/// schedule,
///
///     q(x_t | x_s) = exp((sigma_t - sigma_s) R),    sigma = -log alpha
///
/// For R = 1 pi^T - I it is process::marginal. The matrices are made by uniformisation, K^3 work
/// for each: for tens of classes.
///
/// A run starts from the limit law of R, so sigma_max should let it be reached.
///
/// Source    Campbell et al. 2022, arXiv:2205.14987.
/// Shapes    rates: [classes, classes], row-major, row i the rates from i; the diagonal is made of
///           the rest. States [batch, positions], integers in [0, classes).
/// Errors    a table that is not square, a rate off the diagonal below 0 or not finite, a diagonal
///           that the others contradict, no rate at all, a chain without one limit law; a bad
///           schedule, or one of infinite total noise; t or lambda out of range: throws
///           diffx::error.
template <class Schedule = schedule::linear_noise>
class rate_matrix {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::rate_matrix";
  static constexpr std::string_view source = "arXiv:2205.14987";
  static constexpr value_kind values = value_kind::categorical;

  explicit rate_matrix(std::vector<double> rates, Schedule schedule = {})
      : time_(schedule), rates_(std::move(rates)) {
    using diffx::detail::require;
    classes_ = static_cast<int>(std::lround(std::sqrt(static_cast<double>(rates_.size()))));
    auto const n = static_cast<std::size_t>(classes_);
    require(n >= 1 && n * n == rates_.size(), where, "rates.size()",
            static_cast<long long>(rates_.size()), "the square of a number of classes");
    double fastest = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      double leaving = 0.0;
      for (std::size_t j = 0; j < n; ++j) {
        if (j == i) continue;
        require(rates_[i * n + j] >= 0.0 && std::isfinite(rates_[i * n + j]), where, "a rate",
                rates_[i * n + j], "at least 0 and finite off the diagonal");
        leaving += rates_[i * n + j];
      }
      require(std::fabs(rates_[i * n + i] + leaving) <= 1e-9 * leaving, where,
              "a row's sum of rates", rates_[i * n + i] + leaving, "0");
      rates_[i * n + i] = -leaving;
      fastest = std::fmax(fastest, leaving);
    }
    require(fastest > 0.0 || n == 1, where, "the largest rate", fastest, "above 0");
    double const end = schedule::total_noise(time_.schedule(), 1.0);
    require(std::isfinite(end), where, "total noise at t = 1", end, "finite");
    find_limit(fastest);
  }

  Schedule const& schedule() const noexcept { return time_.schedule(); }
  int states() const noexcept { return classes_; }
  std::vector<double> const& rates() const noexcept { return rates_; }
  diffx::detail::limit_law limit() const noexcept { return {classes_, -1, limit_.data()}; }

  level at(double t) const { return time_.at(t, "diffx::process::rate_matrix::at"); }
  level at_lambda(double lambda) const {
    return time_.at_lambda(lambda, "diffx::process::rate_matrix::at_lambda");
  }

  /// q(x_t = j | x_s = i), for the levels of s and t.
  std::vector<double> transition(level const& s, level const& t) const {
    diffx::detail::require(s.t <= t.t, where, "t of the cleaner level", s.t,
                           "at most that of the noisier one");
    double const noise = total(t) - total(s);
    return diffx::detail::exp_generator(rates_, classes_, noise > 0.0 ? noise : 0.0);
  }

 private:
  static constexpr std::string_view where = "diffx::process::rate_matrix";

  static double total(level const& l) noexcept {
    return l.sigma < 0.5 ? -std::log1p(-l.sigma) : -std::log(l.alpha);
  }

  void find_limit(double fastest) {
    auto power =
        diffx::detail::exp_generator(rates_, classes_, fastest > 0.0 ? 1.0 / fastest : 0.0);
    for (int k = 0; k < 100 && diffx::detail::row_spread(power, classes_) > 1e-14; ++k) {
      power = diffx::detail::product(power, power, classes_);
      diffx::detail::normalise_rows(power, classes_);
    }
    double const spread = diffx::detail::row_spread(power, classes_);
    diffx::detail::require(spread < 1e-9, where, "what the limit remembers of its start", spread,
                           "0: every class must lead to one set of classes that is never left");
    limit_.assign(power.begin(), power.begin() + classes_);
    double sum = 0.0;
    for (double& p : limit_) p = sum += p;
    for (double& p : limit_) p /= sum;
  }

  diffx::detail::class_time<Schedule> time_;
  std::vector<double> rates_;
  int classes_ = 0;
  std::vector<double> limit_;  // running sums
};

static_assert(matrix_process<rate_matrix<>>);

}  // namespace diffx::process
