#pragma once

#include <diffx/grid/options.hpp>
#include <diffx/process/vp_discrete.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// Training indices for n steps, noisiest first, computed from integers alone. Rounding is half to
/// even. These lists may repeat an index when n is close to T; the timetables made of them may not.
namespace diffx::grid::index {

namespace detail {

inline std::int64_t round_half_even(std::int64_t a, std::int64_t b) noexcept {  // a >= 0, b > 0
  std::int64_t const q = a / b;
  std::int64_t const twice = 2 * (a % b);
  return q + (twice > b || (twice == b && q % 2 != 0) ? 1 : 0);
}

inline void check(std::string_view where, int num_train_timesteps, int n) {
  grid::detail::require(num_train_timesteps >= 1, where, "num_train_timesteps", num_train_timesteps,
                        "at least 1");
  grid::detail::require(
      n >= 1 && n <= num_train_timesteps, where, "number of steps", n,
      "in [1, " + grid::detail::text(num_train_timesteps) + "], the number of training timesteps");
}

}  // namespace detail

/// round((T - 1) k / (n - 1)), k = n - 1 ... 0; one point is T - 1. With drop_smallest the same for
/// n + 1 points, without index 0.
inline std::vector<int> linspace(int num_train_timesteps, int n, points which = points::exact) {
  detail::check("diffx::grid::index::linspace", num_train_timesteps, n);
  int const count = which == points::exact ? n : n + 1;
  std::vector<int> out;
  for (int k = count - 1; static_cast<int>(out.size()) < n; --k) {
    std::int64_t const last = num_train_timesteps - 1;
    out.push_back(count == 1 ? static_cast<int>(last)
                             : static_cast<int>(detail::round_half_even(last * k, count - 1)));
  }
  return out;
}

/// k floor(T / n) + offset, k = n - 1 ... 0; with drop_smallest floor(T / (n + 1)) and k = n ... 1.
/// Never starts at the noisiest index unless n = T; offset 1 belongs to Stable Diffusion.
inline std::vector<int> leading(int num_train_timesteps, int n, int offset = 0,
                                points which = points::exact) {
  detail::check("diffx::grid::index::leading", num_train_timesteps, n);
  int const count = which == points::exact ? n : n + 1;
  int const stride = num_train_timesteps / count;
  std::vector<int> out;
  for (int k = count - 1; static_cast<int>(out.size()) < n; --k) {
    out.push_back(k * stride + offset);
  }
  return out;
}

/// leading where n divides T, else k floor((T - 1) / (n - 1)), k = n - 1 ... 0.
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
inline std::vector<int> strided(int num_train_timesteps, int n) {
  detail::check("diffx::grid::index::strided", num_train_timesteps, n);
  int const stride =
      num_train_timesteps % n == 0 ? num_train_timesteps / n : (num_train_timesteps - 1) / (n - 1);
  std::vector<int> out;
  for (int k = n - 1; k >= 0; --k) out.push_back(k * stride);
  return out;
}

/// round(T (n - k) / n) - 1, k = 0 ... n - 1: always n points, from T - 1 down.
inline std::vector<int> trailing(int num_train_timesteps, int n) {
  detail::check("diffx::grid::index::trailing", num_train_timesteps, n);
  std::vector<int> out;
  for (int k = 0; k < n; ++k) {
    auto const top = static_cast<std::int64_t>(num_train_timesteps) * (n - k);
    out.push_back(static_cast<int>(detail::round_half_even(top, n)) - 1);
  }
  return out;
}

/// floor(0.8 T (k / (n - 1))^2), k = n - 1 ... 0: dense near the data (`quad` of DDIM).
inline std::vector<int> quadratic(int num_train_timesteps, int n) {
  detail::check("diffx::grid::index::quadratic", num_train_timesteps, n);
  std::vector<int> out;
  for (std::int64_t k = n - 1; k >= 0; --k) {
    std::int64_t const m = n > 1 ? n - 1 : 1;
    std::int64_t const top =
        4 * static_cast<std::int64_t>(num_train_timesteps) * (n > 1 ? k * k : 1);
    std::int64_t const i = top / (5 * m * m);
    out.push_back(static_cast<int>(i < num_train_timesteps ? i : num_train_timesteps - 1));
  }
  return out;
}

/// Every floor(O / n)-like step of the reversed list (1 ... O) (T / O) - 1 that a consistency model
/// was distilled on: entry k is the floor(k O / n)-th. `original_steps` = O.
///
/// Source    Luo et al. 2023, arXiv:2310.04378 (LCM); Zheng et al. 2024, arXiv:2402.19159 (TCD).
inline std::vector<int> consistency(int num_train_timesteps, int n, int original_steps = 50,
                                    double strength = 1.0) {
  std::string_view const where = "diffx::grid::index::consistency";
  grid::detail::require(original_steps >= 1 && original_steps <= num_train_timesteps, where,
                        "original_steps", original_steps,
                        "in [1, " + grid::detail::text(num_train_timesteps) + "]");
  grid::detail::require(strength > 0.0 && strength <= 1.0, where, "strength", strength,
                        "in (0, 1]");
  int const used = static_cast<int>(original_steps * strength);
  grid::detail::require(n >= 1 && n <= used, where, "number of steps", n,
                        "in [1, " + grid::detail::text(used) + "], the distilled timesteps in use");
  int const stride = num_train_timesteps / original_steps;
  std::vector<int> out;
  for (int k = 0; k < n; ++k) {
    auto const place = static_cast<int>(static_cast<std::int64_t>(k) * used / n);
    out.push_back((used - place) * stride - 1);
  }
  return out;
}

}  // namespace diffx::grid::index

