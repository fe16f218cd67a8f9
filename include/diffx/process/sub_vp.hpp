#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/unit_time.hpp>
#include <diffx/schedule/vp_linear.hpp>

#include <cmath>
#include <string_view>

namespace diffx::process {

/// The sub-VP diffusion: the signal of the VP process with less noise.
///
///     alpha = e^L,    sigma = 1 - alpha^2,    L = log alpha(t)
///     back from lambda: with r = e^{-lambda}, L = -asinh(r / 2) and sigma = r alpha
///
/// Source    Song et al. 2021, arXiv:2011.13456.
/// Units     t in [0, 1], data at 0; timestep = t timestep_scale (999 for networks of score SDEs).
/// Errors    t or lambda out of range or NaN, or a bad schedule: throws diffx::error.
template <class Schedule = schedule::vp_linear>
class sub_vp {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::sub_vp";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  explicit sub_vp(Schedule schedule = {}, double timestep_scale = 1.0)
      : schedule_(schedule), timestep_scale_(timestep_scale) {
    schedule_.check();
    diffx::detail::require(std::isfinite(timestep_scale), "diffx::process::sub_vp",
                           "timestep_scale", timestep_scale, "finite");
  }

  Schedule const& schedule() const noexcept { return schedule_; }

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::sub_vp::at", t);
    double const l = schedule_.log_alpha(t);
    return {t, std::exp(l), -std::expm1(2.0 * l), lambda(t), told(t)};
  }

  level at_lambda(double lambda_value) const {
    double const r = std::exp(-lambda_value);
    double const l = -std::asinh(0.5 * r);
    double const t = diffx::detail::admitted_time("diffx::process::sub_vp::at_lambda", lambda_value,
                                                  schedule_.time(l), lambda(1.0), lambda(0.0));
    return {t, std::exp(l), r * std::exp(l), lambda_value, told(t)};
  }

 private:
  double lambda(double t) const noexcept {
    double const l = schedule_.log_alpha(t);
    return l - std::log(-std::expm1(2.0 * l));
  }
  double told(double t) const noexcept {
    if constexpr (requires { schedule_.network_time(t); }) t = schedule_.network_time(t);
    return t * timestep_scale_;
  }

  Schedule schedule_;
  double timestep_scale_;
};

static_assert(gaussian_process<sub_vp<>>);

}  // namespace diffx::process
