#pragma once

#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/place.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// Snaps a sampled number to the nearest value that the column really had; of two equally near
/// ones, to the smaller.
///
/// Source    Kotelnikov et al. 2023 (TabDDPM), arXiv:2209.15421, which does so for columns of at
///           most 32 different whole numbers (`suits`).
/// Errors    no values, or one that is not finite: throws diffx::error. NaN stays NaN.
class round_to_observed {
 public:
  static constexpr std::string_view name = "domain::table::round_to_observed";
  static constexpr std::string_view source = "arXiv:2209.15421";

  static round_to_observed fit(std::span<double const> x, place const& at = {}) {
    detail::require_cells(where, x, at);
    std::vector<double> values(x.begin(), x.end());
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return round_to_observed(std::move(values));
  }

  /// Rising values.
  explicit round_to_observed(std::vector<double> values) : values_(std::move(values)) {
    detail::require(!values_.empty(), where, "values", 0, "at least 1");
    for (std::size_t i = 0; i < values_.size(); ++i) {
      detail::require(std::isfinite(values_[i]) && (i == 0 || values_[i] > values_[i - 1]), where,
                      "value " + detail::text(static_cast<long long>(i)), values_[i],
                      "finite and above the one before");
    }
  }

  /// Whole numbers alone, and not many different ones.
  bool suits(std::size_t most = 32) const noexcept {
    return values_.size() <= most &&
           std::all_of(values_.begin(), values_.end(), [](double v) { return v == std::floor(v); });
  }

  std::span<double const> values() const noexcept { return values_; }

  double operator()(double x) const noexcept {
    if (std::isnan(x)) return x;
    auto const above = std::lower_bound(values_.begin(), values_.end(), x);
    if (above == values_.begin()) return values_.front();
    if (above == values_.end()) return values_.back();
    double const below = *(above - 1);
    return x - below <= *above - x ? below : *above;
  }

 private:
  static constexpr auto where = "diffx::domain::table::round_to_observed";
  std::vector<double> values_;
};

}  // namespace diffx::domain::table
