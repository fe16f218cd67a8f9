#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// A power of time between two bounds: some classes are lost however early it is, and some are kept
/// to the end. Only time 0 itself is the data, so a grid must go there: at its smallest time above
/// 0 a share `least` of the masks is left.
///
///     1 - alpha = least + (1 - least - left) t^power    for t > 0
///
/// A run starts from nothing but masks all the same: the share `left` that it should not mask is
/// the schedule's bias.
///
/// Source    Shi et al. 2024 (TabDiff), arXiv:2410.20626.
/// Errors    check() throws diffx::error.
struct bounded_mask_power {
  static constexpr std::string_view name = "schedule::bounded_mask_power";
  static constexpr std::string_view source = "arXiv:2410.20626";

  double power = 1.0;
  double least = 1e-5;
  double left = 1e-3;

  double moved(double t) const noexcept {
    return t > 0.0 ? least + span() * std::pow(t, power) : 0.0;
  }
  double kept(double t) const noexcept {
    return t > 0.0 ? left - span() * std::expm1(power * std::log(t)) : 1.0;
  }
  /// Never 0 for a positive share: the least one belongs to the limit t -> 0+.
  double time(double moved) const noexcept {
    if (moved == 0.0) return 0.0;
    double const share = (moved - least) / span();
    if (share > 0.0) return std::fmax(std::pow(share, 1.0 / power), 1e-15);
    return share > -1e-9 ? 1e-15 : share;
  }
  double slope(double t) const noexcept { return span() * power * std::pow(t, power - 1.0); }
  void check() const {
    constexpr auto where = "diffx::schedule::bounded_mask_power";
    diffx::detail::require(power > 0.0 && std::isfinite(power), where, "power", power,
                           "positive and finite");
    diffx::detail::require(least >= 0.0 && least < 1.0, where, "least", least, "in [0, 1)");
    diffx::detail::require(left >= 0.0 && left < 1.0 - least, where, "left", left,
                           "in [0, 1 - least)");
  }

 private:
  double span() const noexcept { return 1.0 - least - left; }
};

}  // namespace diffx::schedule
