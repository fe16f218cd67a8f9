#pragma once

#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/place.hpp>
#include <diffx/noise/grid.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// A numeric column made normal by its ranks, and back.
///
///     L_j = j / (levels - 1),  q_j = the L_j quantile of the column, linearly interpolated
///     u = (interp(x; q, L) - interp(-x; -reversed q, -reversed L)) / 2
///     u = 0 where x <= q_0, else 1 where x >= q_last
///     z = Phi^-1(u), within +-5.199337582605575
///     x = interp(Phi(z); L, q), q_0 where Phi(z) < 1e-7, q_last where Phi(z) > 1 - 1e-7
///
/// The two interpolations put a value that stands for a whole range of levels into its middle. A
/// constant column encodes to 0, the middle of all levels, and not to the lower bound. The
/// published code asks for the ends with a margin of 1e-7 in the units of the column, which leaves
/// nothing of a column of a smaller range; here they are exact.
///
/// Source    the column transform of Kotelnikov et al. 2023 (TabDDPM), arXiv:2209.15421, which also
///           gives the number of levels, max(min(rows / 30, 1000), 10).
/// Errors    no rows, a cell that is not finite, fewer than 2 levels, quantiles that fall: throws
///           diffx::error. encode and decode take NaN to NaN.
class quantile_normal {
 public:
  static constexpr std::string_view name = "domain::table::quantile_normal";
  static constexpr std::string_view source = "arXiv:2209.15421";

  static constexpr double bound = 5.199337582605575;

  static int default_levels(std::size_t rows) noexcept {
    return static_cast<int>(std::max<std::size_t>(std::min<std::size_t>(rows / 30, 1000), 10));
  }

  /// levels = 0: the default. There are never more levels than rows, but at least 2.
  static quantile_normal fit(std::span<double const> x, int levels = 0, place const& at = {}) {
    detail::require(levels == 0 || levels >= 2, where, "levels", levels, "at least 2");
    detail::require_cells(where, x, at);
    if (levels == 0) levels = default_levels(x.size());
    auto const n = std::max<std::size_t>(2, std::min(static_cast<std::size_t>(levels), x.size()));
    std::vector<double> sorted(x.begin(), x.end());
    std::sort(sorted.begin(), sorted.end());
    std::vector<double> q(n);
    for (std::size_t j = 0; j < n; ++j) {
      double const rank = static_cast<double>(j) / static_cast<double>(n - 1) *
                          static_cast<double>(sorted.size() - 1);
      auto const low = std::min(static_cast<std::size_t>(rank), sorted.size() - 1);
      double const a = sorted[low], b = sorted[std::min(low + 1, sorted.size() - 1)];
      double const part = rank - static_cast<double>(low);
      q[j] = a + part * (b - a);
      if (j > 0) q[j] = std::max(q[j], q[j - 1]);
    }
    return quantile_normal(std::move(q));
  }

  explicit quantile_normal(std::vector<double> quantiles) : q_(std::move(quantiles)) {
    detail::require(q_.size() >= 2, where, "quantiles", static_cast<long long>(q_.size()),
                    "at least 2");
    for (std::size_t j = 0; j < q_.size(); ++j) {
      detail::require(std::isfinite(q_[j]) && (j == 0 || q_[j] >= q_[j - 1]), where,
                      "quantile " + detail::text(static_cast<long long>(j)), q_[j],
                      "finite and not below the one before");
    }
    detail::require(std::isfinite(q_.back() - q_.front()), where, "range", q_.back() - q_.front(),
                    "finite");
  }

  std::span<double const> quantiles() const noexcept { return q_; }

  double encode(double x) const noexcept {
    if (std::isnan(x)) return x;
    if (q_.front() == q_.back()) return 0.0;
    if (x <= q_.front()) return -bound;
    if (x >= q_.back()) return bound;
    double const u = 0.5 * (level_from_left(x) + level_from_right(x));
    if (!(u > 0.0)) return -bound;
    if (!(u < 1.0)) return bound;
    return std::clamp(noise::normal_quantile(u), -bound, bound);
  }

  double decode(double z) const noexcept {
    if (std::isnan(z)) return z;
    double const u = 0.5 * std::erfc(-z * 0.70710678118654752440);
    if (u - threshold < 0.0) return q_.front();
    if (u + threshold > 1.0) return q_.back();
    double const at = u * last();
    auto const j = std::min(static_cast<std::size_t>(at), q_.size() - 2);
    return q_[j] + (at - static_cast<double>(j)) * (q_[j + 1] - q_[j]);
  }

 private:
  static constexpr auto where = "diffx::domain::table::quantile_normal";
  static constexpr double threshold = 1e-7;

  double last() const noexcept { return static_cast<double>(q_.size() - 1); }
  double level(std::size_t j) const noexcept { return static_cast<double>(j) / last(); }
  double between(double x, std::size_t j) const noexcept {  // q_j < q_{j+1}
    return level(j) + (x - q_[j]) / (q_[j + 1] - q_[j]) / last();
  }

  /// Both take q_0 < x < q_last, and differ where several quantiles equal x.
  double level_from_left(double x) const noexcept {
    auto const above = std::upper_bound(q_.begin(), q_.end(), x);
    if (above == q_.end()) return 1.0;
    return above == q_.begin() ? 0.0 : between(x, static_cast<std::size_t>(above - q_.begin()) - 1);
  }
  double level_from_right(double x) const noexcept {
    auto const from = std::lower_bound(q_.begin(), q_.end(), x);
    if (from == q_.end()) return 1.0;
    return from == q_.begin() ? 0.0 : between(x, static_cast<std::size_t>(from - q_.begin()) - 1);
  }

  std::vector<double> q_;
};

}  // namespace diffx::domain::table
