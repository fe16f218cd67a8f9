#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace diffx::analysis {

/// Self-normalised importance weights of candidates that were drawn from the proposal:
///
///     w_j = exp(-E_j / T) / sum_i exp(-E_i / T)
///
/// A constant added to all energies changes nothing; T -> infinity makes them equal. The largest is
/// taken out before the exponential, so sums over thousands of tokens do. An energy of +inf gives
/// the weight 0.
///
/// Source    Xu et al. 2024, arXiv:2410.21357. (Its released sampler has the sign of E reversed.)
/// Errors    T <= 0 or not finite, spans of different lengths or of none, an energy of NaN or -inf,
///           or nothing but +inf: throws diffx::error.
inline void importance_weights(std::span<double const> energies, double temperature,
                               std::span<double> weights) {
  constexpr auto where = "diffx::analysis::importance_weights";
  constexpr double infinity = std::numeric_limits<double>::infinity();
  detail::require(temperature > 0.0 && temperature < infinity, where, "temperature", temperature,
                  "above 0 and finite");
  detail::require(!energies.empty() && weights.size() == energies.size(), where, "weights.size()",
                  static_cast<long long>(weights.size()), "that of energies, and at least 1");
  double least = infinity;
  for (double const e : energies) {
    detail::require(e > -infinity, where, "an energy", e, "above -inf");  // nor NaN
    least = e < least ? e : least;
  }
  detail::require(least < infinity, where, "the least energy", least, "finite");
  double total = 0.0;
  for (std::size_t j = 0; j < energies.size(); ++j) {
    total += weights[j] = std::exp((least - energies[j]) / temperature);
  }
  for (double& w : weights) w /= total;
}

/// How many equally weighted draws these weights are worth: 1 / sum w^2, for weights of sum 1.
inline double effective_sample_size(std::span<double const> weights) noexcept {
  double squares = 0.0;
  for (double const w : weights) squares += w * w;
  return 1.0 / squares;
}

}  // namespace diffx::analysis
