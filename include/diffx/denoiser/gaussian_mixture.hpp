#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/denoiser/symmetric_eigen.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/step.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The exact denoiser of a Gaussian mixture, p(x0) = sum_k w_k N(mu_k, C_k).
///
///     S_k = alpha^2 C_k + sigma^2 I,   y_k = x - alpha mu_k,   z_k = S_k^-1 y_k
///     r_k proportional to w_k N(x; alpha mu_k, S_k)                       (by log-sum-exp)
///     m_k = mu_k + alpha C_k z_k
///     x0 = sum r_k m_k,   eps = sigma sum r_k z_k,   score = -sum r_k z_k
///     Cov(x0|x) = sum r_k [C_k - alpha^2 C_k S_k^-1 C_k + (m_k - x0)(m_k - x0)^T]
///     d x0 / d x = (alpha / sigma^2) Cov(x0|x)                            (symmetric)
///
/// Covariances are decomposed once, in the constructor; S_k has the same axes at every level. At
/// sigma = 0 the data are known: x0 = x / alpha and eps = 0. A mixture of dimension 1 acts on a
/// batch of any width: each feature is an independent draw.
///
/// With component labels and `for_classes`, branch 0 conditions on the class that the sample asks
/// for and every other branch is unconditional.
///
/// Source    the normal-normal conjugate pair, applied to each component.
/// Shapes    mean: [d]; covariance: [d, d]; x: [batch, d], or [batch, features] when d = 1.
/// Requires  host memory, d <= 64. Computes in double and narrows the result once. Allocates
///           nothing for up to 128 axes in all (components times dimension).
/// Errors    no components, a weight that is not positive, shapes that do not fit, a covariance
/// that
///           is not positive semi-definite, a class without components, a batch of other width, a
///           density where C_k is singular and sigma is 0: throws diffx::error.
class gaussian_mixture {
 public:
  static constexpr int branches = 2;  // the class, all components
  static constexpr std::size_t max_dimension = 64;

  struct component {
    double weight = 1.0;
    std::vector<double> mean;        // [d]
    std::vector<double> covariance;  // [d, d], symmetric, positive semi-definite
    int label = every_class;
  };

  diffx::prediction::x0 prediction{};

  /// Weights need not sum to 1.
  explicit gaussian_mixture(std::vector<component> const& components) {
    detail::require(!components.empty(), where, "number of components", components.size(),
                    "at least 1");
    dimension_ = components.front().mean.size();
    detail::require(dimension_ >= 1 && dimension_ <= max_dimension, where, "dimension", dimension_,
                    "from 1 to 64");
    for (component const& c : components) {
      detail::require(c.mean.size() == dimension_, where, "length of a mean", c.mean.size(),
                      "that of the first mean");
      detail::require(c.covariance.size() == dimension_ * dimension_, where,
                      "length of a covariance", c.covariance.size(), "dimension squared");
      for (double const m : c.mean) detail::require(std::isfinite(m), where, "mean", m, "finite");
      for (double const v : c.covariance) {
        detail::require(std::isfinite(v), where, "covariance", v, "finite");
      }
      add(c.weight, c.mean, eigen_decompose(c.covariance, dimension_), c.label);
    }
    normalise();
  }

  /// Dimension 1, from weights, means and standard deviations.
  gaussian_mixture(std::vector<double> const& weights, std::vector<double> const& means,
                   std::vector<double> const& sds, std::vector<int> const& component_labels = {})
      : gaussian_mixture(one_dimensional(weights, means, sds, component_labels)) {}

  /// The same mixture, with the class that each sample asks for: [samples], or one entry for all.
  gaussian_mixture for_classes(std::vector<int> classes) const {
    gaussian_mixture copy = *this;
    copy.labels_ = labels(std::move(classes));
    copy.labels_.require_known(label_, "diffx::denoiser::gaussian_mixture::for_classes");
    return copy;
  }

