#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/unit_time.hpp>
#include <diffx/schedule/vp_linear.hpp>

#include <cmath>
#include <string_view>

namespace diffx::process {

/// The variance-preserving diffusion in continuous time, on any schedule of log alpha.
///
///     alpha = e^L,    sigma^2 = 1 - alpha^2,    lambda = -log(expm1(-2 L)) / 2,    L = log
///     alpha(t)
///
/// A schedule gives log_alpha(t), log_alpha_rate(t), time(log_alpha) and check(); where it has
/// network_time(t), the network is told that instead of t, times `timestep_scale`.
///
/// Source    Song et al. 2021, arXiv:2011.13456.
/// Units     t in [0, 1], data at 0; timestep = t timestep_scale (999 for networks of score SDEs).
/// Errors    t or lambda out of range or NaN, or a bad schedule: throws diffx::error.
template <class Schedule = schedule::vp_linear>
class vp {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::vp";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  explicit vp(Schedule schedule = {}, double timestep_scale = 1.0)
      : schedule_(schedule), timestep_scale_(timestep_scale) {
    schedule_.check();
    diffx::detail::require(std::isfinite(timestep_scale), "diffx::process::vp", "timestep_scale",
                           timestep_scale, "finite");
  }

  Schedule const& schedule() const noexcept { return schedule_; }

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::vp::at", t);
    return make(t, lambda(t));
  }

  level at_lambda(double lambda_value) const {
    double const t = schedule_.time(-0.5 * log1p_exp(-2.0 * lambda_value));
    return make(diffx::detail::admitted_time("diffx::process::vp::at_lambda", lambda_value, t,
                                             lambda(1.0), lambda(0.0)),
                lambda_value);
  }

  /// d lambda / dt; alpha' = alpha sigma^2 lambda' and sigma' = -sigma alpha^2 lambda'.
  double lambda_rate(double t) const {
    diffx::detail::require_unit_time("diffx::process::vp::lambda_rate", t);
    return schedule_.log_alpha_rate(t) / -std::expm1(2.0 * schedule_.log_alpha(t));
  }

 private:
  static double log1p_exp(double x) noexcept {
    return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  }
  double lambda(double t) const noexcept {
    return -0.5 * std::log(std::expm1(-2.0 * schedule_.log_alpha(t)));
  }
  level make(double t, double lambda_value) const noexcept {
    double told = t;
    if constexpr (requires { schedule_.network_time(t); }) told = schedule_.network_time(t);
    return {t, 1.0 / std::sqrt(1.0 + std::exp(-2.0 * lambda_value)),
            1.0 / std::sqrt(1.0 + std::exp(2.0 * lambda_value)), lambda_value,
            told * timestep_scale_};
  }

  Schedule schedule_;
  double timestep_scale_;
};

static_assert(gaussian_process<vp<>>);

}  // namespace diffx::process
