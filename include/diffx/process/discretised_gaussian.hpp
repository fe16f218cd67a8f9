#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/chain_time.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/stochastic_matrix.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::process {

/// Ordinal classes move to near ones first: a Gaussian on their numbers, step by step,
///
///     q(x_k = j | x_{k-1} = i) = exp(-4 (i - j)^2 / ((K - 1)^2 beta_k)) / Z    for j != i
///     Z = sum_{n = -(K-1)}^{K-1} exp(-4 n^2 / ((K - 1)^2 beta_k))
///
/// and what is missing to 1 stays. Rows and columns add up to 1, so the limit law is uniform. It is
/// not of the form alpha 1 + (1 - alpha) pi: the products of the matrices are kept, T K^2 numbers.
///
/// Levels have t = k / T, timestep = k - 1, alpha = 1 - t and sigma = t, which say the time alone.
///
/// Source    Austin et al. 2021, arXiv:2107.03006, appendix A.2.3.
/// Shapes    states [batch, positions], integers in [0, classes).
/// Errors    classes < 1, no beta, a beta that is not positive and finite, a t that is not k / T:
///           throws diffx::error.
class discretised_gaussian {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::discretised_gaussian";
  static constexpr std::string_view source = "arXiv:2107.03006";
  static constexpr value_kind values = value_kind::categorical;

  discretised_gaussian(int classes, std::vector<double> betas)
      : time_(static_cast<int>(betas.size())), classes_(classes), betas_(std::move(betas)) {
    diffx::detail::require(classes >= 1, where, "classes", classes, "at least 1");
    diffx::detail::require(!betas_.empty(), where, "betas.size()", 0, "at least 1");
    cumulative_.push_back(diffx::detail::identity_matrix(classes));
    for (int k = 1; k <= time_.steps(); ++k) {
      double const beta = betas_[static_cast<std::size_t>(k - 1)];
      diffx::detail::require(beta > 0.0 && std::isfinite(beta), where, "a beta", beta,
                             "positive and finite");
      cumulative_.push_back(diffx::detail::product(cumulative_.back(), one_step(k), classes));
    }
  }

  int states() const noexcept { return classes_; }
  int steps() const noexcept { return time_.steps(); }
  diffx::detail::limit_law limit() const noexcept { return {classes_, -1, nullptr}; }

  level at(double t) const { return after(time_.step(t, where)); }
  /// The level of training index i, from -1, the data, to T - 1.
  level at_index(int i) const {
    diffx::detail::require(i >= -1 && i < time_.steps(), where, "index", i, "in [-1, T - 1]");
    return after(i + 1);
  }
  level at_lambda(double lambda) const {
    diffx::detail::require(!std::isnan(lambda), where, "lambda", lambda, "a number");
    return at(1.0 / (1.0 + std::exp(lambda)));
  }

  /// q(x_t = j | x_s = i), for the levels of s and t.
  std::vector<double> transition(level const& s, level const& t) const {
    int const first = time_.step(s.t, where), last = time_.step(t.t, where);
    diffx::detail::require(first <= last, where, "t of the cleaner level", s.t,
                           "at most that of the noisier one");
    if (first == 0) return cumulative_[static_cast<std::size_t>(last)];
    auto out = diffx::detail::identity_matrix(classes_);
    for (int k = first + 1; k <= last; ++k) {
      out = diffx::detail::product(out, one_step(k), classes_);
    }
    return out;
  }

 private:
  static constexpr std::string_view where = "diffx::process::discretised_gaussian";

  level after(int k) const {
    double const t = static_cast<double>(k) / time_.steps();
    return {t, 1.0 - t, t, std::log(1.0 - t) - std::log(t), k - 1.0};
  }

  std::vector<double> one_step(int k) const {
    auto const n = static_cast<std::size_t>(classes_);
    if (n == 1) return {1.0};
    double const scale =
        4.0 / ((classes_ - 1.0) * (classes_ - 1.0) * betas_[static_cast<std::size_t>(k - 1)]);
    std::vector<double> weight(n);
    double total = 0.0;
    for (std::size_t d = n; d-- > 0;) {
      auto const distance = static_cast<double>(d);
      weight[d] = std::exp(-scale * distance * distance);
      total += d == 0 ? weight[d] : 2.0 * weight[d];
    }
    std::vector<double> out(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      // The diagonal is what the others leave: the middle, and the tails beyond the classes.
      double tails = 0.0;
      for (std::size_t d = n - 1; d > 0; --d) {
        tails += (d > i ? weight[d] : 0.0) + (i + d >= n ? weight[d] : 0.0);
      }
      for (std::size_t j = 0; j < n; ++j) {
        out[i * n + j] = (i == j ? weight[0] + tails : weight[i > j ? i - j : j - i]) / total;
      }
    }
    return out;
  }

  diffx::detail::chain_time time_;
  int classes_;
  std::vector<double> betas_;
  std::vector<std::vector<double>> cumulative_;  // after k steps
};

static_assert(matrix_process<discretised_gaussian>);

}  // namespace diffx::process
