#pragma once

#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/place.hpp>
#include <diffx/domain/table/round_to_observed.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// What a number is rounded to after its transform was inverted.
enum class snap : std::uint8_t {
  none,
  integer,        // the nearest whole number, of two the smaller, within [min, max] of the column
  observed,       // the nearest value of the column
  whole_numbers,  // integer where the column holds whole numbers alone, else none
  few_levels,     // observed where it holds at most 32 different whole numbers, else none
};

/// One column's rounding, chosen.
///
/// Errors    snap::integer on a column with other numbers, named with its row: throws diffx::error.
class snapper {
 public:
  static snapper fit(std::span<double const> x, snap how, place const& at = {}) {
    constexpr auto where = "diffx::domain::table::snapper";
    detail::require_cells(where, x, at);
    auto const other =
        std::find_if(x.begin(), x.end(), [](double v) { return v != std::floor(v); });
    bool const whole = other == x.end();
    if (how == snap::integer && !whole) {
      detail::fail_at(where, at, static_cast<std::size_t>(other - x.begin()),
                      detail::text(*other) + " is no whole number");
    }
    auto const [least, most] = std::minmax_element(x.begin(), x.end());
    if (how == snap::integer || (how == snap::whole_numbers && whole)) {
      return within(*least, *most);
    }
    if (how == snap::observed || (how == snap::few_levels && whole)) {
      auto values = round_to_observed::fit(x, at);
      if (how == snap::observed || values.suits()) return to(std::move(values));
    }
    return {};
  }

  snapper() = default;
  static snapper within(double min, double max) {
    constexpr auto where = "diffx::domain::table::snapper";
    detail::require(std::isfinite(min), where, "min", min, "finite");
    detail::require(std::isfinite(max) && max >= min, where, "max", max, "finite, at least min");
    snapper s;
    s.how_ = snap::integer;
    s.min_ = min;
    s.max_ = max;
    return s;
  }
  static snapper to(round_to_observed values) {
    snapper s;
    s.how_ = snap::observed;
    s.values_ = std::move(values);
    return s;
  }

  /// none, integer or observed.
  snap how() const noexcept { return how_; }
  double min() const noexcept { return min_; }
  double max() const noexcept { return max_; }
  std::span<double const> values() const noexcept {
    return values_ ? values_->values() : std::span<double const>();
  }

  double operator()(double x) const noexcept {
    if (how_ == snap::integer) return std::clamp(std::ceil(x - 0.5), min_, max_);
    if (how_ == snap::observed) return (*values_)(x);
    return x;
  }

 private:
  snap how_ = snap::none;
  double min_ = 0.0, max_ = 0.0;
  std::optional<round_to_observed> values_;
};

}  // namespace diffx::domain::table
