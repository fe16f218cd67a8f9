#pragma once

#include <diffx/grid/time.hpp>

#include <cmath>
#include <numbers>
#include <string_view>
#include <vector>

namespace diffx::grid {

/// How a uniform clock u, 0 noise and 1 data, becomes the time of a flow.
enum class distortion {
  identity,
  cos,      // (1 - cos(pi u)) / 2: slow at both ends
  revcos,   // 2 u - (1 - cos(pi u)) / 2: slow in the middle
  polyinc,  // u^2: slow near noise
  polydec,  // 2 u - u^2: slow near data
};

/// The distorted time of u in [0, 1].
inline double distorted_time(distortion kind, double u) noexcept {
  double const wave = 0.5 * (1.0 - std::cos(std::numbers::pi * u));
  switch (kind) {
    case distortion::identity:
      return u;
    case distortion::cos:
      return wave;
    case distortion::revcos:
      return 2.0 * u - wave;
    case distortion::polyinc:
      return u * u;
    case distortion::polydec:
      return u * (2.0 - u);
  }
  return u;
}

/// n steps from t = 1, noise, to t = 0, data, at 1 - t = the distorted time of k / n.
///
/// Source    Qin et al. 2024 (DeFoG), arXiv:2410.04263.
/// Errors    n < 1: throws diffx::error.
template <clocked_process Process>
timetable distorted(Process const& process, int n, distortion kind) {
  constexpr std::string_view where = "diffx::grid::distorted";
  detail::require_steps(where, n);
  std::vector<double> t;
  for (int k = 0; k < n; ++k) t.push_back(1.0 - distorted_time(kind, static_cast<double>(k) / n));
  t.push_back(0.0);
  return times(process, t, end_point::none, where);
}

}  // namespace diffx::grid
