#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace diffx::denoiser {

/// The optimum of denoising training on a finite data set: what a network with unlimited capacity
/// would predict, and so what memorisation looks like.
///
///     x0(x) = sum_i r_i d_i,   r_i proportional to exp(-|x - alpha d_i|^2 / (2 sigma^2))
///
/// With row labels, branch 0 uses only the rows whose label the sample asks for; every other branch
/// uses all rows. At sigma = 0 the result is the limit: the nearest row, or the mean of those that
/// tie. The cost of one sample is rows times features.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, appendix B.3, in the scaled state x = alpha x0 +
/// sigma eps. Shapes    data: [rows, features]; row_labels: [rows] or empty; x: [batch, features].
/// Requires  host memory. Computes in double, narrows once; allocates one buffer per call.
/// Errors    no rows, a length that is no multiple of `features`, a value that is not finite, a
///           number of labels that is not the number of rows, a class that no row carries, a batch
///           of other width: throws diffx::error.
class empirical {
 public:
  static constexpr int branches = 2;  // the class, all rows
  diffx::prediction::x0 prediction{};

  empirical(std::vector<double> data, std::int64_t features, std::vector<int> row_labels = {})
      : data_(std::move(data)), features_(features), row_labels_(std::move(row_labels)) {
    detail::require(features_ >= 1, where, "features", static_cast<long long>(features_),
                    "at least 1");
    auto const width = static_cast<std::size_t>(features_);
    detail::require(!data_.empty() && data_.size() % width == 0, where, "length of data",
                    data_.size(), "a positive multiple of features");
    for (double const d : data_) detail::require(std::isfinite(d), where, "data", d, "finite");
    rows_ = data_.size() / width;
    detail::require(row_labels_.empty() || row_labels_.size() == rows_, where,
                    "number of row labels", row_labels_.size(), "0 or the number of rows");
  }

  /// The same data, with the class that each sample asks for: [samples], or one entry for all.
  empirical for_classes(std::vector<int> classes) const {
    empirical copy = *this;
    copy.labels_ = labels(std::move(classes));
    copy.labels_.require_known(row_labels_, "diffx::denoiser::empirical::for_classes");
    return copy;
  }

  std::int64_t rows() const noexcept { return static_cast<std::int64_t>(rows_); }
  std::int64_t features() const noexcept { return features_; }

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    detail::require(x.features == features_, where, "x.features",
                    static_cast<long long>(x.features), "the width of the data");
    std::vector<double> distance(rows_);
    // Infinite at sigma = 0, where it only ever meets a gap above 0.
    double const sharpness = 0.5 / (q.at.sigma * q.at.sigma);
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const wanted = labels_.at(x.first_sample + i, q.branch);
      double const nearest = measure(x.row(i), q.at.alpha, wanted, distance);
      double total = 0.0;
      for (double& d : distance) {
        double const gap = d - nearest;
        d = gap == 0.0 ? 1.0 : std::exp(-gap * sharpness);
        total += d;
      }
      average(distance, total, out.row(i));
    }
  }

 private:
  static constexpr auto where = "diffx::denoiser::empirical";

  /// Squared distances to all rows, infinite for rows of another class; returns the smallest.
  template <class T>
  double measure(T const* x, double alpha, int wanted, std::vector<double>& distance) const {
    constexpr double infinite = std::numeric_limits<double>::infinity();
    double nearest = infinite;
    double const* d = data_.data();
    for (std::size_t r = 0; r < rows_; ++r, d += features_) {
      double sum = 0.0;
      if (wanted != every_class && row_labels_[r] != wanted) {
        sum = infinite;
      } else {
        for (std::int64_t j = 0; j < features_; ++j) {
          double const gap = static_cast<double>(x[j]) - alpha * d[j];
          sum += gap * gap;
        }
      }
      distance[r] = sum;
      nearest = std::min(nearest, sum);
    }
    return nearest;
  }

  template <class T>
  void average(std::vector<double> const& weight, double total, T* out) const {
    for (std::int64_t j = 0; j < features_; ++j) {
      double sum = 0.0;
      for (std::size_t r = 0; r < rows_; ++r) {
        if (weight[r] > 0.0)
          sum += weight[r] *
                 data_[r * static_cast<std::size_t>(features_) + static_cast<std::size_t>(j)];
      }
      out[j] = static_cast<T>(sum / total);
    }
  }

  std::vector<double> data_;  // [rows, features]
  std::int64_t features_ = 0;
  std::size_t rows_ = 0;
  std::vector<int> row_labels_;  // [rows] or empty
  labels labels_;
};

}  // namespace diffx::denoiser
