#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/config.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace diffx::analysis {

/// The squared Euclidean distances from rows to the nearest of a fixed set of rows, by comparing
/// every pair. Differences are squared as they are, with no |x|^2 + |y|^2 - 2 x y: near rows lose
/// no digits.
///
/// The set is copied into panels of rows that lie side by side, so that the inner loop runs over
/// rows and needs no change of the order of sums. Results depend on neither the order of the set,
/// the queries beside one, nor the number of threads.
///
/// Time      rows of the set x rows asked about x width.
/// Shapes    rows [rows, width], float or double; sums are in the same type.
/// Requires  host memory.
/// Errors    no rows, no columns, numbers that are not finite, queries of another width, k outside
///           [1, rows]: throws diffx::error.
template <class T>
class nearest_rows {
 public:
  explicit nearest_rows(batch_view<T const> rows) : rows_(rows.batch), width_(rows.features) {
    constexpr auto where = "diffx::analysis::nearest_rows";
    detail::require(rows_ >= 1, where, "rows", static_cast<long long>(rows_), "at least 1");
    detail::require(width_ >= 1, where, "width", static_cast<long long>(width_), "at least 1");
    require_finite(where, rows);
    panels_ = (rows_ + lanes - 1) / lanes;
    // Rows that fill up the last panel are infinitely far from all others.
    packed_.assign(static_cast<std::size_t>(panels_ * width_ * lanes),
                   std::numeric_limits<T>::infinity());
    for (std::int64_t i = 0; i < rows_; ++i) {
      T* const panel = packed_.data() + i / lanes * width_ * lanes + i % lanes;
      for (std::int64_t j = 0; j < width_; ++j) panel[j * lanes] = rows.row(i)[j];
    }
  }

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t width() const noexcept { return width_; }

  /// The k smallest squared distances of every query, in rising order: [queries, k].
  template <class Exec = exec::host>
  std::vector<T> squared(batch_view<T const> queries, int k, Exec const& exec = {}) const {
    static_assert(Exec::on_host, "diffx: nearest_rows works in host memory.");
    constexpr auto where = "diffx::analysis::nearest_rows";
    detail::require(queries.features == width_, where, "queries.features",
                    static_cast<long long>(queries.features),
                    "the width of the rows, " + detail::text(static_cast<long long>(width_)));
    detail::require(k >= 1 && k <= rows_, where, "k", k,
                    "in [1, " + detail::text(static_cast<long long>(rows_)) + "], the rows");
    require_finite(where, queries);
    std::vector<T> out(static_cast<std::size_t>(queries.batch * k),
                       std::numeric_limits<T>::infinity());
    std::int64_t const groups = (queries.batch + group - 1) / group;
    exec.for_each_sample(groups, [&](std::int64_t g) {
      std::int64_t const begin = g * group, end = std::min(begin + group, queries.batch);
      scan(queries, begin, end, k, out.data());
    });
    return out;
  }

 private:
  static constexpr int lanes = static_cast<int>(64 / sizeof(T));
  static constexpr int together = 4;         // queries that share a panel while it is in registers
  static constexpr std::int64_t group = 32;  // queries that share a block while it is in a cache
  static constexpr std::int64_t block = 1 << 17;  // bytes of a block

  static void require_finite(std::string_view where, batch_view<T const> x) {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x.data[i])) {
        detail::fail(std::string(where) + ": row " +
                     detail::text(static_cast<long long>(i / x.features)) + ", column " +
                     detail::text(static_cast<long long>(i % x.features)) + " = " +
                     detail::text(static_cast<double>(x.data[i])) + ", must be finite");
      }
    }
  }

  void scan(batch_view<T const> queries, std::int64_t begin, std::int64_t end, int k,
            T* out) const {
    std::int64_t const bytes = width_ * lanes * static_cast<std::int64_t>(sizeof(T));
    std::int64_t const step = std::max<std::int64_t>(1, block / bytes);
    for (std::int64_t first = 0; first < panels_; first += step) {
      std::int64_t const last = std::min(first + step, panels_);
      std::int64_t q = begin;
      for (; q + together <= end; q += together) compare<together>(queries, q, first, last, k, out);
      for (; q < end; ++q) compare<1>(queries, q, first, last, k, out);
    }
  }

  template <int Queries>
  void compare(batch_view<T const> queries, std::int64_t q, std::int64_t first, std::int64_t last,
               int k, T* out) const {
    for (std::int64_t p = first; p < last; ++p) {
      T const* const panel = packed_.data() + p * width_ * lanes;
      T sum[Queries][lanes] = {};
      for (std::int64_t j = 0; j < width_; ++j) {
        for (int a = 0; a < Queries; ++a) {
          T const x = queries.row(q + a)[j];
          for (int r = 0; r < lanes; ++r) {
            T const d = x - panel[j * lanes + r];
            sum[a][r] = detail::fma(d, d, sum[a][r]);
          }
        }
      }
      for (int a = 0; a < Queries; ++a) {
        for (int r = 0; r < lanes; ++r) keep(sum[a][r], out + (q + a) * k, k);
      }
    }
  }

  /// Puts d in its place among the k smallest so far.
  static void keep(T d, T* smallest, int k) noexcept {
    if (!(d < smallest[k - 1])) return;
    int i = k - 1;
    for (; i > 0 && d < smallest[i - 1]; --i) smallest[i] = smallest[i - 1];
    smallest[i] = d;
  }

  std::int64_t rows_;
  std::int64_t width_;
  std::int64_t panels_ = 0;
  std::vector<T> packed_;  // [panels, width, lanes]
};

template <class T>
nearest_rows(batch_view<T const>) -> nearest_rows<T>;

}  // namespace diffx::analysis
