#pragma once

#include <diffx/error.hpp>
#include <diffx/schedule/alpha_bar_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::analysis {

/// The law of the variance v of noise that took one point of `dim` numbers a squared distance away,
/// under a flat prior of v:
///
///     p(v | x) ~ v^(-dim/2) exp(-squared / (2 v)):  inverse gamma, shape dim/2 - 1, scale
///     squared/2
///
/// Source    Livernoche et al. 2024, arXiv:2305.18593.
/// Errors    shape <= 0 (dim <= 2) or scale < 0: throws diffx::error.
class inverse_gamma {
 public:
  inverse_gamma(double shape, double scale) : shape_(shape), scale_(scale) {
    constexpr auto where = "diffx::analysis::inverse_gamma";
    detail::require(shape > 0.0 && std::isfinite(shape), where, "shape", shape,
                    "positive and finite");
    detail::require(scale >= 0.0 && std::isfinite(scale), where, "scale", scale,
                    "at least 0 and finite");
  }
  static inverse_gamma of(std::int64_t dim, double squared) {
    return {shape_of("diffx::analysis::inverse_gamma", dim), 0.5 * squared};
  }
  static double shape_of(std::string_view where, std::int64_t dim) {
    detail::require(dim >= 3, where, "dim", static_cast<long long>(dim),
                    "at least 3: of fewer numbers the law of the variance has no shape");
    return 0.5 * static_cast<double>(dim) - 1.0;
  }

  double shape() const noexcept { return shape_; }
  double scale() const noexcept { return scale_; }
  double log_density(double v) const noexcept {
    if (!(v > 0.0)) return -std::numeric_limits<double>::infinity();
    return shape_ * std::log(scale_) - std::lgamma(shape_) - (shape_ + 1.0) * std::log(v) -
           scale_ / v;
  }
  double mode() const noexcept { return scale_ / (shape_ + 1.0); }
  /// +inf for shape <= 1 (dim <= 4).
  double mean() const noexcept {
    return shape_ > 1.0 ? scale_ / (shape_ - 1.0) : std::numeric_limits<double>::infinity();
  }

 private:
  double shape_;
  double scale_;
};

/// The posterior of the noising step t = 0 ... T - 1 that a point looks to be at, all steps being
/// alike before it is seen:
///
///     w_t ~ InvGamma(v_t; dim/2 - 1, scale),    v_t the variance of step t
///
/// Noise is added without shrinking the data, x_t = x_0 + sqrt(v_t) eps. Weights are taken relative
/// to the last step's and in logarithms: no scale, 0 and inf included, and no variance leaves them
/// without a number. The larger the scale, the later the step; beyond v_T both estimates saturate
/// at T - 1.
///
/// Source    Livernoche et al. 2024, arXiv:2305.18593 (the non-parametric estimate).
/// Errors    dim < 3, variances that are not positive, finite and strictly rising, scale < 0 or
///           NaN: throws diffx::error.
class time_posterior {
 public:
  time_posterior(std::vector<double> variances, std::int64_t dim)
      : variances_(std::move(variances)),
        shape_(inverse_gamma::shape_of("diffx::analysis::time_posterior", dim)) {
    constexpr auto where = "diffx::analysis::time_posterior";
    detail::require(!variances_.empty(), where, "number of variances", 0, "at least 1");
    for (std::size_t t = 0; t < variances_.size(); ++t) {
      double const least = t == 0 ? 0.0 : variances_[t - 1];
      detail::require(variances_[t] > least && std::isfinite(variances_[t]), where,
                      "variances[" + std::to_string(t) + "]", variances_[t],
                      "finite and above the one before it");
    }
    double const last = variances_.back();
    for (double const v : variances_) {
      double const ratio = v / last;
      double const log_ratio = ratio >= std::numeric_limits<double>::min()
                                   ? std::log(ratio)
                                   : std::log(v) - std::log(last);
      rise_.push_back(-(shape_ + 1.0) * log_ratio);
      pull_.push_back(1.0 / v - 1.0 / last);
    }
  }
  /// Variances 1 - alpha_bar_t.
  time_posterior(schedule::alpha_bar_table const& table, std::int64_t dim)
      : time_posterior(variances_of(table), dim) {}

  int steps() const noexcept { return static_cast<int>(variances_.size()); }
  std::vector<double> const& variances() const noexcept { return variances_; }
  double shape() const noexcept { return shape_; }

  /// [T], of sum 1.
  std::vector<double> weights(double scale) const {
    std::vector<double> w(variances_.size());
    double most = 0.0, total = 0.0;  // that of the last step is 0
    for (std::size_t t = 0; t < w.size(); ++t) most = std::max(most, w[t] = log_weight(t, scale));
    for (double& x : w) total += x = std::exp(x - most);
    for (double& x : w) x /= total;
    return w;
  }

  /// The likeliest step, the first of equals. An integer: rows far away, and near ones, tie.
  int mode(double scale) const {
    std::size_t best = 0;
    double most = log_weight(0, scale);
    for (std::size_t t = 1; t < variances_.size(); ++t) {
      double const w = log_weight(t, scale);
      if (w > most) {
        most = w;
        best = t;
      }
    }
    return static_cast<int>(best);
  }

  /// The expected step.
  double mean(double scale) const {
    auto const w = weights(scale);
    double sum = 0.0;
    for (std::size_t t = 0; t < w.size(); ++t) sum += static_cast<double>(t) * w[t];
    return sum;
  }

 private:
  static std::vector<double> variances_of(schedule::alpha_bar_table const& table) {
    std::vector<double> out;
    for (int t = 0; t < table.size(); ++t) out.push_back(table.one_minus_alpha_bar(t));
    return out;
  }

  double log_weight(std::size_t t, double scale) const {
    detail::require(scale >= 0.0, "diffx::analysis::time_posterior", "scale", scale, "at least 0");
    if (pull_[t] == 0.0 || t + 1 == variances_.size()) return rise_[t];
    if (std::isfinite(pull_[t])) return rise_[t] - scale * pull_[t];
    // A variance so small has no inverse, and the scale over it may be a number for all that.
    double const v = variances_[t];
    return rise_[t] - scale / v * (1.0 - v / variances_.back());
  }

  std::vector<double> variances_;
  std::vector<double> rise_;  // (shape + 1) log(v_T / v_t)
  std::vector<double> pull_;  // 1 / v_t - 1 / v_T
  double shape_;
};

}  // namespace diffx::analysis
