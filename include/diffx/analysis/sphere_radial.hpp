#pragma once

#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/state/sphere.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace diffx::analysis {

/// The law of a bridge's points at time t, matched by a normal law on the sphere: mean direction
/// mu = forward e_k + back start, spread rho. Exact up to that shape; made for noising many states
/// at little cost, where the simulation of start::noised is too dear.
///
///     a = sin of the angle between start and mu,   P = sqrt(1 - c^2),   c = <e_k, start>
///     forward = a / P,   back = sqrt(1 - a^2) - a c / P
struct sphere_normal {
  double a = 0.0;
  double rho = 0.0;
  double forward = 0.0;
  double back = 1.0;
};

/// What tables of a bridge are made of.
struct radial_options {
  int steps = 1000;
  int samples = 1 << 13;
  std::uint64_t seed = 0;
};

/// The tables a(t) and rho(t) of process::sphere_bridge, from the two radial coordinates
/// z1 = <X, e_k> and z2 = <X, start>, which are a diffusion of their own:
///
///     dz1 = pull arccos(z1) sqrt(1 - z1^2) dt - (d/2) beta z1 dt + noise
///     dz2 = pull (c - z1 z2) arccos(z1) / sqrt(1 - z1^2) dt - (d/2) beta z2 dt + noise
///     covariance of the noise  beta dt [1 - z1^2, c - z1 z2; c - z1 z2, 1 - z2^2]
///
/// simulated and matched in the mean: its direction gives a, its length E cos|v| gives rho. The
/// published code takes the two noises to be independent; here they have their covariance.
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564, Section 4 and its appendix.
/// Errors    fewer than 2 steps, fewer than 1 sample, d < 1, or c outside [0, 1): throws
///           diffx::error; so does a start other than one point (a mixture has two: one table
///           each).
class sphere_radial {
 public:
  /// The bridge in d dimensions whose start and end have the cosine c.
  template <class Schedule>
  sphere_radial(Schedule const& schedule, int d, double c, radial_options o = {})
      : c_(c), p_(std::sqrt((1.0 - c) * (1.0 + c))) {
    constexpr auto where = "diffx::analysis::sphere_radial";
    detail::require(d >= 1, where, "d", d, "at least 1");
    detail::require(c >= 0.0 && c < 1.0, where, "c", c, "in [0, 1)");
    detail::require(o.steps >= 2, where, "steps", o.steps, "at least 2");
    detail::require(o.samples >= 1, where, "samples", o.samples, "at least 1");
    detail::require(o.steps <= noise::max_step, where, "steps", o.steps, "at most 2^20 - 2");
    auto const n = static_cast<std::size_t>(o.steps) + 1;
    a_.assign(n, 0.0);
    rho_.assign(n, 0.0);
    a_.back() = 1.0;
    auto const samples = static_cast<std::size_t>(o.samples);
    std::vector<double> z1(samples, c), z2(samples, 1.0);
    noise::counted const normals{o.seed};
    double const h = 1.0 / o.steps;
    for (int i = 0; i + 2 < static_cast<int>(n); ++i) {
      double const t = static_cast<double>(o.steps - i) / o.steps;
      double const pull = schedule.pull(t) * h, variance = schedule.beta(t) * h;
      double sum1 = 0.0, sum2 = 0.0;
      for (std::size_t s = 0; s < samples; ++s) {
        double xi[4];
        normals.fill({i, 0, 0, 0.0, 0.0}, static_cast<std::int64_t>(s), 0, 4, xi);
        advance(d, pull, variance, xi, z1[s], z2[s]);
        sum1 += z1[s];
        sum2 += z2[s];
      }
      match(d, sum1 / o.samples, sum2 / o.samples, static_cast<std::size_t>(i) + 1);
    }
  }

  /// The bridges of a process to one of its tokens, from its usual start.
  template <class Prior, class Schedule>
  explicit sphere_radial(process::sphere_bridge<Prior, Schedule> const& process,
                         radial_options o = {})
      : sphere_radial(process.schedule(), process.law().width - 1, process.law().usual.token, o) {}

  /// The normal law at time t, between the nodes of the table linearly.
  sphere_normal at(double t) const {
    detail::require(t >= 0.0 && t <= 1.0, "diffx::analysis::sphere_radial", "t", t, "in [0, 1]");
    auto const last = a_.size() - 1;
    double const place = (1.0 - t) * static_cast<double>(last);
    auto const i = std::min(static_cast<std::size_t>(place), last - 1);
    double const r = place - static_cast<double>(i);
    double const a = a_[i] + r * (a_[i + 1] - a_[i]);
    double const rho = rho_[i] + r * (rho_[i + 1] - rho_[i]);
    return {a, rho, a / p_, std::sqrt(std::max(0.0, (1.0 - a) * (1.0 + a))) - a * c_ / p_};
  }

  /// A point of that law: exp_mu(rho xi) with xi a standard normal in n coordinates, tangent at mu.
  template <class T>
  static void draw(sphere_normal const& law, int n, int token, T const* start, T const* xi, T* x) {
    std::vector<T> mu(static_cast<std::size_t>(n)), v(mu.size());
    for (int k = 0; k < n; ++k) {
      auto const at = static_cast<std::size_t>(k);
      mu[at] = static_cast<T>(law.back * static_cast<double>(start[k]) +
                              (k == token ? law.forward : 0.0));
      v[at] = static_cast<T>(law.rho) * xi[k];
    }
    sphere::exp_map(n, mu.data(), v.data(), x);
  }

 private:
  void advance(int d, double pull, double variance, double const (&xi)[4], double& z1,
               double& z2) const {
    double const far1 = std::max(0.0, (1.0 - z1) * (1.0 + z1));
    double const far2 = std::max(0.0, (1.0 - z2) * (1.0 + z2));
    double const between = c_ - z1 * z2;
    double const factor = sphere::log_factor(z1);
    double const root = std::sqrt(far1);
    double const along =
        root > 0.0 ? std::clamp(between / root, -std::sqrt(far2), std::sqrt(far2)) : 0.0;
    double const s = std::sqrt(variance), decay = 0.5 * d * variance;
    double const new1 = z1 + pull * factor * far1 - decay * z1 + s * root * xi[0];
    double const new2 =
        z2 + pull * factor * between - decay * z2 +
        s * (along * xi[0] + std::sqrt(std::max(0.0, far2 - along * along)) * xi[1]);
    z1 = std::clamp(new1, -1.0, 1.0);
    z2 = std::clamp(new2, -1.0, 1.0);
  }

  /// The mean, in the plane of start and end: `back` along the start, `across` orthogonal to it.
  void match(int d, double mean1, double mean2, std::size_t i) {
    double const across = std::max(0.0, (mean1 - c_ * mean2) / p_), back = std::max(0.0, mean2);
    double const length = std::hypot(across, back);
    a_[i] = length > 0.0 ? across / length : 0.0;
    rho_[i] = sphere::spread_of(d, std::clamp(length, 1e-6, 1.0));
  }

  double c_, p_;
  std::vector<double> a_, rho_;
};

}  // namespace diffx::analysis
