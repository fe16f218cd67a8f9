#include <diffx/detail/exp.hpp>

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

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

}  // namespace
