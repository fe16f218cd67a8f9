#pragma once

#include <diffx/error.hpp>

#include <string_view>

namespace diffx::schedule {

/// Classes are lost at a constant rate: the total noise -log alpha of a log-linear schedule.
///
///     1 - alpha = (1 - eps) t
///
/// Source    Sahoo et al. 2024, arXiv:2406.07524; Lou et al. 2024, arXiv:2310.16834.
/// Errors    check() throws diffx::error.
struct log_linear {
  static constexpr std::string_view name = "schedule::log_linear";
  static constexpr std::string_view source = "arXiv:2406.07524";

  double eps = 0.0;

  double moved(double t) const noexcept { return (1.0 - eps) * t; }
  double kept(double t) const noexcept { return eps + (1.0 - eps) * (1.0 - t); }
  double time(double moved) const noexcept { return moved / (1.0 - eps); }
  double slope(double) const noexcept { return 1.0 - eps; }
  void check() const {
    diffx::detail::require(eps >= 0.0 && eps < 1.0, "diffx::schedule::log_linear", "eps", eps,
                           "in [0, 1)");
  }
};

}  // namespace diffx::schedule
