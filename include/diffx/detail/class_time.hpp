#pragma once

#include <diffx/detail/unit_time.hpp>
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
    double const kept = 1.0 - moved;
    return {t, kept, moved, std::log(kept) - std::log(moved), t};
  }

  level at_lambda(double lambda, std::string_view where) const {
    double const moved = 1.0 / (1.0 + std::exp(lambda));
    double const end = schedule_.moved(1.0);
    double const t =
        admitted_time(where, lambda, schedule_.time(moved), std::log(1.0 - end) - std::log(end),
                      std::numeric_limits<double>::infinity());
    return {t, 1.0 / (1.0 + std::exp(-lambda)), moved, lambda, t};
  }

 private:
  Schedule schedule_;
};

}  // namespace diffx::detail
