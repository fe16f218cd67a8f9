#pragma once

#include <diffx/grid/beta_quantile.hpp>
#include <diffx/grid/options.hpp>

#include <cmath>
#include <vector>

/// EDM sigmas (sigma / alpha) for n points, largest first; one point is the largest alone.
/// Every function throws diffx::error for n < 1 or a range that is not 0 < min < max.
namespace diffx::grid::sigma {

namespace detail {

using namespace grid::detail;

template <class F>
std::vector<double> fill(std::string_view where, int n, sigma_range r, F at) {
  require_steps(where, n);
  require_range(where, r);
  std::vector<double> out;
  for (int k = 0; k < n; ++k) out.push_back(k == 0 ? r.max : k == n - 1 ? r.min : at(k));
  return out;
}

}  // namespace detail

/// (max^(1/rho) + k/(n-1) (min^(1/rho) - max^(1/rho)))^rho.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Equation 5.
inline std::vector<double> karras(int n, sigma_range r, double rho = 7.0) {
  detail::require(rho > 0.0 && std::isfinite(rho), "diffx::grid::sigma::karras", "rho", rho,
                  "positive and finite");
  double const a = std::pow(r.max, 1.0 / rho);
  double const b = std::pow(r.min, 1.0 / rho);
  return detail::fill("diffx::grid::sigma::karras", n, r,
                      [=](int k) { return std::pow(detail::spread(a, b, k, n), rho); });
}

/// log sigma falls as ramp^rho: rho = 1 is `exponential`.
inline std::vector<double> polyexponential(int n, sigma_range r, double rho = 1.0) {
  detail::require(rho > 0.0 && std::isfinite(rho), "diffx::grid::sigma::polyexponential", "rho",
                  rho, "positive and finite");
  double const a = std::log(r.max);
  double const b = std::log(r.min);
  return detail::fill("diffx::grid::sigma::polyexponential", n, r, [=](int k) {
    double const ramp = std::pow(1.0 - static_cast<double>(k) / (n - 1), rho);
    return std::exp(b + ramp * (a - b));
  });
}

/// log sigma linear in k; the same list as uniform lambda, called `lu` after its authors elsewhere.
///
/// Source    Lu et al. 2022, arXiv:2206.00927 (uniform lambda).
inline std::vector<double> exponential(int n, sigma_range r) {
  double const a = std::log(r.max);
  double const b = std::log(r.min);
  return detail::fill("diffx::grid::sigma::exponential", n, r,
                      [=](int k) { return std::exp(detail::spread(a, b, k, n)); });
}

inline std::vector<double> lu(int n, sigma_range r) { return exponential(n, r); }

/// min + (max - min) Q(1 - k/(n-1)), Q the quantile function of Beta(a, b).
///
/// Source    Lee et al. 2024, arXiv:2407.12173.
inline std::vector<double> beta(int n, sigma_range r, double a = 0.6, double b = 0.6) {
  return detail::fill("diffx::grid::sigma::beta", n, r, [=](int k) {
    double const p = static_cast<double>(n - 1 - k) / (n - 1);
    return r.min + (r.max - r.min) * beta_quantile(p, a, b);
  });
}

/// sqrt(exp(beta_d t^2 / 2 + beta_min t) - 1), t from 1 to t_min.
///
/// Source    Song et al. 2021, arXiv:2011.13456, in the form of arXiv:2206.00364, Table 1.
inline std::vector<double> vp(int n, double beta_d = 19.9, double beta_min = 0.1,
                              double t_min = 1e-3) {
  detail::require_steps("diffx::grid::sigma::vp", n);
  detail::require(beta_d >= 0.0 && std::isfinite(beta_d), "diffx::grid::sigma::vp", "beta_d",
                  beta_d, "at least 0 and finite");
  detail::require(beta_min > 0.0 && std::isfinite(beta_min), "diffx::grid::sigma::vp", "beta_min",
                  beta_min, "positive and finite");
  detail::require(t_min > 0.0 && t_min < 1.0, "diffx::grid::sigma::vp", "t_min", t_min,
                  "in (0, 1)");
  std::vector<double> out;
  for (int k = 0; k < n; ++k) {
    double const t = detail::spread(1.0, t_min, k, n);
    out.push_back(std::sqrt(std::expm1(0.5 * beta_d * t * t + beta_min * t)));
  }
  return out;
}

/// n of the M sigmas of the improved DDPM chain, evenly by rounded place among those in the range.
///
///     u_{j-1} = sqrt((u_j^2 + 1) / max(a_{j-1} / a_j, c1) - 1),  a_j = sin^2(pi/2 j/M / (c2 + 1))
///     from u_M = 0;  out_k = u'_{floor((len - 1) k / (n - 1) + 1/2)}
///
/// Source    Nichol & Dhariwal 2021, arXiv:2102.09672, in the form of arXiv:2206.00364, Table 1.
/// Errors    n above the number of chain levels inside the range: throws diffx::error.
inline std::vector<double> iddpm(int n, sigma_range r = {0.0064, 81.0}, double c1 = 0.001,
                                 double c2 = 0.008, int chain = 1000) {
  detail::require_steps("diffx::grid::sigma::iddpm", n);
  detail::require_range("diffx::grid::sigma::iddpm", r);
  detail::require(chain >= 1, "diffx::grid::sigma::iddpm", "chain", chain, "at least 1");
  auto const a = [&](int j) {
    double const s = std::sin(0.5 * 3.14159265358979323846 * j / chain / (c2 + 1.0));
    return s * s;
  };
  std::vector<double> kept;
  double u = 0.0;
  for (int j = chain; j > 0; --j) {
    u = std::sqrt((u * u + 1.0) / std::fmax(a(j - 1) / a(j), c1) - 1.0);
    if (u >= r.min && u <= r.max) kept.insert(kept.begin(), u);
  }
  auto const len = static_cast<int>(kept.size());
  detail::require(n <= len, "diffx::grid::sigma::iddpm", "number of steps", n,
                  "at most " + detail::text(len) + ", the chain's levels inside the range");
  std::vector<double> out;
  for (int k = 0; k < n; ++k) {
    long long const place = n == 1 ? 0 : (2LL * (len - 1) * k + (n - 1)) / (2LL * (n - 1));
    out.push_back(kept[static_cast<std::size_t>(place)]);
  }
  return out;
}

}  // namespace diffx::grid::sigma

