#pragma once

#include <diffx/detail/unit_time.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace diffx::detail {

/// The clock of a chain of T trained steps: t = k / T, k = 0 being the data. Times between have no
/// law.
class chain_time {
 public:
  explicit chain_time(int steps) : steps_(steps) {}

  int steps() const noexcept { return steps_; }

  int step(double t, std::string_view where) const {
    require_unit_time(where, t);
    double const k = std::round(t * steps_);
    // Grids come to k / T with a rounding or two.
    require(std::fabs(t * steps_ - k) < 1e-6, where, "t", t,
            "a multiple of 1 / " + text(steps_) + ": the chain has no law between its steps");
    return static_cast<int>(k);
  }

 private:
  int steps_;
};

}  // namespace diffx::detail
