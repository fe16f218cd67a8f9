#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace diffx::schedule {

namespace detail {

using diffx::detail::require;
using diffx::detail::text;

}  // namespace detail

/// The signal power alpha_bar of a chain of T steps, kept as its logarithm.
///
///     log alpha_bar_i = sum_{k <= i} log(1 - beta_k),      i = 0 ... T - 1
///     alpha_i = exp(l_i / 2)    sigma_i = sqrt(-expm1(l_i))    lambda_i = -log(expm1(-l_i)) / 2
///
/// The logarithm keeps 1 - alpha_bar exact to rounding at both ends: it is never a difference of
/// two numbers near 1. Entry i is the level after i + 1 noising steps; clean data has no entry.
///
/// Source    Ho, Jain & Abbeel 2020, arXiv:2006.11239.
/// Units     betas are variances per step in (0, 1); the last one may be 1 (no signal left).
/// Errors    an empty table, a beta outside (0, 1], or log alpha_bar that does not fall strictly:
///           throws diffx::error with the index and the value.
class alpha_bar_table {
 public:
  /// From per-step log(1 - beta): the most accurate way in.
  static alpha_bar_table from_log_ratios(std::vector<double> const& log_ratios) {
    std::vector<double> logs;
    logs.reserve(log_ratios.size());
    double sum = 0.0;
    double lost = 0.0;  // compensated: a thousand terms would cost three digits
    for (double const r : log_ratios) {
      double const term = r - lost;
      double const next = sum + term;
      lost = std::isfinite(next) ? (next - sum) - term : 0.0;
      sum = next;
      logs.push_back(sum);
    }
    return alpha_bar_table(std::move(logs));
  }

  static alpha_bar_table from_betas(std::vector<double> const& betas) {
    std::vector<double> ratios;
    ratios.reserve(betas.size());
    for (std::size_t i = 0; i < betas.size(); ++i) {
      bool const last = i + 1 == betas.size();
      detail::require(betas[i] > 0.0 && (betas[i] < 1.0 || (last && betas[i] == 1.0)),
                      "diffx::schedule::alpha_bar_table",
                      "beta[" + detail::text(static_cast<int>(i)) + "]", betas[i],
                      "in (0, 1), or 1 at the last entry");
      ratios.push_back(std::log1p(-betas[i]));
    }
    return from_log_ratios(ratios);
  }

  explicit alpha_bar_table(std::vector<double> log_alpha_bar) : log_(std::move(log_alpha_bar)) {
    detail::require(!log_.empty(), "diffx::schedule::alpha_bar_table", "number of entries", 0,
                    "at least 1");
    for (std::size_t i = 0; i < log_.size(); ++i) {
      detail::require(log_[i] < (i == 0 ? 0.0 : log_[i - 1]), "diffx::schedule::alpha_bar_table",
                      "log_alpha_bar[" + detail::text(static_cast<int>(i)) + "]", log_[i],
                      "below 0 and below the entry before it");
    }
  }

  int size() const noexcept { return static_cast<int>(log_.size()); }
  double log_alpha_bar(int i) const noexcept { return log_[static_cast<std::size_t>(i)]; }
  double alpha_bar(int i) const noexcept { return std::exp(log_alpha_bar(i)); }
  double one_minus_alpha_bar(int i) const noexcept { return -std::expm1(log_alpha_bar(i)); }
  double alpha(int i) const noexcept { return std::exp(0.5 * log_alpha_bar(i)); }
  double sigma(int i) const noexcept { return std::sqrt(one_minus_alpha_bar(i)); }
  double edm_sigma(int i) const noexcept { return std::sqrt(std::expm1(-log_alpha_bar(i))); }
  double lambda(int i) const noexcept { return -0.5 * std::log(std::expm1(-log_alpha_bar(i))); }
  /// 1 - alpha_bar_i / alpha_bar_{i-1}
  double beta(int i) const noexcept {
    return -std::expm1(log_alpha_bar(i) - (i == 0 ? 0.0 : log_alpha_bar(i - 1)));
  }
  bool zero_terminal_snr() const noexcept { return std::isinf(log_.back()); }

 private:
  std::vector<double> log_;
};

namespace detail {

inline void require_length(char const* where, int num_train_timesteps) {
  require(num_train_timesteps >= 1, where, "num_train_timesteps", num_train_timesteps,
          "at least 1");
}

/// start + (stop - start) i / (n - 1); `start` alone for n = 1.
inline double spread(double start, double stop, int i, int n) noexcept {
  if (n == 1) return start;
  return i == n - 1 ? stop : start + (stop - start) * i / (n - 1);
}

/// beta_i = min(1 - f((i+1)/T) / f(i/T), max_beta), from log f: no cancellation at small beta.
template <class LogF>
alpha_bar_table from_log_alpha_bar_function(int num_train_timesteps, LogF log_f, double max_beta) {
  std::vector<double> ratios;
  double const floor = std::log1p(-max_beta);
  for (int i = 0; i < num_train_timesteps; ++i) {
    double const r = log_f(static_cast<double>(i + 1) / num_train_timesteps) -
                     log_f(static_cast<double>(i) / num_train_timesteps);
    ratios.push_back(r > floor ? r : floor);
  }
  return alpha_bar_table::from_log_ratios(ratios);
}

}  // namespace detail
}  // namespace diffx::schedule
