#pragma once

#include <diffx/grid/sigma.hpp>

#include <array>
#include <cmath>
#include <vector>

namespace diffx::grid {

/// The models that the published tables were optimised for.
enum class ays_model { stable_diffusion_1_5, stable_diffusion_xl, stable_video_diffusion };

namespace detail {

/// Sigmas of ten steps: eleven points.
inline std::array<double, 11> ays_table(ays_model model) noexcept {
  switch (model) {
    case ays_model::stable_diffusion_1_5:
      return {14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029};
    case ays_model::stable_diffusion_xl:
      return {14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029};
    case ays_model::stable_video_diffusion:
      break;
  }
  return {700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002};
}

}  // namespace detail

/// The timesteps of the published tables for ten steps. The video model is told 0.25 log sigma and
/// has none.
///
/// Source    Sabour, Fidler & Kreis 2024, Align Your Steps, arXiv:2404.14507.
inline std::vector<int> ays_timesteps(ays_model model) {
  if (model == ays_model::stable_diffusion_1_5) {
    return {999, 850, 736, 645, 545, 455, 343, 233, 124, 24};
  }
  if (model == ays_model::stable_diffusion_xl) {
    return {999, 845, 730, 587, 443, 310, 193, 116, 53, 13};
  }
  detail::fail(
      "diffx::grid::ays_timesteps: model = stable_video_diffusion, must be one with training "
      "indices; use ays_sigmas");
}

/// n + 1 sigmas, largest first. Other n than 10: log sigma is interpolated linearly in k / n.
///
/// Errors    n < 1: throws diffx::error.
inline std::vector<double> ays_sigmas(ays_model model, int n) {
  detail::require_steps("diffx::grid::ays_sigmas", n);
  auto const table = detail::ays_table(model);
  std::vector<double> out;
  for (int k = 0; k <= n; ++k) {
    int const low = k * 10 / n;  // the place 10 k / n, split without rounding
    double const w = static_cast<double>(k * 10 - low * n) / n;
    auto const i = static_cast<std::size_t>(low);
    out.push_back(w == 0.0 ? table[i]
                           : std::exp(std::lerp(std::log(table[i]), std::log(table[i + 1]), w)));
  }
  return out;
}

/// The same as a timetable of n steps; end_point::zero replaces the last sigma by 0. The tables are
/// rounded, so a first sigma up to 0.1 percent above the process's largest is taken as that.
template <gaussian_process Process>
timetable ays(Process const& process, ays_model model, int n, end_point end = end_point::zero) {
  auto values = ays_sigmas(model, n);
  if (end == end_point::zero) values.pop_back();
  if constexpr (requires { process.edm_sigma_max(); }) {
    double const largest = process.edm_sigma_max();
    if (values[0] > largest && values[0] < 1.001 * largest) values[0] = largest;
  }
  return sigmas(process, values, detail::sigma_end(end), "diffx::grid::ays");
}

}  // namespace diffx::grid
