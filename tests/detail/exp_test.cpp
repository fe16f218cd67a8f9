#include <diffx/detail/exp.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>

namespace {

TEST_CASE("exp: the value within the stated error, its ends beyond, NaN through") {
  double worst_float = 0.0, worst_double = 0.0;
  for (int i = -830000; i <= 830000; ++i) {
    double const x = i * 1e-4;
    auto const narrow = static_cast<float>(x);
    worst_float = std::max(worst_float, std::abs(static_cast<double>(diffx::detail::exp(narrow)) /
                                                     std::exp(static_cast<double>(narrow)) -
                                                 1.0));
    worst_double = std::max(worst_double, std::abs(diffx::detail::exp(x) / std::exp(x) - 1.0));
  }
  CHECK(worst_float < 2e-7);
  CHECK(worst_double < 1e-15);
  CHECK(diffx::detail::exp(0.0f) == 1.0f);
  CHECK(diffx::detail::exp(0.0) == 1.0);
  for (float const x : {-1e30f, -84.0f, -HUGE_VALF}) {
    CHECK(diffx::detail::exp(x) == doctest::Approx(std::exp(-83.17)).epsilon(1e-3));
  }
  for (float const x : {1e30f, 84.0f, HUGE_VALF}) {
    CHECK(diffx::detail::exp(x) == doctest::Approx(std::exp(83.17)).epsilon(1e-3));
  }
  CHECK(std::isnan(diffx::detail::exp(std::nanf(""))));
  CHECK(std::isnan(diffx::detail::exp(std::nan(""))));
}

template <class T, class Word>
void check_weight(double bound, Word nan_payload) {
  double worst = 0.0;
  for (int i = -831000; i <= 0; ++i) {
    auto const x = static_cast<T>(i * 1e-4);
    double const exact = std::exp(static_cast<double>(x));
    double const error = std::abs(static_cast<double>(diffx::detail::exp_weight(x)) / exact - 1.0);
    worst = std::max(worst, error / (1.0 - static_cast<double>(x)));
  }
  CHECK(worst < bound);
  CHECK(worst > 0.0);
  CHECK(diffx::detail::exp_weight(T(0)) == T(1));
  for (T const x : {T(-84), T(-1e30), -std::numeric_limits<T>::infinity()}) {
    CHECK(diffx::detail::exp_weight(x) == T(0));
  }
  // Any NaN, whatever its last digits are: they reach the exponent.
  for (Word const payload : {Word{0}, Word{1}, Word{0x155}, nan_payload}) {
    T const nan = diffx::random::detail::from_word<T>(
        diffx::random::detail::to_word(std::numeric_limits<T>::quiet_NaN()) | payload);
    CHECK(std::isnan(diffx::detail::exp_weight(nan)));
    CHECK(std::isnan(diffx::detail::exp_weight(-nan)));
  }
}

TEST_CASE("exp_weight: the value within the stated error, 0 far below, NaN through") {
  check_weight<float>(2e-7, std::uint32_t{0x3fffff});
  check_weight<double>(1e-15, std::uint64_t{0x7ffffffffffff});
}

}  // namespace
