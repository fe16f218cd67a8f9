#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/unit_time.hpp>
#include <diffx/schedule/ve_geometric.hpp>

#include <cmath>
#include <string_view>

namespace diffx::process {

/// The variance-exploding diffusion: the data keeps its scale, the noise grows geometrically.
///
///     alpha = 1,    sigma = sigma_min (sigma_max / sigma_min)^t,    sigma(0) = 0
///
/// Source    Song et al. 2021, arXiv:2011.13456.
/// Units     sigma in data units; t in [0, 1]; timestep = sigma, what networks of score SDEs are
/// told. Errors    t or lambda out of range or NaN, or a bad schedule: throws diffx::error.
class ve {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::ve";
  static constexpr std::string_view source = "arXiv:2011.13456";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  explicit ve(schedule::ve_geometric schedule = {}) : schedule_(schedule) { schedule_.check(); }

  schedule::ve_geometric const& schedule() const noexcept { return schedule_; }
  double edm_sigma_min() const noexcept { return schedule_.sigma_min; }
  double edm_sigma_max() const noexcept { return schedule_.sigma_max; }

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::ve::at", t);
    double const sigma = schedule_.sigma(t);
    return make(t, sigma, -std::log(sigma));
  }

  level at_lambda(double lambda) const {
    double const sigma = std::exp(-lambda);
    double const t = diffx::detail::admitted_time(
        "diffx::process::ve::at_lambda", lambda, schedule_.time(sigma),
        -std::log(schedule_.sigma_max), -std::log(schedule_.sigma_min));
    return make(t, sigma, lambda);
  }

  /// d lambda / dt; sigma' = -sigma lambda'.
  double lambda_rate(double t) const {
    diffx::detail::require_unit_time("diffx::process::ve::lambda_rate", t);
    return -std::log(schedule_.sigma_max / schedule_.sigma_min);
  }

 private:
  static level make(double t, double sigma, double lambda) noexcept {
    return {t, 1.0, sigma, lambda, sigma};
  }

  schedule::ve_geometric schedule_;
};

static_assert(gaussian_process<ve>);

}  // namespace diffx::process
