#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace diffx::detail {

/// An ancestral step to s = sigma / alpha goes on deterministically to `down` s and adds noise of
/// deviation `up` s, where up^2 + down^2 = 1.
///
///     up = min(1, eta sqrt(1 - e^{-2h})),   h = lambda_to - lambda_from
struct ancestral {
  double down = 1.0;
  double up = 0.0;
};

inline ancestral split(double h, double eta) noexcept {
  double const fresh = -std::expm1(-2.0 * h);  // 1 at h = +inf
  double const variance = eta == 0.0 ? 0.0 : eta * eta * fresh;
  if (!(variance < 1.0)) return {0.0, 1.0};
  // 1 - variance, without cancellation at eta = 1.
  double const kept = (1.0 - eta * eta) + eta * eta * std::exp(-2.0 * h);
  return {std::sqrt(std::max(0.0, kept)), std::sqrt(variance)};
}

/// Checks what every ancestral solver is told.
template <class Context>
void require_ancestral(Context const& c, double eta, double s_noise, std::string_view where) {
  require(eta >= 0.0, where, "eta", eta, "at least 0");
  require(s_noise >= 0.0 && std::isfinite(s_noise), where, "s_noise", s_noise,
          "finite and at least 0");
  if (c.grid.inverts()) {
    fail(std::string(where) + ": cannot go from data to noise; it adds noise of its own");
  }
}

}  // namespace diffx::detail
