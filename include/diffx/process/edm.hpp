#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/detail/unit_time.hpp>
#include <diffx/schedule/edm.hpp>

#include <cmath>
#include <limits>
#include <string_view>

namespace diffx::process {

/// The process of EDM: the data keeps its scale, the noise level is the time.
///
///     alpha = 1,    sigma = sigma_max t,    timestep = log(sigma) / 4  (c_noise)
///
/// At sigma = 0, where no network is asked, timestep is that of the smallest positive number.
/// edm_of<schedule::sigma_power> has another clock, for rows of numbers and classes of one time.
///
/// Source    Karras et al. 2022, arXiv:2206.00364, Table 1.
/// Units     sigma in data units; t in [0, 1], so that t = 1 is sigma_max.
/// Errors    t or lambda out of range or NaN, or a bad schedule: throws diffx::error.
template <class Schedule = schedule::edm>
class edm_of {
 public:
  using kind = process_tag;
  static constexpr std::string_view name = "process::edm";
  static constexpr std::string_view source = "arXiv:2206.00364";
  static constexpr value_kind values = value_kind::continuous;
  static constexpr bool zero_terminal_snr = false;

  explicit edm_of(Schedule schedule = {}) : schedule_(schedule) { schedule_.check(); }

  Schedule const& schedule() const noexcept { return schedule_; }
  double edm_sigma_min() const noexcept { return schedule_.sigma_min; }
  double edm_sigma_max() const noexcept { return schedule_.sigma_max; }

  level at(double t) const {
    diffx::detail::require_unit_time("diffx::process::edm::at", t);
    double const sigma = schedule_.sigma(t);
    return make(t, sigma, -std::log(sigma));
  }

  level at_lambda(double lambda) const {
    double const sigma = std::exp(-lambda);
    double const t = diffx::detail::admitted_time(
        "diffx::process::edm::at_lambda", lambda, schedule_.time(sigma),
        -std::log(schedule_.sigma_max), -std::log(schedule_.least()));
    return make(t, sigma, lambda);
  }

 private:
  static level make(double t, double sigma, double lambda) noexcept {
    return {t, 1.0, sigma, lambda,
            0.25 * std::log(std::fmax(sigma, std::numeric_limits<double>::min()))};
  }

  Schedule schedule_;
};

using edm = edm_of<>;

static_assert(gaussian_process<edm>);

}  // namespace diffx::process
