#pragma once

#include <diffx/schedule/alpha_bar_table.hpp>
#include <diffx/schedule/cosine.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The schedule of classes on a chain of T trained steps: a class is kept with probability
/// alpha_bar, as a number on that chain keeps its signal power.
///
///     -log alpha((i + 1) / T) = -log alpha_bar_i,  a line between those times, 0 at t = 0
///
/// The same table in process::vp_discrete puts numbers and classes on one chain. If the table ends
/// at alpha_bar = 0, alpha is a line in the last interval. A t within 1e-9 / T of a trained step is
/// that step.
///
/// Source    Hoogeboom et al. 2021, arXiv:2102.05379; Kotelnikov et al. 2023, arXiv:2209.15421.
struct class_alpha_bar {
  alpha_bar_table table = cosine();

  static constexpr std::string_view name = "schedule::class_alpha_bar";
  static constexpr std::string_view source = "arXiv:2102.05379";

  double total(double t) const noexcept {
    place const p = at(t);
    if (is_last_drop(p)) return -log_at(p.low) - std::log1p(-p.part);
    return -std::lerp(log_at(p.low), log_at(p.low + 1), p.part);
  }
  double moved(double t) const noexcept { return -std::expm1(-total(t)); }
  double kept(double t) const noexcept { return std::exp(-total(t)); }
  /// -d alpha / dt.
  double slope(double t) const noexcept {
    place const p = at(t);
    double const low = log_at(p.low);
    if (is_last_drop(p)) return table.size() * std::exp(low);
    return table.size() * (low - log_at(p.low + 1)) * kept(t);
  }
  double time_of_total(double total) const noexcept {
    int low = -1;
    for (int high = table.size() - 1; high - low > 1;) {
      int const middle = low + (high - low) / 2;
      (-log_at(middle) <= total ? low : high) = middle;
    }
    double const from = log_at(low), to = log_at(low + 1);
    double const part = std::isinf(to) ? -std::expm1(-total - from) : (from + total) / (from - to);
    return (low + 1 + part) / table.size();
  }
  double time(double moved) const noexcept { return time_of_total(-std::log1p(-moved)); }
  void check() const noexcept {}

 private:
  struct place {
    int low;  // -1: the data
    double part;
  };
  place at(double t) const noexcept {
    double const steps = t * table.size();
    // t = k / T comes back with a rounding; what is nearest to 0 is no data for all that.
    double const nearest = std::round(steps);
    bool const is_step = nearest >= 1.0 && std::fabs(steps - nearest) < 1e-9;
    double const exact = is_step ? nearest : steps;
    int const k = exact >= table.size() ? table.size() - 1 : static_cast<int>(std::floor(exact));
    return {k - 1, exact - k};
  }
  double log_at(int i) const noexcept { return i < 0 ? 0.0 : table.log_alpha_bar(i); }
  bool is_last_drop(place const& p) const noexcept { return std::isinf(log_at(p.low + 1)); }
};

}  // namespace diffx::schedule
