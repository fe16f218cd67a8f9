#pragma once

#include <diffx/detail/unit_time.hpp>
#include <diffx/schedule/class_rates.hpp>
#include <diffx/step.hpp>

#include <cmath>
#include <limits>
#include <string_view>

namespace diffx::detail {

/// The clock of a process that replaces classes: alpha = 1 - moved(t), the probability that a
/// position still carries its data class; sigma = moved(t); lambda = log(alpha / sigma).
template <class Schedule>
class class_time {
 public:
  explicit class_time(Schedule const& schedule) : schedule_(schedule) { schedule_.check(); }

  Schedule const& schedule() const noexcept { return schedule_; }

  level at(double t, std::string_view where) const {
    require_unit_time(where, t);
    double const moved = schedule_.moved(t);
    double const kept = schedule::kept_at(schedule_, t);
    return {t, kept, moved, std::log(kept) - std::log(moved), t};
  }

  level at_lambda(double lambda, std::string_view where) const {
    double const moved = 1.0 / (1.0 + std::exp(lambda));
    double const t = admitted_time(where, lambda, time_of(lambda, moved), at(1.0, where).lambda,
                                   std::numeric_limits<double>::infinity());
    return {t, 1.0 / (1.0 + std::exp(-lambda)), moved, lambda, t};
  }

 private:
  double time_of(double lambda, double moved) const {
    if constexpr (requires { schedule_.time_of_total(0.0); }) {
      // -log alpha keeps its digits where 1 - alpha is all but 1.
      return schedule_.time_of_total(lambda < 0.0 ? std::log1p(std::exp(lambda)) - lambda
                                                  : std::log1p(std::exp(-lambda)));
    } else {
      return schedule_.time(moved);
    }
  }

  Schedule schedule_;
};

}  // namespace diffx::detail
