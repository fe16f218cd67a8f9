#pragma once

#include <diffx/step.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

/// Guidance scales: functions of the step, evaluated on the host. u is the fraction of steps done,
/// from 0 at the first to 1 at the last.
namespace diffx::guidance::scale {

inline double fraction_done(step const& s) noexcept {
  return s.count > 1 ? static_cast<double>(s.index) / (s.count - 1) : 1.0;
}

/// The same scale at every step.
struct constant {
  double value = 1.0;
  constexpr constant(double v = 1.0) noexcept : value(v) {}
  double operator()(step const&) const noexcept { return value; }
};

/// From `first` to `last` linearly in u.
struct linear {
  double first = 1.0, last = 1.0;
  double operator()(step const& s) const noexcept {
    return first + (last - first) * fraction_done(s);
  }
};

/// 1 + (peak - 1) (1 - cos(pi u^power)) / 2: none at first, all at the end.
///
/// Source    CogVideoX, arXiv:2408.06072 (power 5); there u comes from training indices and leaves
///           [0, 1] by mistake, here it is the fraction of steps done.
struct cosine {
  double peak = 1.0;
  double power = 5.0;
  double operator()(step const& s) const noexcept {
    double const u = std::pow(fraction_done(s), power);
    return 1.0 + (peak - 1.0) * (1.0 - std::cos(std::numbers::pi * u)) / 2.0;
  }
};

/// 1 + (peak - 1) 4 u (1 - u): strongest in the middle.
struct parabola {
  double peak = 1.0;
  double operator()(step const& s) const noexcept {
    double const u = fraction_done(s);
    return 1.0 + (peak - 1.0) * 4.0 * u * (1.0 - u);
  }
};

/// One value per step; the last one is repeated. The list must outlive the run.
struct list {
  std::span<double const> values;
  double operator()(step const& s) const noexcept {
    if (values.empty()) return 1.0;
    return values[std::min(static_cast<std::size_t>(s.index), values.size() - 1)];
  }
};

/// The inner scale where low < sigma / alpha <= high, 1 outside: a branch that is not needed is
/// not evaluated there. The bounds are noise levels and so do not depend on the grid.
template <class Inner = constant>
struct interval {
  Inner inner{};
  double low = 0.0;
  double high = std::numeric_limits<double>::infinity();
  double operator()(step const& s) const noexcept {
    double const sigma = s.from.edm_sigma();
    return low < sigma && sigma <= high ? inner(s) : 1.0;
  }
};
template <class Inner>
interval(Inner, double, double) -> interval<Inner>;
interval(double, double, double)->interval<constant>;

}  // namespace diffx::guidance::scale
