#include <diffx/detail/log.hpp>

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>

TEST_CASE("log: the value within the stated error, from the smallest normal number up") {
  double worst = 0.0;
  auto const look = [&](double x) {
    double const want = std::log(x);
    double const off = std::abs(diffx::detail::log(x) - want);
    worst = std::max(worst, off / std::max(std::abs(want), 1e-300));
  };
  for (int i = 1; i <= 2'000'000; ++i) look(i * 1e-6);
  for (int e = -1022; e <= 1023; ++e) {
    for (double const m : {1.0, 1.3, 1.4142135, 1.41422, 1.9999999}) look(std::ldexp(m, e));
  }
  for (int i = 1; i <= 1000; ++i) {  // near 1 the value is small, and still relatively right
    look(1.0 + i * 0x1p-52);
    look(1.0 - i * 0x1p-53);
  }
  look(std::numeric_limits<double>::max());
  look(std::numeric_limits<double>::min());
  CHECK(worst < 5e-16);
  CHECK(diffx::detail::log(1.0) == 0.0);
}
