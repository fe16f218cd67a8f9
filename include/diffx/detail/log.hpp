#pragma once

#include <diffx/config.hpp>
#include <diffx/random.hpp>

namespace diffx::detail {

/// ln x without libm, for normal x > 0; relatively within 5e-16. No branch and no conversion, so
/// that loops over it vectorise.
[[gnu::always_inline]] DIFFX_HD inline double log(double x) noexcept {
  using B = random::detail::bits<double>;
  using W = B::word;
  constexpr W mantissa_mask = (W{1} << B::mantissa) - 1;
  // x = 2^e m with m within a factor sqrt(2) of 1; ln m = 2 atanh((m - 1) / (m + 1)).
  W const shifted = random::detail::to_word(x) - B::half_root;
  double const e = random::detail::exponent_of<double>(shifted);
  double const m = random::detail::from_word<double>((shifted & mantissa_mask) + B::half_root);
  double const s = (m - 1.0) / (m + 1.0);
  double const minus_two_ln_m =
      s * random::detail::horner<random::detail::log_table<double>>(s * s);
  return fma(e, 0.693147180559945309417, -0.5 * minus_two_ln_m);
}

}  // namespace diffx::detail
