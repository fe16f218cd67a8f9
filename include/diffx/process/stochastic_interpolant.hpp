#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/unit_time.hpp>

#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>

namespace diffx::process {

/// Data and noise mixed along any path: x_t = alpha(t) x0 + sigma(t) eps.
///
/// A path gives alpha(t), sigma(t), alpha_rate(t), sigma_rate(t) and `zero_terminal_snr`; where it
/// has no time(lambda), the inverse is found by bisection, to rounding. The ends are data at t = 0
/// and noise at t = 1.
///
/// Source    Albergo, Boffi & Vanden-Eijnden 2023, arXiv:2303.08797.
/// Units     t in [0, 1]; timestep = t timestep_scale.
/// Requires  sigma / alpha rising strictly from 0 on: the caller's promise for its own paths.
/// Errors    t or lambda out of range or NaN: throws diffx::error.
template <class Path>
class stochastic_interpolant {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::stochastic_interpolant";
  static constexpr std::string_view source = "arXiv:2303.08797";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = Path::zero_terminal_snr;

  explicit stochastic_interpolant(Path path = {}, double timestep_scale = 1.0)
      : path_(path), timestep_scale_(timestep_scale) {
    diffx::detail::require(std::isfinite(timestep_scale), "diffx::process::stochastic_interpolant",
                           "timestep_scale", timestep_scale, "finite");
  }

  Path const& path() const noexcept { return path_; }

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::stochastic_interpolant::at", t);
    return {t, path_.alpha(t), path_.sigma(t), lambda(t), t * timestep_scale_};
  }

  level at_lambda(double value) const {
    double const t =
        diffx::detail::admitted_time("diffx::process::stochastic_interpolant::at_lambda", value,
                                     time(value), lambda(1.0), lambda(0.0));
    return {t, path_.alpha(t), path_.sigma(t), value, t * timestep_scale_};
  }

 private:
  double lambda(double t) const noexcept {
    return std::log(path_.alpha(t)) - std::log(path_.sigma(t));
  }
  double time(double value) const noexcept {
    if constexpr (requires { path_.time(value); }) {
      return path_.time(value);
    } else {
      double low = 0.0;
      double high = 1.0;
      if (std::isnan(value) || value < lambda(1.0)) return std::numeric_limits<double>::quiet_NaN();
      for (int i = 0; i < 200 && low < high; ++i) {
        double const t = 0.5 * (low + high);
        if (t == low || t == high) break;
        (lambda(t) >= value ? low : high) = t;
      }
      return 0.5 * (low + high);
    }
  }

  Path path_;
  double timestep_scale_;
};

/// alpha = 1 - t, sigma = t: the straight path of rectified flow.
struct linear_path {
  static constexpr bool zero_terminal_snr = true;
  double alpha(double t) const noexcept { return 1.0 - t; }
  double sigma(double t) const noexcept { return t; }
  double alpha_rate(double) const noexcept { return -1.0; }
  double sigma_rate(double) const noexcept { return 1.0; }
  double time(double lambda) const noexcept { return 1.0 / (1.0 + std::exp(lambda)); }
};

/// alpha = cos(pi t / 2), sigma = sin(pi t / 2): variance preserving. Written so that alpha(1) = 0.
struct trigonometric_path {
  static constexpr bool zero_terminal_snr = true;
  double alpha(double t) const noexcept { return std::sin(quarter * (1.0 - t)); }
  double sigma(double t) const noexcept { return std::sin(quarter * t); }
  double alpha_rate(double t) const noexcept { return -quarter * std::sin(quarter * t); }
  double sigma_rate(double t) const noexcept { return quarter * std::sin(quarter * (1.0 - t)); }
  double time(double lambda) const noexcept { return std::atan(std::exp(-lambda)) / quarter; }

 private:
  static constexpr double quarter = 0.5 * std::numbers::pi;
};

static_assert(gaussian_process<stochastic_interpolant<linear_path>>);
static_assert(gaussian_process<stochastic_interpolant<trigonometric_path>>);

}  // namespace diffx::process