namespace diffx::grid {

/// A timetable of a process through these EDM sigmas, largest first, then the end point. What the
/// network is told (`timestep`) follows from the process, real-valued where it is an index.
///
/// Errors    a sigma that is not positive, beyond the process or out of order: throws diffx::error.
template <gaussian_process Process>
timetable sigmas(Process const& process, std::vector<double> const& values,
                 end_point end = end_point::zero, std::string_view where = "diffx::grid::sigmas") {
  std::vector<level> levels;
  for (double const s : values) {
    detail::require(s > 0.0, where, "sigma", s, "positive (the end point adds sigma = 0)");
    levels.push_back(process.at_lambda(-std::log(s)));
  }
  if (end == end_point::zero) levels.push_back(process.at(0.0));
  if (end == end_point::sigma_min) {
    if constexpr (requires { process.edm_sigma_min(); }) {
      levels.push_back(process.at_lambda(-std::log(process.edm_sigma_min())));
    } else {
      detail::fail(std::string(where) +
                   ": end = sigma_min, must be zero or none for a process without a smallest "
                   "trained sigma");
    }
  }
  int const n = static_cast<int>(levels.size()) - 1;
  return detail::finish(where, std::move(levels), n);
}

namespace detail {

/// n points and a zero, or n + 1 points that end at the range's smallest sigma.
inline int sigma_points(int n, end_point end) noexcept {
  return end == end_point::zero ? n : n + 1;
}

inline end_point sigma_end(end_point end) noexcept {
  return end == end_point::zero ? end_point::zero : end_point::none;
}

}  // namespace detail

/// Sigma spacings as timetables of exactly n steps. end_point::zero: n points, then sigma = 0. The
/// other two: n + 1 points, so that the last step ends at the smallest sigma of the range.
template <gaussian_process Process>
timetable karras(Process const& process, int n, sigma_range r, double rho = 7.0,
                 end_point end = end_point::zero) {
  return sigmas(process, sigma::karras(detail::sigma_points(n, end), r, rho),
                detail::sigma_end(end), "diffx::grid::karras");
}

template <gaussian_process Process>
timetable karras(Process const& process, int n) {
  return karras(process, n, sigma_range_of(process));
}

template <gaussian_process Process>
timetable exponential(Process const& process, int n, sigma_range r,
                      end_point end = end_point::zero) {
  return sigmas(process, sigma::exponential(detail::sigma_points(n, end), r),
                detail::sigma_end(end), "diffx::grid::exponential");
}

template <gaussian_process Process>
timetable polyexponential(Process const& process, int n, sigma_range r, double rho,
                          end_point end = end_point::zero) {
  return sigmas(process, sigma::polyexponential(detail::sigma_points(n, end), r, rho),
                detail::sigma_end(end), "diffx::grid::polyexponential");
}

template <gaussian_process Process>
timetable lu(Process const& process, int n, sigma_range r, end_point end = end_point::zero) {
  return sigmas(process, sigma::lu(detail::sigma_points(n, end), r), detail::sigma_end(end),
                "diffx::grid::lu");
}

template <gaussian_process Process>
timetable beta(Process const& process, int n, sigma_range r, double a = 0.6, double b = 0.6,
               end_point end = end_point::zero) {
  return sigmas(process, sigma::beta(detail::sigma_points(n, end), r, a, b), detail::sigma_end(end),
                "diffx::grid::beta");
}

/// Uniform lambda with floor(nfe / 3) + 1 steps: the grid of the solver DPM-Solver-fast, which
/// spends up to three evaluations on each.
///
/// Source    Lu et al. 2022, arXiv:2206.00927. Ends at the range's smallest sigma.
template <gaussian_process Process>
timetable dpm_fast(Process const& process, int nfe, sigma_range r) {
  detail::require(nfe >= 1, "diffx::grid::dpm_fast", "nfe", nfe, "at least 1");
  return exponential(process, nfe / 3 + 1, r, end_point::none);
}

}  // namespace diffx::grid
