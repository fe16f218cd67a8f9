#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace diffx::detail {

inline void require_unit_time(std::string_view where, double t) {
  require(t >= 0.0 && t <= 1.0, where, "t", t, "in [0, 1]");
}

/// The time that an inverse found for lambda. The last digits lost on the way through exp and log
/// are forgiven; anything more is refused with the range of lambda the process has.
inline double admitted_time(std::string_view where, double lambda, double t, double lambda_noise,
                            double lambda_data) {
  double constexpr slack = 1e-9;
  require(t >= -slack && t <= 1.0 + slack, where, "lambda", lambda,
          "in [" + text(lambda_noise) + ", " + text(lambda_data) + "]");
  return t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
}

}  // namespace diffx::detail
