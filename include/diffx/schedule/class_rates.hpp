#pragma once

#include <cmath>

// The rates of a schedule of classes, from its moved(t) = 1 - alpha and slope(t) = -d alpha / dt.

namespace diffx::schedule {

/// alpha, without the digits that 1 - moved(t) loses where a schedule has a better form.
template <class Schedule>
double kept_at(Schedule const& s, double t) {
  if constexpr (requires { s.kept(t); }) {
    return s.kept(t);
  } else {
    return 1.0 - s.moved(t);
  }
}

/// The total noise -log alpha.
template <class Schedule>
double total_noise(Schedule const& s, double t) {
  if constexpr (requires { s.total(t); }) {
    return s.total(t);
  } else {
    double const moved = s.moved(t);
    return moved < 0.5 ? -std::log1p(-moved) : -std::log(kept_at(s, t));
  }
}

/// Its rate, d(-log alpha) / dt: how often a position that still has its class loses it.
template <class Schedule>
double noise_rate(Schedule const& s, double t) {
  return s.slope(t) / kept_at(s, t);
}

/// (-d alpha / dt) / (1 - alpha): the weight of the cross-entropy of a masked position in the bound
/// on the likelihood, and the rate at which a masked position shows its class in reverse.
template <class Schedule>
double masked_weight(Schedule const& s, double t) {
  return s.slope(t) / s.moved(t);
}

}  // namespace diffx::schedule
