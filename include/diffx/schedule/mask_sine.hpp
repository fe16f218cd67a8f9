#pragma once

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// Few classes first, many at the end: what MaskGIT calls its cosine schedule, since its time runs
/// the other way.
///
///     1 - alpha = sin(pi t / 2) = cos(pi (1 - t) / 2)
///
/// Source    Chang et al. 2022, arXiv:2202.04200.
/// Errors    none.
struct mask_sine {
  static constexpr std::string_view name = "schedule::mask_sine";
  static constexpr std::string_view source = "arXiv:2202.04200";

  double moved(double t) const noexcept {
    return t == 1.0 ? 1.0 : std::sin(0.5 * std::numbers::pi * t);
  }
  double time(double moved) const noexcept { return 2.0 / std::numbers::pi * std::asin(moved); }
  double slope(double t) const noexcept {
    return 0.5 * std::numbers::pi * std::sin(0.5 * std::numbers::pi * (1.0 - t));
  }
  void check() const {}
};

}  // namespace diffx::schedule
