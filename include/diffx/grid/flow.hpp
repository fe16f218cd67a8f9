#pragma once

#include <diffx/grid/options.hpp>

#include <cmath>
#include <vector>

/// Times of a rectified flow, tau in (0, 1], noisiest first, and the maps that move them.
namespace diffx::grid::tau {

namespace detail {

using namespace grid::detail;

inline void require_tau(std::string_view where, double tau) {
  require(tau >= 0.0 && tau <= 1.0, where, "tau", tau, "in [0, 1]");
}

}  // namespace detail

/// 1 to `last`, evenly: n points. `last` = 1 / T is one training step from the data.
inline std::vector<double> linear(int n, double first = 1.0, double last = 1e-3) {
  detail::require_steps("diffx::grid::tau::linear", n);
  detail::require(first <= 1.0 && first > 0.0, "diffx::grid::tau::linear", "first", first,
                  "in (0, 1]");
  detail::require(last >= 0.0 && last < first, "diffx::grid::tau::linear", "last", last,
                  "in [0, first = " + detail::text(first) + ")");
  std::vector<double> out;
  for (int k = 0; k < n; ++k) out.push_back(detail::spread(first, last, k, n));
  return out;
}

/// S tau / (1 + (S - 1) tau): lowers lambda by log S everywhere.
///
/// Source    Esser et al. 2024, arXiv:2403.03206, Equation 23 (S = sqrt(m/n)); SD3 uses S = 3.
/// Errors    tau outside [0, 1] or S not positive and finite: throws diffx::error.
inline double shift(double tau, double s) {
  detail::require_tau("diffx::grid::tau::shift", tau);
  detail::require(s > 0.0 && std::isfinite(s), "diffx::grid::tau::shift", "shift", s,
                  "positive and finite");
  return s * tau / (1.0 + (s - 1.0) * tau);
}

/// exp(mu) / (exp(mu) + (1/tau - 1)^power); power = 1 is the static shift with S = exp(mu).
inline double dynamic_shift(double tau, double mu, double power = 1.0) {
  detail::require_tau("diffx::grid::tau::dynamic_shift", tau);
  detail::require(std::isfinite(mu), "diffx::grid::tau::dynamic_shift", "mu", mu, "finite");
  if (tau == 0.0) return 0.0;
  double const m = std::exp(mu);
  return m / (m + std::pow(1.0 / tau - 1.0, power));
}

/// The linear form: mu takes the place of exp(mu).
inline double dynamic_shift_linear(double tau, double mu, double power = 1.0) {
  detail::require_tau("diffx::grid::tau::dynamic_shift_linear", tau);
  detail::require(mu > 0.0 && std::isfinite(mu), "diffx::grid::tau::dynamic_shift_linear", "mu", mu,
                  "positive and finite");
  if (tau == 0.0) return 0.0;
  return mu / (mu + std::pow(1.0 / tau - 1.0, power));
}

/// mu, linear in the number of image tokens: 0.5 at 256 and 1.15 at 4096 (FLUX.1).
inline double mu_of_tokens(double tokens, double base_tokens = 256.0, double max_tokens = 4096.0,
                           double base_mu = 0.5, double max_mu = 1.15) {
  detail::require(tokens > 0.0 && std::isfinite(tokens), "diffx::grid::tau::mu_of_tokens", "tokens",
                  tokens, "positive and finite");
  detail::require(max_tokens > base_tokens, "diffx::grid::tau::mu_of_tokens", "max_tokens",
                  max_tokens, "above base_tokens = " + detail::text(base_tokens));
  return base_mu + (max_mu - base_mu) * (tokens - base_tokens) / (max_tokens - base_tokens);
}

/// 1 - (1 - tau) (1 - last) / (1 - tau_last): stretches a list so that its last entry is `last`.
inline std::vector<double> stretch_to(std::vector<double> taus, double last) {
  detail::require(!taus.empty(), "diffx::grid::tau::stretch_to", "number of points", 0,
                  "at least 1");
  detail::require(last >= 0.0 && last < 1.0, "diffx::grid::tau::stretch_to", "last", last,
                  "in [0, 1)");
  double const room = 1.0 - taus.back();
  detail::require(room > 0.0, "diffx::grid::tau::stretch_to", "last tau", taus.back(), "below 1");
  double const scale = room / (1.0 - last);
  for (double& tau : taus) tau = 1.0 - (1.0 - tau) / scale;
  return taus;
}

/// Applies a map to every entry.
template <class Map>
std::vector<double> mapped(std::vector<double> taus, Map map) {
  for (double& tau : taus) tau = map(tau);
  return taus;
}

}  // namespace diffx::grid::tau

namespace diffx::grid {

/// A timetable of a process through these times, noisiest first; end_point::zero appends t = 0.
///
/// Errors    a time outside [0, 1] or out of order, or end = sigma_min: throws diffx::error.
template <clocked_process Process>
timetable times(Process const& process, std::vector<double> const& values,
                end_point end = end_point::zero, std::string_view where = "diffx::grid::times") {
  if (end == end_point::sigma_min) {
    detail::fail(std::string(where) +
                 ": end = sigma_min, must be zero or none for a list of times");
  }
  std::vector<level> levels;
  for (double const t : values) levels.push_back(process.at(t));
  if (end == end_point::zero) levels.push_back(process.at(0.0));
  int const n = static_cast<int>(levels.size()) - 1;
  return detail::finish(where, std::move(levels), n);
}

/// n steps of a flow: tau linear from 1 to 1/T, shifted by S, then tau = 0.
template <gaussian_process Process>
timetable flow(Process const& process, int n, double shift = 1.0,
               double num_train_timesteps = 1000.0) {
  auto const linear = tau::linear(n, 1.0, 1.0 / num_train_timesteps);
  return times(process, tau::mapped(linear, [=](double x) { return tau::shift(x, shift); }),
               end_point::zero, "diffx::grid::flow");
}

}  // namespace diffx::grid
