#pragma once

#include <cmath>
#include <numbers>
#include <string_view>

namespace diffx::schedule {

/// A logarithm of time: a little faster than linear everywhere but at the ends.
///
///     1 - alpha = log2(1 + t)
///
/// Source    Arriola et al. 2025, arXiv:2503.09573.
/// Errors    none.
struct mask_log {
  static constexpr std::string_view name = "schedule::mask_log";
  static constexpr std::string_view source = "arXiv:2503.09573";

  double moved(double t) const noexcept { return std::log1p(t) / std::numbers::ln2; }
  double time(double moved) const noexcept { return std::expm1(moved * std::numbers::ln2); }
  double slope(double t) const noexcept { return 1.0 / ((1.0 + t) * std::numbers::ln2); }
  void check() const noexcept {}
};

}  // namespace diffx::schedule