  /// The law of x_to given x_from = x, a mixture again: what ancestral sampling approximates. `to`
  /// is the cleaner level; to = level{} gives the law of x0.
  ///
  ///     mean_k = alpha_to mu_k + a S_k,to z_k,    a = alpha_from / alpha_to
  ///     variance along an axis = s_to s_noise / s_from,    s_noise = sigma_from^2 (1 - e^-2h)
  gaussian_mixture reverse(std::span<double const> x, level const& from, level const& to) const {
    shape_check(x.size());
    plan const p(*this, from);
    point<> const here(p, x.data(), every_class);
    double const noise = -std::expm1(-2.0 * (to.lambda - from.lambda)) * from.sigma * from.sigma;
    gaussian_mixture result;
    result.dimension_ = dimension_;
    for (std::size_t k = 0; k < size(); ++k) {
      if (!(here.r()[k] > 0.0)) continue;
      symmetric_eigen shape{std::vector<double>(dimension_),
                            std::vector<double>(axes(k), axes(k) + dimension_ * dimension_)};
      std::vector<double> along(dimension_);
      std::vector<double> mean(dimension_);
      here.project(k, along.data());
      for (std::size_t j = 0; j < dimension_; ++j) {
        double const cleaner = to.alpha * to.alpha * spread(k)[j] + to.sigma * to.sigma;
        shape.values[j] = cleaner * noise * p.inverse(k)[j];
        along[j] *= from.alpha / to.alpha * cleaner * p.inverse(k)[j];
        mean[j] = to.alpha * center(k)[j];
      }
      add_axes(axes(k), dimension_, along.data(), mean.data());
      result.add(here.r()[k], mean, shape, label_[k]);
    }
    result.normalise();
    return result;
  }

  std::size_t size() const noexcept { return weight_.size(); }
  std::size_t dimension() const noexcept { return dimension_; }
  double weight(std::size_t k) const { return weight_[k]; }
  std::span<double const> mean(std::size_t k) const { return {center(k), dimension_}; }
  /// The eigenvalues of C_k; in dimension 1 its variance.
  std::span<double const> variances(std::size_t k) const { return {spread(k), dimension_}; }

  void x0(std::span<double const> x, level const& at, std::span<double> out) const {
    shape_check(x.size(), out.size());
    if (at.sigma == 0.0) return clean(x, at, out);
    plan const p(*this, at);
    std::copy_n(point<>(p, x.data(), every_class).x0, dimension_, out.begin());
  }

  void eps(std::span<double const> x, level const& at, std::span<double> out) const {
    shape_check(x.size(), out.size());
    if (at.sigma == 0.0) return std::fill(out.begin(), out.end(), 0.0);
    scaled_pull(x, at, at.sigma, out);
  }

  void score(std::span<double const> x, level const& at, std::span<double> out) const {
    shape_check(x.size(), out.size());
    scaled_pull(x, at, -1.0, out);
  }

  /// log p_t(x).
  double log_prob(std::span<double const> x, level const& at) const {
    shape_check(x.size());
    plan const p(*this, at);
    return point<>(p, x.data(), every_class).log_prob();
  }

  /// Cov(x0|x), [d, d].
  void posterior_covariance(std::span<double const> x, level const& at,
                            std::span<double> out) const {
    shape_check(x.size());
    detail::require(out.size() == dimension_ * dimension_, where, "length of a covariance",
                    out.size(), "dimension squared");
    plan const p(*this, at);
    point<> const here(p, x.data(), every_class);
    for (std::size_t i = 0; i < dimension_; ++i) {
      double unit[max_dimension] = {};
      unit[i] = 1.0;
      here.covariance_times(unit, out.data() + i * dimension_);
    }
  }

  /// cotangent^T (d x0 / d x).
  void vjp(std::span<double const> x, level const& at, std::span<double const> cotangent,
           std::span<double> out) const {
    shape_check(x.size(), cotangent.size());
    shape_check(out.size());
    plan const p(*this, at);
    point<>(p, x.data(), every_class).jacobian_times(cotangent.data(), out.data());
  }

