#pragma once

#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/place.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

namespace diffx::domain::table {

/// A numeric column brought into [low, high], usually [0, 1] or [-1, 1].
///
///     y = low + (x - min) / (max - min) (high - low)
///
/// Nothing is clipped: what lies outside the fitted range stays outside. A constant column encodes
/// to 0 and decodes to the constant.
///
/// Errors    no rows, a cell that is not finite, max - min too large for a double, low >= high:
///           throws diffx::error. encode and decode take NaN to NaN.
class min_max {
 public:
  static constexpr std::string_view name = "domain::table::min_max";
  static constexpr std::string_view source = "";

  static min_max fit(std::span<double const> x, double low = 0.0, double high = 1.0,
                     place const& at = {}) {
    detail::require_cells(where, x, at);
    auto const [least, most] = std::minmax_element(x.begin(), x.end());
    return min_max(*least, *most, low, high);
  }

  min_max(double min, double max, double low = 0.0, double high = 1.0)
      : min_(min), max_(max), low_(low), high_(high) {
    detail::require(std::isfinite(min), where, "min", min, "finite");
    detail::require(max >= min && std::isfinite(max - min), where, "max", max,
                    "at least min and at a finite distance");
    detail::require(std::isfinite(low), where, "low", low, "finite");
    detail::require(high > low && std::isfinite(high - low), where, "high", high,
                    "above low and at a finite distance");
  }

  double min() const noexcept { return min_; }
  double max() const noexcept { return max_; }
  double low() const noexcept { return low_; }
  double high() const noexcept { return high_; }

  double encode(double x) const noexcept {
    if (min_ == max_) return std::isnan(x) ? x : 0.0;
    return low_ + (x - min_) / (max_ - min_) * (high_ - low_);
  }
  double decode(double y) const noexcept {
    if (min_ == max_) return std::isnan(y) ? y : min_;
    return min_ + (y - low_) / (high_ - low_) * (max_ - min_);
  }

 private:
  static constexpr auto where = "diffx::domain::table::min_max";
  double min_, max_, low_, high_;
};

}  // namespace diffx::domain::table