namespace diffx::grid {

/// A timetable through the given training indices (real ones are interpolated), noisiest first,
/// and the end point: sigma = 0, index 0, or none.
///
/// Errors    indices outside the table, or out of order: throws diffx::error.
template <class Process, class Index>
timetable timesteps(Process const& process, std::vector<Index> const& indices,
                    end_point end = end_point::zero,
                    std::string_view where = "diffx::grid::timesteps") {
  std::vector<level> levels;
  for (Index const i : indices) levels.push_back(process.at_index(i));
  if (end == end_point::zero) levels.push_back(process.at(0.0));
  if (end == end_point::sigma_min) levels.push_back(process.at_index(0));
  int const n = static_cast<int>(levels.size()) - 1;
  return detail::finish(where, std::move(levels), n);
}

/// Index spacings as timetables of exactly n steps. With end_point::none one more point is taken.
///
/// Source    Lin et al. 2024, arXiv:2305.08891, Table 2 (linspace, leading, trailing); Song, Meng
///           & Ermon 2021, arXiv:2010.02502, Appendix D.2 (quadratic).
/// Errors    n < 1, or more steps than distinct indices: throws diffx::error with what fits.
template <bool Z>
timetable linspace(process::basic_vp_discrete<Z> const& process, int n,
                   points which = points::exact, end_point end = end_point::zero) {
  int const count = n + (end == end_point::none ? 1 : 0);
  return timesteps(process, index::linspace(process.num_train_timesteps(), count, which), end,
                   "diffx::grid::linspace");
}

template <bool Z>
timetable leading(process::basic_vp_discrete<Z> const& process, int n, int offset = 0,
                  points which = points::exact, end_point end = end_point::zero) {
  int const count = n + (end == end_point::none ? 1 : 0);
  return timesteps(process, index::leading(process.num_train_timesteps(), count, offset, which),
                   end, "diffx::grid::leading");
}

template <bool Z>
timetable trailing(process::basic_vp_discrete<Z> const& process, int n,
                   end_point end = end_point::zero) {
  int const count = n + (end == end_point::none ? 1 : 0);
  return timesteps(process, index::trailing(process.num_train_timesteps(), count), end,
                   "diffx::grid::trailing");
}

template <bool Z>
timetable quadratic(process::basic_vp_discrete<Z> const& process, int n,
                    end_point end = end_point::zero) {
  int const count = n + (end == end_point::none ? 1 : 0);
  return timesteps(process, index::quadratic(process.num_train_timesteps(), count), end,
                   "diffx::grid::quadratic");
}

template <bool Z>
timetable consistency(process::basic_vp_discrete<Z> const& process, int n, int original_steps = 50,
                      double strength = 1.0) {
  return timesteps(process,
                   index::consistency(process.num_train_timesteps(), n, original_steps, strength),
                   end_point::zero, "diffx::grid::consistency");
}

}  // namespace diffx::grid
