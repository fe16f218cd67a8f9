#pragma once

#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/place.hpp>

#include <cmath>
#include <span>
#include <string_view>

namespace diffx::domain::table {

/// A numeric column of mean 0 and deviation 1.
///
///     z = (x - mean) / std,  std^2 = sum (x - mean)^2 / rows
///
/// A constant column encodes to 0 and decodes to the constant.
///
/// Errors    no rows, a cell that is not finite, a spread that is none or too large for a double:
///           throws diffx::error. encode and decode take NaN to NaN.
class standard {
 public:
  static constexpr std::string_view name = "domain::table::standard";
  static constexpr std::string_view source = "";

  static standard fit(std::span<double const> x, place const& at = {}) {
    detail::require_cells(where, x, at);
    double const mean = mean_of(x);
    double squares = 0.0;
    bool constant = true;
    for (double const v : x) {
      squares += (v - mean) * (v - mean) / static_cast<double>(x.size());
      constant = constant && v == x[0];
    }
    return constant ? standard(x[0], 0.0) : standard(mean, std::sqrt(squares));
  }

  /// std = 0 is a constant column.
  standard(double mean, double std) : mean_(mean), std_(std) {
    detail::require(std::isfinite(mean), where, "mean", mean, "finite");
    detail::require(std >= 0.0 && std::isfinite(std), where, "std", std, "at least 0 and finite");
  }

  double mean() const noexcept { return mean_; }
  double std() const noexcept { return std_; }

  double encode(double x) const noexcept {
    if (std_ == 0.0) return std::isnan(x) ? x : 0.0;
    return (x - mean_) / std_;
  }
  double decode(double z) const noexcept {
    if (std_ == 0.0) return std::isnan(z) ? z : mean_;
    return mean_ + std_ * z;
  }

 private:
  static constexpr auto where = "diffx::domain::table::standard";
  double mean_, std_;
};

}  // namespace diffx::domain::table
