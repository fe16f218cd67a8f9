#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/step.hpp>
#include <diffx/timetable.hpp>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

namespace test {

/// The variance-preserving level with this lambda: alpha^2 + sigma^2 = 1. Written with no reference
/// to the library's processes, which are tested against it.
inline diffx::level vp(double lambda) {
  double const alpha = 1.0 / std::sqrt(1.0 + std::exp(-2.0 * lambda));
  double const sigma = 1.0 / std::sqrt(1.0 + std::exp(2.0 * lambda));
  double const t = 1.0 / (1.0 + std::exp(lambda));
  return {t, alpha, sigma, lambda, t};
}

/// The straight path alpha = 1 - tau, sigma = tau.
inline diffx::level flow(double tau) {
  return {tau, 1.0 - tau, tau, std::log((1.0 - tau) / tau), tau};
}

/// alpha = 1, sigma = 0.
inline diffx::level clean() { return {}; }

/// alpha = 0, sigma = 1.
inline diffx::level pure_noise() { return vp(-std::numeric_limits<double>::infinity()); }

/// `count` levels uniform in lambda, both ends included (one level: the first).
inline std::vector<diffx::level> uniform_lambda(double first, double last, int count) {
  std::vector<diffx::level> levels;
  for (int i = 0; i < count; ++i) {
    levels.push_back(vp(count == 1 ? first : first + (last - first) * i / (count - 1)));
  }
  return levels;
}

/// The variance-preserving path as a process, with lambda = log((1 - t) / t).
struct vp_process {
  using kind = diffx::process_tag;
  static constexpr std::string_view name = "test::vp_process";
  static constexpr std::string_view source = "";
  static constexpr diffx::value_kind values = diffx::value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  diffx::level at(double t) const { return vp(std::log((1.0 - t) / t)); }
  diffx::level at_lambda(double lambda) const { return vp(lambda); }
};
static_assert(diffx::gaussian_process<vp_process>);

}  // namespace test
