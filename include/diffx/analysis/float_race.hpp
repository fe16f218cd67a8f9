#pragma once

#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::analysis {

/// How often a masked position leaves its mask in a sampler that races all classes against "stay"
/// with uniforms of 24 bits (Gumbel or exponential variates from float numbers), where it should
/// with probability `intended`, over a flat law of `classes`; to first order in it.
///
///     classes 2^-24 E[floor(2^24 r E)],   r = intended / ((1 - intended) classes),  E ~ Exp(1)
///
/// A class whose rate is below what a last bit can say hardly ever wins. Two draws, first whether
/// and then which class, have no such deficit: that is how every solver here draws.
///
/// Source    Zheng et al. 2024, arXiv:2409.02908.
/// Errors    classes < 1, intended outside (0, 1): throws diffx::error.
inline double float_race_probability(double classes, double intended) {
  constexpr std::string_view where = "diffx::analysis::float_race_probability";
  detail::require(classes >= 1.0, where, "classes", classes, "at least 1");
  detail::require(intended > 0.0 && intended < 1.0, where, "intended", intended, "in (0, 1)");
  double const expected = 0x1p24 * intended / ((1.0 - intended) * classes);
  // E[floor(k E)] = sum over n >= 1 of exp(-n / k)
  return classes * 0x1p-24 / std::expm1(1.0 / expected);
}

}  // namespace diffx::analysis