  // The same in dimension 1.
  double x0(double x, level const& at) const {
    double result = 0.0;
    x0(std::span{&x, 1}, at, std::span{&result, 1});
    return result;
  }
  double eps(double x, level const& at) const {
    double result = 0.0;
    eps(std::span{&x, 1}, at, std::span{&result, 1});
    return result;
  }
  double score(double x, level const& at) const {
    double result = 0.0;
    score(std::span{&x, 1}, at, std::span{&result, 1});
    return result;
  }
  double posterior_variance(double x, level const& at) const {
    double result = 0.0;
    posterior_covariance(std::span{&x, 1}, at, std::span{&result, 1});
    return result;
  }
  double log_prob(double x, level const& at) const { return log_prob(std::span{&x, 1}, at); }
  gaussian_mixture reverse(double x, level const& from, level const& to) const {
    return reverse(std::span{&x, 1}, from, to);
  }

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    width_check(x.features);
    if (q.at.sigma == 0.0) {
      for (std::int64_t i = 0; i < x.size(); ++i) {
        out.data[i] = static_cast<T>(static_cast<double>(x.data[i]) / q.at.alpha);
      }
      return;
    }
    plan const p(*this, q.at);
    for_each_draw(x, q, [&](double const* in, int wanted, std::int64_t offset) {
      if (dimension_ == 1) {
        out.data[offset] = static_cast<T>(point<1>(p, in, wanted).x0[0]);
      } else {
        narrow(point<>(p, in, wanted).x0, out.data + offset);
      }
    });
  }

  /// The gradient of the inner product of cotangent and x0(x) with respect to x, row by row.
  template <class Exec, class T>
  void vjp(Exec const&, batch_view<T const> x, query const& q, batch_view<T const> cotangent,
           batch_view<T> out) const {
    width_check(x.features);
    plan const p(*this, q.at);
    for_each_draw(x, q, [&](double const* in, int wanted, std::int64_t offset) {
      double vector[max_dimension];
      double result[max_dimension];
      for (std::size_t j = 0; j < dimension_; ++j) {
        vector[j] = static_cast<double>(cotangent.data[offset + static_cast<std::int64_t>(j)]);
      }
      point<>(p, in, wanted).jacobian_times(vector, result);
      narrow(result, out.data + offset);
    });
  }

 private:
  static constexpr auto where = "diffx::denoiser::gaussian_mixture";

  /// `count` numbers, on the stack when they are few.
  class buffer {
   public:
    explicit buffer(std::size_t count) : heap_(count > few ? new double[count] : nullptr) {}
    double* data() noexcept { return heap_ ? heap_.get() : local_; }
    double const* data() const noexcept { return heap_ ? heap_.get() : local_; }

   private:
    static constexpr std::size_t few = 128;
    double local_[few];
    std::unique_ptr<double[]> heap_;
  };

  /// What depends on the level alone.
  struct plan {
    plan(gaussian_mixture const& of, level const& level_)
        : mix(of), at(level_), inverse_(of.spread_.size()), log_norm_(of.size()) {
      constexpr double log_two_pi = 1.8378770664093454836;
      for (std::size_t k = 0; k < mix.size(); ++k) {
        double log_norm = std::log(mix.weight_[k]);
        for (std::size_t j = 0; j < mix.dimension_; ++j) {
          double const s = at.alpha * at.alpha * mix.spread(k)[j] + at.sigma * at.sigma;
          detail::require(s > 0.0, where, "variance of x_t along an axis", s,
                          "above 0: at sigma = 0 a singular component has no density");
          inverse_.data()[k * mix.dimension_ + j] = 1.0 / s;
          log_norm -= 0.5 * (std::log(s) + log_two_pi);
        }
        log_norm_.data()[k] = log_norm;
      }
    }

    double const* inverse(std::size_t k) const { return inverse_.data() + k * mix.dimension_; }
    double log_norm(std::size_t k) const { return log_norm_.data()[k]; }

    gaussian_mixture const& mix;
    level at;

   private:
    buffer inverse_;   // [components, d], 1 / s
    buffer log_norm_;  // [components], log w_k - log sqrt(det 2 pi S_k)
  };

  /// Responsibilities and posterior mean at one x. `Fixed` is the dimension where the compiler is
  /// to know it, or 0.
  template <std::size_t Fixed = 0>
  class point {
   public:
    point(plan const& p_, double const* x, int wanted) : p(p_), x_(x), r_(p_.mix.size()) {
      weigh(wanted);
      std::fill_n(x0, d(), 0.0);
      std::fill_n(pull, d(), 0.0);
      for (std::size_t k = 0; k < p.mix.size(); ++k) {
        if (r()[k] == 0.0) continue;
        double m[max_dimension];
        double z[max_dimension];
        component_terms(k, m, z);
        for (std::size_t j = 0; j < d(); ++j) {
          x0[j] += r()[k] * m[j];
          pull[j] += r()[k] * z[j];
        }
      }
    }

    double x0[max_dimension];
    double pull[max_dimension];  // sum r_k z_k = eps / sigma = -score

    double const* r() const noexcept { return r_.data(); }
    double log_prob() const { return top_ + std::log(total_); }

    /// y_k in the axes of component k.
    void project(std::size_t k, double* along) const {
      double y[max_dimension];
      for (std::size_t i = 0; i < d(); ++i) y[i] = x_[i] - p.at.alpha * p.mix.center(k)[i];
      for (std::size_t j = 0; j < d(); ++j) {
        double const* axis = p.mix.axes(k) + j * d();
        along[j] = 0.0;
        for (std::size_t i = 0; i < d(); ++i) along[j] += axis[i] * y[i];
      }
    }

    void covariance_times(double const* v, double* out) const {
      double const shrink = p.at.sigma * p.at.sigma / p.at.alpha;
      multiply(v, p.at.sigma * p.at.sigma, uses_pull() ? shrink * shrink : 1.0, out);
    }

    void jacobian_times(double const* v, double* out) const {
      double const shrink = p.at.sigma * p.at.sigma / p.at.alpha;
      multiply(v, p.at.alpha, uses_pull() ? shrink : 1.0 / shrink, out);
    }

   private:
    std::size_t d() const noexcept { return Fixed > 0 ? Fixed : p.mix.dimension_; }

    /// m_k - x0 = -(sigma^2 / alpha) (z_k - pull): each side cancels where the other does not.
    bool uses_pull() const noexcept { return p.at.alpha >= p.at.sigma; }

    void weigh(int wanted) {
      top_ = -std::numeric_limits<double>::infinity();
      double* log_r = r_.data();
      for (std::size_t k = 0; k < p.mix.size(); ++k) {
        log_r[k] = -std::numeric_limits<double>::infinity();
        if (wanted != every_class && p.mix.label_[k] != wanted) continue;
        double along[max_dimension];
        project(k, along);
        double square = 0.0;
        for (std::size_t j = 0; j < d(); ++j) square += along[j] * along[j] * p.inverse(k)[j];
        log_r[k] = p.log_norm(k) - 0.5 * square;
        top_ = std::max(top_, log_r[k]);
      }
      total_ = 0.0;
      for (std::size_t k = 0; k < p.mix.size(); ++k) {
        log_r[k] = std::exp(log_r[k] - top_);
        total_ += log_r[k];
      }
      for (std::size_t k = 0; k < p.mix.size(); ++k) log_r[k] /= total_;
    }

    /// m_k and z_k.
    void component_terms(std::size_t k, double* m, double* z) const {
      double along[max_dimension];
      double gain[max_dimension];
      project(k, along);
      for (std::size_t j = 0; j < d(); ++j) {
        along[j] *= p.inverse(k)[j];
        gain[j] = p.at.alpha * p.mix.spread(k)[j] * along[j];
        m[j] = p.mix.center(k)[j];
        z[j] = 0.0;
      }
      add_axes(p.mix.axes(k), d(), gain, m);
      add_axes(p.mix.axes(k), d(), along, z);
    }

    /// sum r_k [within C_k S_k^-1 + between g_k g_k^T] v, with g_k = z_k - pull or m_k - x0.
    void multiply(double const* v, double within, double between, double* out) const {
      std::fill_n(out, d(), 0.0);
      for (std::size_t k = 0; k < p.mix.size(); ++k) {
        if (r()[k] == 0.0) continue;
        double m[max_dimension];
        double z[max_dimension];
        component_terms(k, m, z);
        double inner = 0.0;
        for (std::size_t j = 0; j < d(); ++j) {
          m[j] = uses_pull() ? z[j] - pull[j] : m[j] - x0[j];
          inner += m[j] * v[j];
        }
        double along[max_dimension];
        for (std::size_t j = 0; j < d(); ++j) {
          out[j] += r()[k] * between * inner * m[j];
          double const* axis = p.mix.axes(k) + j * d();
          along[j] = 0.0;
          for (std::size_t i = 0; i < d(); ++i) along[j] += axis[i] * v[i];
          along[j] *= r()[k] * within * p.mix.spread(k)[j] * p.inverse(k)[j];
        }
        add_axes(p.mix.axes(k), d(), along, out);
      }
    }

    plan const& p;
    double const* x_;
    buffer r_;
    double top_ = 0.0;    // largest log(w_k N_k)
    double total_ = 0.0;  // sum of the rest relative to it
  };

  gaussian_mixture() = default;

  static std::vector<component> one_dimensional(std::vector<double> const& weights,
                                                std::vector<double> const& means,
                                                std::vector<double> const& sds,
                                                std::vector<int> const& component_labels) {
    std::size_t const n = weights.size();
    detail::require(means.size() == n, where, "number of means", means.size(), "that of weights");
    detail::require(sds.size() == n, where, "number of deviations", sds.size(), "that of weights");
    detail::require(component_labels.empty() || component_labels.size() == n, where,
                    "number of component labels", component_labels.size(), "0 or that of weights");
    std::vector<component> result;
    for (std::size_t k = 0; k < n; ++k) {
      int const label = component_labels.empty() ? every_class : component_labels[k];
      result.push_back({weights[k], {means[k]}, {sds[k] * sds[k]}, label});
    }
    return result;
  }

  void add(double weight, std::vector<double> const& mean, symmetric_eigen const& shape,
           int label) {
    detail::require(weight > 0.0 && std::isfinite(weight), where, "weight", weight,
                    "finite and above 0");
    double const largest = *std::max_element(shape.values.begin(), shape.values.end());
    for (double const l : shape.values) {
      // Jacobi leaves a zero eigenvalue within d eps of the largest: 64 * 2.2e-16.
      detail::require(l >= -2e-14 * largest, where, "eigenvalue of a covariance", l, "at least 0");
      spread_.push_back(std::max(l, 0.0));
    }
    weight_.push_back(weight);
    label_.push_back(label);
    mean_.insert(mean_.end(), mean.begin(), mean.end());
    axes_.insert(axes_.end(), shape.vectors.begin(), shape.vectors.end());
  }

  void normalise() {
    double total = 0.0;
    for (double const w : weight_) total += w;
    for (double& w : weight_) w /= total;
  }

  double const* center(std::size_t k) const { return mean_.data() + k * dimension_; }
  double const* spread(std::size_t k) const { return spread_.data() + k * dimension_; }
  double const* axes(std::size_t k) const { return axes_.data() + k * dimension_ * dimension_; }

  /// out += sum_j along_j axis_j.
  static void add_axes(double const* axes, std::size_t d, double const* along, double* out) {
    for (std::size_t j = 0; j < d; ++j) {
      for (std::size_t i = 0; i < d; ++i) out[i] += along[j] * axes[j * d + i];
    }
  }

  static void clean(std::span<double const> x, level const& at, std::span<double> out) {
    for (std::size_t j = 0; j < x.size(); ++j) out[j] = x[j] / at.alpha;
  }

  void scaled_pull(std::span<double const> x, level const& at, double scale,
                   std::span<double> out) const {
    plan const p(*this, at);
    point<> const here(p, x.data(), every_class);
    for (std::size_t j = 0; j < dimension_; ++j) out[j] = scale * here.pull[j];
  }

  template <class T>
  void narrow(double const* from, T* to) const {
    for (std::size_t j = 0; j < dimension_; ++j) to[j] = static_cast<T>(from[j]);
  }

  /// Calls visit(x in double, wanted class, offset) for each independent draw of the batch.
  template <class T, class Visit>
  void for_each_draw(batch_view<T const> x, query const& q, Visit visit) const {
    auto const width = static_cast<std::int64_t>(dimension_);
    double in[max_dimension];
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const wanted = labels_.at(x.first_sample + i, q.branch);
      for (std::int64_t j = 0; j < x.features; j += width) {
        for (std::int64_t c = 0; c < width; ++c) in[c] = static_cast<double>(x.row(i)[j + c]);
        visit(in, wanted, i * x.features + j);
      }
    }
  }

  void shape_check(std::size_t a) const {
    detail::require(a == dimension_, where, "length of a vector", a, "the dimension");
  }
  void shape_check(std::size_t a, std::size_t b) const {
    shape_check(a);
    shape_check(b);
  }
  void width_check(std::int64_t features) const {
    detail::require(dimension_ == 1 || features == static_cast<std::int64_t>(dimension_), where,
                    "x.features", static_cast<long long>(features), "the dimension");
  }

  std::size_t dimension_ = 0;
  std::vector<double> weight_;  // [components], sum 1
  std::vector<int> label_;      // [components]
  std::vector<double> mean_;    // [components, d]
  std::vector<double> spread_;  // [components, d], eigenvalues
  std::vector<double> axes_;    // [components, d, d], row j of component k is its axis j
  labels labels_;
};

}  // namespace diffx::denoiser
