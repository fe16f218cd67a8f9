#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::analysis {

/// Mean, variance, skewness and kurtosis of every column of rows that come one after another, none
/// of which is kept.
///
///     variance = M2 / (n - 1),   skewness = n / ((n - 1) (n - 2)) sum ((x - mean) / deviation)^3
///     kurtosis = n M4 / M2^2,    3 for a normal law;    M_k = sum (x - mean)^k
///
/// Parts of the rows may be counted apart and merged: up to rounding the moments are those of all.
///
/// Source    Welford 1962; Pebay 2008, SAND2008-6212 (central moments of two parts).
/// Shapes    rows [rows, width].
/// Errors    width < 1, rows of another width, a number that is not finite, fewer rows than a
///           moment needs (1, 2, 3, 2), skewness or kurtosis of a constant column: throws
///           diffx::error.
class running_moments {
 public:
  explicit running_moments(std::int64_t width) : width_(width) {
    detail::require(width >= 1, where, "width", static_cast<long long>(width), "at least 1");
    sums_.resize(static_cast<std::size_t>(width));
  }

  std::int64_t width() const noexcept { return width_; }
  std::int64_t count() const noexcept { return count_; }

  /// All rows or, where one is refused, those before it.
  template <class T>
  void add(batch_view<T const> rows) {
    require_width("rows.features", rows.features);
    for (std::int64_t i = 0; i < rows.batch; ++i) {
      T const* const row = rows.row(i);
      for (std::int64_t j = 0; j < width_; ++j) {
        detail::require(std::isfinite(row[j]), where, "a number of row " + std::to_string(i),
                        static_cast<double>(row[j]), "finite");
      }
      for (std::int64_t j = 0; j < width_; ++j) {
        sums_[static_cast<std::size_t>(j)].join(static_cast<double>(count_),
                                                {static_cast<double>(row[j]), 0.0, 0.0, 0.0}, 1.0);
      }
      ++count_;
    }
  }

  void merge(running_moments const& other) {
    require_width("other.width()", other.width_);
    if (other.count_ == 0) return;
    for (std::size_t j = 0; j < sums_.size(); ++j) {
      sums_[j].join(static_cast<double>(count_), other.sums_[j], static_cast<double>(other.count_));
    }
    count_ += other.count_;
  }

  std::vector<double> mean() const {
    require_count("mean", 1);
    return column([](sums const& s) { return s.mean; });
  }
  std::vector<double> variance() const {
    require_count("variance", 2);
    double const n = static_cast<double>(count_);
    return column([n](sums const& s) { return s.m2 / (n - 1.0); });
  }
  std::vector<double> skewness() const {
    require_count("skewness", 3);
    require_spread("skewness");
    double const n = static_cast<double>(count_);
    return column([n](sums const& s) {
      double const variance = s.m2 / (n - 1.0);
      return n / ((n - 1.0) * (n - 2.0)) * s.m3 / (variance * std::sqrt(variance));
    });
  }
  std::vector<double> kurtosis() const {
    require_count("kurtosis", 2);
    require_spread("kurtosis");
    double const n = static_cast<double>(count_);
    return column([n](sums const& s) { return n * (s.m4 / s.m2 / s.m2); });
  }

 private:
  static constexpr std::string_view where = "diffx::analysis::running_moments";

  struct sums {
    double mean = 0.0, m2 = 0.0, m3 = 0.0, m4 = 0.0;

    /// Joins nb numbers of another part to the na of this one.
    void join(double na, sums const& b, double nb) noexcept {
      double const n = na + nb, d = b.mean - mean, step = d / n, cross = d * step * na * nb;
      m4 += b.m4 + cross * step * step * (na * na - na * nb + nb * nb) +
            6.0 * step * step * (na * na * b.m2 + nb * nb * m2) +
            4.0 * step * (na * b.m3 - nb * m3);
      m3 += b.m3 + cross * step * (na - nb) + 3.0 * step * (na * b.m2 - nb * m2);
      m2 += b.m2 + cross;
      mean += nb * step;
    }
  };

  void require_width(std::string_view name, std::int64_t width) const {
    detail::require(width == width_, where, name, static_cast<long long>(width),
                    "the width, " + detail::text(static_cast<long long>(width_)));
  }
  void require_count(std::string_view moment, std::int64_t least) const {
    detail::require(count_ >= least, where, "rows for the " + std::string(moment),
                    static_cast<long long>(count_),
                    "at least " + detail::text(static_cast<long long>(least)));
  }
  void require_spread(std::string_view moment) const {
    for (std::size_t j = 0; j < sums_.size(); ++j) {
      detail::require(sums_[j].m2 > 0.0, where,
                      "variance of column " + std::to_string(j) + " for the " + std::string(moment),
                      0.0, "positive");
    }
  }
  template <class F>
  std::vector<double> column(F const& f) const {
    std::vector<double> out;
    for (sums const& s : sums_) out.push_back(f(s));
    return out;
  }

  std::int64_t width_;
  std::int64_t count_ = 0;
  std::vector<sums> sums_;
};

/// The squared Frechet distance of two normal laws with independent columns:
///
///     sum_j (m_j - m'_j)^2 + (sqrt(v_j) - sqrt(v'_j))^2
///
/// Source    Dowson & Landau 1982, for diagonal covariances.
/// Errors    lists of different lengths or of none, a negative variance: throws diffx::error.
inline double frechet_squared(std::span<double const> mean, std::span<double const> variance,
                              std::span<double const> other_mean,
                              std::span<double const> other_variance) {
  constexpr auto where = "diffx::analysis::frechet_squared";
  detail::require(!mean.empty(), where, "mean.size()", 0, "at least 1");
  for (std::size_t const n : {variance.size(), other_mean.size(), other_variance.size()}) {
    detail::require(n == mean.size(), where, "length of a list", static_cast<long long>(n),
                    "mean.size() = " + std::to_string(mean.size()));
  }
  double sum = 0.0;
  for (std::size_t j = 0; j < mean.size(); ++j) {
    for (double const v : {variance[j], other_variance[j]}) {
      detail::require(v >= 0.0, where, "variance", v, "at least 0");
    }
    double const m = mean[j] - other_mean[j];
    double const s = std::sqrt(variance[j]) - std::sqrt(other_variance[j]);
    sum += m * m + s * s;
  }
  return sum;
}

}  // namespace diffx::analysis
