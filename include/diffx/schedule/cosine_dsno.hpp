#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::schedule {

/// The cosine schedule between two log SNRs, in closed form both ways.
///
///     log_snr(t) = -2 log tan(a t + b),    b = atan(e^{-max/2}),    a = atan(e^{-min/2}) - b
///     alpha = cos(a t + b),    sigma = sin(a t + b)
///
/// The clean end t = 0 keeps the noise sin(b), so at(0) of a process on it is not exact data.
///
/// Source    Salimans & Ho 2022, arXiv:2202.00512; used by Zheng et al. 2023 (DSNO),
///           arXiv:2211.13449.
/// Requires  log_snr_min < log_snr_max, both finite: checked by the process that owns it.
/// Errors    check() throws diffx::error.
struct cosine_dsno {
  double log_snr_min = -20.0;
  double log_snr_max = 20.0;

  static constexpr std::string_view name = "schedule::cosine_dsno";
  static constexpr std::string_view source = "arXiv:2202.00512";

  double log_alpha(double t) const noexcept {
    double const tangent = std::tan(angle(t));
    return -0.5 * std::log1p(tangent * tangent);
  }
  double log_alpha_rate(double t) const noexcept { return -span() * std::tan(angle(t)); }
  double time(double log_alpha) const noexcept {
    double const tangent = std::sqrt(std::expm1(-2.0 * log_alpha));
    return (std::atan(tangent) - offset()) / span();
  }
  void check() const {
    diffx::detail::require(std::isfinite(log_snr_min), "diffx::schedule::cosine_dsno",
                           "log_snr_min", log_snr_min, "finite");
    diffx::detail::require(std::isfinite(log_snr_max) && log_snr_max > log_snr_min,
                           "diffx::schedule::cosine_dsno", "log_snr_max", log_snr_max,
                           "finite and above log_snr_min");
  }

 private:
  double offset() const noexcept { return std::atan(std::exp(-0.5 * log_snr_max)); }
  double span() const noexcept { return std::atan(std::exp(-0.5 * log_snr_min)) - offset(); }
  double angle(double t) const noexcept { return span() * t + offset(); }
};

}  // namespace diffx::schedule
