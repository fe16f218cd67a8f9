#pragma once

// Two tokens and no mask: the sphere is a circle, bridges are Brownian bridges of the angle, and
// the exact denoiser has a closed form.

#include <diffx/concepts/denoiser.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/schedule/bridge_geometric.hpp>

#include <cmath>
#include <cstdint>
#include <numbers>

namespace test {

using circle_process = diffx::process::sphere_bridge<diffx::process::sphere_prior::barycentre>;

/// The same rate at all times, so that an even grid has even steps.
inline circle_process circle(double rate = 0.3) {
  // Walks on a circle are exact in law, whatever the number of steps.
  return circle_process(2, {}, diffx::schedule::bridge_geometric{rate, rate}, 5);
}

inline constexpr double circle_start = 0.25 * std::numbers::pi;
inline double circle_vertex(int k) { return 0.5 * std::numbers::pi * k; }

/// log(pi_k N(angle; mean_k, variance)) at a level, up to a constant, for tokens of probabilities
/// 1 - share and share.
inline double circle_logit(int k, double angle, double share, double total,
                           diffx::level const& at) {
  double const prior = std::log(k == 0 ? 1.0 - share : share);
  double const variance = total * at.alpha * at.sigma;
  if (variance == 0.0) return prior;
  double const off = angle - at.sigma * circle_start - at.alpha * circle_vertex(k);
  return prior - 0.5 * off * off / variance;
}

/// The exact posterior of one position, `share` the probability of token 1.
struct circle_network {
  static constexpr int branches = 2;  // the null condition: even odds
  diffx::prediction::x0_posterior<double> prediction{};
  double share = 0.3;
  double total = 0.3;

  template <class Exec, class T>
  void operator()(Exec const& exec, diffx::batch_view<T const> x, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    exec.for_each_sample(x.size() / 2, [&](std::int64_t i) {
      double const angle =
          std::atan2(static_cast<double>(x.data[2 * i + 1]), static_cast<double>(x.data[2 * i]));
      for (int k = 0; k < 2; ++k) {
        out.data[2 * i + k] = circle_logit(k, angle, q.branch == 0 ? share : 0.5, total, q.at);
      }
    });
  }
};

}  // namespace test
