#include "support/statistics.hpp"

#include "support/order.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

TEST_CASE("statistics: chi-square tails against closed forms") {
  // Two degrees: exp(-x / 2). One degree: erfc(sqrt(x / 2)). Four: (1 + x / 2) exp(-x / 2). The
  // rounding of exp and lgamma is about 1e-14 relative here.
  for (double const x : {0.1, 1.0, 5.0, 20.0, 60.0}) {
    CHECK(test::p_of_chi_square(x, 2) == doctest::Approx(std::exp(-x / 2)).epsilon(1e-13));
    CHECK(test::p_of_chi_square(x, 1) ==
          doctest::Approx(test::p_of_z(std::sqrt(x))).epsilon(1e-12));
    CHECK(test::p_of_chi_square(x, 4) ==
          doctest::Approx((1 + x / 2) * std::exp(-x / 2)).epsilon(1e-13));
  }
  // Many degrees: the Wilson-Hilferty cube root is good to a few per cent in the tail.
  double const k = 1023, x = 1250;
  double const z = (std::cbrt(x / k) - (1 - 2 / (9 * k))) / std::sqrt(2 / (9 * k));
  CHECK(test::p_of_chi_square(x, k) == doctest::Approx(0.5 * test::p_of_z(z)).epsilon(0.03));
}

TEST_CASE("statistics: the exact binomial tail") {
  // n = 3, p = 1/2: P(X >= 3) = 1/8, two-sided 1/4; the middle is capped at 1.
  CHECK(test::p_of_binomial(3, 3, 0.5) == doctest::Approx(0.25).epsilon(1e-13));
  CHECK(test::p_of_binomial(2, 4, 0.5) == 1.0);
  // Poisson limit: 0 of 1e6 at p = 2e-5 has probability (1 - p)^n.
  CHECK(test::p_of_binomial(0, 1000000, 2e-5) ==
        doctest::Approx(2 * std::exp(1e6 * std::log1p(-2e-5))).epsilon(1e-9));
  CHECK(test::p_of_binomial(0, 10, 0.0) == 1.0);
  CHECK(test::p_of_binomial(1, 10, 0.0) == 0.0);
}

TEST_CASE("statistics: cells") {
  std::vector<double> const probability{0.25, 0.25, 0.5, 0.0};
  std::vector<std::int64_t> fair{2500, 2500, 5000, 0};
  CHECK(test::test_cells(fair, probability).p == doctest::Approx(1.0));
  CHECK(test::test_cells(fair, probability).degrees == 2);
  std::vector<std::int64_t> const unfair{2900, 2100, 5000, 0};
  // 160000 / 2500 twice: 128 with two degrees.
  CHECK(test::test_cells(unfair, probability).statistic == doctest::Approx(128.0));
  CHECK(test::test_cells(unfair, probability).p < test::significance);
  fair[3] = 1;
  CHECK(test::test_cells(fair, probability).p == 0.0);  // impossible is not unlikely
  // A rare cell is judged by its exact tail: 40 where 1 is expected.
  std::vector<double> const rare{0.9999, 0.0001};
  CHECK(test::test_cells(std::vector<std::int64_t>{9960, 40}, rare).p < 1e-40);
  CHECK(test::test_cells(std::vector<std::int64_t>{9998, 2}, rare).p > 0.1);
  CHECK_THROWS(test::test_cells(fair, std::vector{0.5, 0.5}));
}

TEST_CASE("statistics: Kolmogorov and Smirnov") {
  // The 5 % and 1 % points of the limit law are 1.3581 and 1.6276.
  CHECK(test::p_of_ks(1.3581 / 1e4, 1e8) == doctest::Approx(0.05).epsilon(2e-3));
  CHECK(test::p_of_ks(1.6276 / 1e4, 1e8) == doctest::Approx(0.01).epsilon(2e-3));
  std::vector<double> sample{0.9, 0.1, 0.5};
  CHECK(test::ks_distance(sample, [](double x) { return x; }) == doctest::Approx(0.7 / 3));
}

TEST_CASE("statistics: z") {
  CHECK(test::z_of_mean(0.01, 0.0, 1.0, 1e4) == doctest::Approx(1.0));
  CHECK(test::z_of_variance(1.01, 1.0, 2e4) == doctest::Approx(1.0));
  CHECK(test::p_of_z(4.891638475699) == doctest::Approx(1e-6).epsilon(1e-6));
}

TEST_CASE("order: a known power is found, and a mixed one is not accepted") {
  auto const second = test::measure_order([](int n) { return 3.0 / (double(n) * n); });
  CHECK(second.fitted == doctest::Approx(2.0).epsilon(1e-12));
  CHECK(second.last == doctest::Approx(2.0).epsilon(1e-12));
  CHECK(second.has_order(2));
  CHECK_FALSE(second.has_order(1));
  auto const mixed = test::measure_order([](int n) { return 1e-3 / n + 3.0 / (double(n) * n); });
  CHECK_FALSE(mixed.has_order(2));
  // Rounding is not an order.
  CHECK_FALSE(test::measure_order([](int n) { return 1e-9 / (double(n) * n); }).has_order(2));
}

}  // namespace
