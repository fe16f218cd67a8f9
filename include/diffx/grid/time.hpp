#pragma once

#include <diffx/grid/flow.hpp>

#include <cmath>
#include <vector>

namespace diffx::grid {

/// Where a grid over a continuous process starts and stops. end_point::zero: n points, then t = 0;
/// end_point::none: n + 1 points, the last at `last`.
struct time_range {
  double first = 1.0;
  double last = 1e-3;
  end_point end = end_point::none;
};

namespace detail {

/// Numbers stop short of t = 0, where a network of numbers says little; classes end as data.
template <class Process>
inline constexpr time_range usual_range{1.0, 1e-3, end_point::none};
template <class Process>
requires(categorical_process<Process> || matrix_process<Process> || column_process<Process> ||
         binary_process<Process>)  //
    inline constexpr time_range usual_range<Process>{1.0, 0.0, end_point::none};
template <sphere_process Process>
inline constexpr time_range usual_range<Process>{1.0, 0.0, end_point::none};

inline void require_times(std::string_view where, time_range r, int n) {
  require_steps(where, n);
  require(r.first > 0.0 && r.first <= 1.0, where, "first", r.first, "in (0, 1]");
  require(r.last >= 0.0 && r.last < r.first, where, "last", r.last,
          "in [0, first = " + text(r.first) + ")");
}

inline int time_points(time_range r, int n) noexcept {
  return r.end == end_point::zero ? n : n + 1;
}

}  // namespace detail

/// t^(1/power) uniform: power = 1 is uniform t, power = 2 is the quadratic grid, dense near data.
///
///     t_k = (first^(1/p) + k/(n-1) (last^(1/p) - first^(1/p)))^p
///
/// Source    Lu et al. 2022, arXiv:2206.00927 (uniform and quadratic time).
/// Errors    n < 1, times that are not 0 <= last < first <= 1, power <= 0: throws diffx::error.
template <clocked_process Process>
timetable power_t(Process const& process, int n, double power,
                  time_range r = detail::usual_range<Process>) {
  detail::require_times("diffx::grid::power_t", r, n);
  detail::require(power > 0.0 && std::isfinite(power), "diffx::grid::power_t", "power", power,
                  "positive and finite");
  int const count = detail::time_points(r, n);
  std::vector<double> values;
  for (int k = 0; k < count; ++k) {
    double const root =
        detail::spread(std::pow(r.first, 1.0 / power), std::pow(r.last, 1.0 / power), k, count);
    bool const at_end = k == 0 || k == count - 1;  // exact there, whatever pow rounds to
    values.push_back(!at_end ? std::pow(root, power) : k == 0 ? r.first : r.last);
  }
  return times(process, values, r.end, "diffx::grid::power_t");
}

template <clocked_process Process>
timetable uniform_t(Process const& process, int n, time_range r = detail::usual_range<Process>) {
  return power_t(process, n, 1.0, r);
}

template <clocked_process Process>
timetable quad(Process const& process, int n, time_range r = detail::usual_range<Process>) {
  return power_t(process, n, 2.0, r);
}

/// Uniform in lambda between the two times.
///
/// Source    Lu et al. 2022, arXiv:2206.00927.
/// Errors    as above, and times whose lambda is infinite: throws diffx::error.
template <gaussian_process Process>
timetable uniform_lambda(Process const& process, int n, time_range r = {}) {
  detail::require_times("diffx::grid::uniform_lambda", r, n);
  level const first = process.at(r.first);
  level const last = process.at(r.last);
  detail::require(std::isfinite(first.lambda), "diffx::grid::uniform_lambda", "lambda(first)",
                  first.lambda, "finite: choose first below 1");
  detail::require(std::isfinite(last.lambda), "diffx::grid::uniform_lambda", "lambda(last)",
                  last.lambda, "finite: choose last above 0");
  int const count = detail::time_points(r, n);
  std::vector<level> levels{first};
  for (int k = 1; k + 1 < count; ++k) {
    levels.push_back(process.at_lambda(detail::spread(first.lambda, last.lambda, k, count)));
  }
  if (count > 1) levels.push_back(last);
  if (r.end == end_point::zero) levels.push_back(process.at(0.0));
  return detail::finish("diffx::grid::uniform_lambda", std::move(levels), n);
}

}  // namespace diffx::grid
