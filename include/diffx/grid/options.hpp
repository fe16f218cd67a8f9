#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/error.hpp>
#include <diffx/timetable.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::grid {

/// Where a run of n steps ends.
enum class end_point {
  zero,       // n points, then sigma = 0
  sigma_min,  // n points, then the smallest trained noise level
  none        // n + 1 points, nothing appended: the run ends at the last of them
};

/// Which points an index spacing makes.
enum class points {
  exact,         // n points
  drop_smallest  // n + 1 points without the smallest: the convention of multistep solvers
};

/// A range of EDM sigmas, smallest first.
struct sigma_range {
  double min;
  double max;
};

/// The trained range of a process that knows it.
template <class Process>
sigma_range sigma_range_of(Process const& process) {
  return {process.edm_sigma_min(), process.edm_sigma_max()};
}

namespace detail {

using diffx::detail::fail;
using diffx::detail::reject;
using diffx::detail::require;
using diffx::detail::text;

inline void require_steps(std::string_view where, int n) {
  require(n >= 1, where, "number of steps", n, "at least 1");
}

inline void require_range(std::string_view where, sigma_range r) {
  require(r.min > 0.0 && std::isfinite(r.min), where, "sigma_min", r.min, "positive and finite");
  require(r.max > r.min && std::isfinite(r.max), where, "sigma_max", r.max,
          "finite and above sigma_min = " + text(r.min));
}

/// first + (last - first) k / (count - 1), exact at both ends; `first` alone for one point.
inline double spread(double first, double last, int k, int count) noexcept {
  if (k == 0 || count == 1) return first;
  if (k == count - 1) return last;
  return first + (last - first) * k / (count - 1);
}

/// Clean data on the time axis of any process.
inline level clean(double timestep = 0.0) noexcept {
  return {0.0, 1.0, 0.0, std::numeric_limits<double>::infinity(), timestep};
}

/// Turns a list of levels into a timetable of exactly n steps. Says which n would fit when points
/// coincide, instead of dropping them.
inline timetable finish(std::string_view where, std::vector<level> levels, int n) {
  int distinct = 0;
  for (std::size_t i = 1; i < levels.size(); ++i) {
    if (levels[i].t < levels[i - 1].t && levels[i].lambda > levels[i - 1].lambda) ++distinct;
  }
  if (distinct != n || static_cast<int>(levels.size()) != n + 1) {
    reject(where, "number of steps", n,
           "small enough for distinct points (this spacing has room for " + text(distinct) +
               " of them here); use fewer steps, another spacing or another end point");
  }
  return timetable(std::move(levels));
}

}  // namespace detail
}  // namespace diffx::grid
