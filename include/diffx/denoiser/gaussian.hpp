#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The exact denoiser of Gaussian data with independent features, x0_j ~ N(m_j, v_j).
///
///     S = alpha^2 v + sigma^2
///     x0(x) = slope x + offset,   slope = alpha v / S,   offset = sigma^2 m / S
///     eps = sigma (x - alpha m) / S,   score = -eps / sigma
///     flow:  x_s = alpha_s m + sqrt(S_s / S_t) (x_t - alpha_t m)
///
/// x0 is affine in x, so every linear solver's result on it is Gaussian and follows a recursion.
/// At S = 0 (v = 0 and sigma = 0) x0 is m.
///
/// Source    the normal-normal conjugate pair; see any text on Bayesian statistics.
/// Shapes    mean, variance: [features] or [1]; one entry serves every feature. x: [batch,
/// features]. Requires  host memory. Computes in double and narrows the result once. Errors empty
/// or unequal lists, a mean that is not finite, a variance that is negative or not
///           finite, a batch of other width: throws diffx::error.
class gaussian {
 public:
  static constexpr int branches = 1;
  diffx::prediction::x0 prediction{};

  /// Every feature is an independent draw from N(mean, sd^2).
  gaussian(double mean, double sd)
      : gaussian(std::vector<double>{mean}, std::vector<double>{sd * sd}) {}

  gaussian(std::vector<double> mean, std::vector<double> variance)
      : mean_(std::move(mean)), variance_(std::move(variance)) {
    constexpr auto where = "diffx::denoiser::gaussian";
    detail::require(!mean_.empty() && mean_.size() == variance_.size(), where, "number of means",
                    mean_.size(), "at least 1 and the number of variances");
    for (double const m : mean_) {
      detail::require(std::isfinite(m), where, "mean", m, "finite");
    }
    for (double const v : variance_) {
      detail::require(std::isfinite(v) && v >= 0.0, where, "variance", v, "finite and at least 0");
    }
  }

  /// x0(x) = slope x + offset for one feature at one level.
  struct affine {
    double slope;
    double offset;
  };

  affine x0_of(level const& at, std::int64_t feature = 0) const {
    auto const [m, v] = moments(feature);
    double const total = marginal_variance(at, feature);
    if (!(total > 0.0)) return {0.0, m};
    return {at.alpha * v / total, at.sigma * at.sigma * m / total};
  }

  double x0(double x, level const& at, std::int64_t feature = 0) const {
    affine const f = x0_of(at, feature);
    return f.slope * x + f.offset;
  }

  double score(double x, level const& at, std::int64_t feature = 0) const {
    return -(x - at.alpha * moments(feature).first) / marginal_variance(at, feature);
  }

  double eps(double x, level const& at, std::int64_t feature = 0) const {
    return at.sigma > 0.0 ? -at.sigma * score(x, at, feature) : 0.0;
  }

  double log_prob(double x, level const& at, std::int64_t feature = 0) const {
    double const total = marginal_variance(at, feature);
    double const y = x - at.alpha * moments(feature).first;
    return -0.5 * (y * y / total + std::log(2.0 * 3.141592653589793238 * total));
  }

  /// Where the probability-flow ODE carries x; either direction.
  double flow_map(double x, level const& from, level const& to, std::int64_t feature = 0) const {
    double const m = moments(feature).first;
    double const ratio = marginal_variance(to, feature) / marginal_variance(from, feature);
    return to.alpha * m + std::sqrt(ratio) * (x - from.alpha * m);
  }

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    auto const width = static_cast<std::int64_t>(mean_.size());
    detail::require(width == 1 || x.features == width, "diffx::denoiser::gaussian", "x.features",
                    static_cast<long long>(x.features), "the number of means");
    for (std::int64_t j = 0; j < x.features; ++j) {
      affine const f = x0_of(q.at, j);
      for (std::int64_t i = 0; i < x.batch; ++i) {
        double const value = static_cast<double>(x.row(i)[j]);
        out.row(i)[j] = static_cast<T>(f.slope * value + f.offset);
      }
    }
  }

 private:
  std::pair<double, double> moments(std::int64_t feature) const {
    auto const j = mean_.size() == 1 ? std::size_t{0} : static_cast<std::size_t>(feature);
    return {mean_[j], variance_[j]};
  }

  double marginal_variance(level const& at, std::int64_t feature) const {
    return at.alpha * at.alpha * moments(feature).second + at.sigma * at.sigma;
  }

  std::vector<double> mean_;      // [features] or [1]
  std::vector<double> variance_;  // [features] or [1]
};

}  // namespace diffx::denoiser
