#include <diffx/denoiser/empirical.hpp>
#include <diffx/denoiser/gaussian_mixture.hpp>

#include "support/denoise.hpp"
#include "support/levels.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using diffx::denoiser::empirical;

std::vector<double> const data{0.3, -1.2, 2.0, 0.4, -0.9, 0.8};  // [3, 2]

TEST_CASE("empirical: one data point is returned exactly, wherever the state is") {
  empirical const one({0.3, -1.2}, 2);
  for (auto const& at : {test::vp(-9.0), test::vp(0.0), test::vp(9.0), test::clean()}) {
    for (double const x : {-30.0, 0.0, 30.0}) {
      CHECK(test::denoise(one, std::vector{x, x}, 2, at) == std::vector{0.3, -1.2});
    }
  }
}

TEST_CASE("empirical: equal points count as one, and a point between two is their mean") {
  empirical const twins({0.3, -1.2, 0.3, -1.2}, 2);
  CHECK(test::denoise(twins, std::vector{5.0, 5.0}, 2, test::vp(1.0)) == std::vector{0.3, -1.2});
  empirical const pair({-1.0, 1.0}, 1);
  for (auto const& at : {test::vp(-4.0), test::vp(4.0), test::clean()}) {
    CHECK(test::denoise(pair, std::vector{0.0}, 1, at)[0] == 0.0);
  }
  // Two points +-1: x0 = tanh(alpha x / sigma^2), the textbook case.
  diffx::level const at = test::vp(0.4);
  double const expected = std::tanh(at.alpha * 0.7 / (at.sigma * at.sigma));
  CHECK(test::denoise(pair, std::vector{0.7}, 1, at)[0] ==
        doctest::Approx(expected).epsilon(1e-15));
}

TEST_CASE("empirical: it is the mixture of points") {
  empirical const e(data, 2);
  std::vector<double> const none(4, 0.0);
  diffx::denoiser::gaussian_mixture const m(
      {{1.0, {0.3, -1.2}, none}, {1.0, {2.0, 0.4}, none}, {1.0, {-0.9, 0.8}, none}});
  for (double const lambda : {-4.0, 0.0, 1.0, 4.0}) {
    diffx::level const at = test::vp(lambda);
    std::vector<double> const x{0.5, -0.4, -0.2, 0.1};
    auto const a = test::denoise(e, x, 2, at);
    auto const b = test::denoise(m, x, 2, at);
    // exp of a rounded exponent: up to 1 / sigma^2 = 3e3 ulp of the weights at lambda = 4.
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-12);
  }
}

TEST_CASE("empirical: the limits") {
  empirical const e(data, 2);
  // No noise: the nearest row, here the second.
  CHECK(test::denoise(e, std::vector{1.5, 0.2}, 2, test::clean()) == std::vector{2.0, 0.4});
  // No signal: the mean of the data.
  diffx::level const noise{1.0, 0.0, 1.0, -1.0 / 0.0, 1.0};
  auto const mean = test::denoise(e, std::vector{1.5, 0.2}, 2, noise);
  CHECK(mean[0] == doctest::Approx((0.3 + 2.0 - 0.9) / 3).epsilon(1e-15));
  CHECK(mean[1] == doctest::Approx((-1.2 + 0.4 + 0.8) / 3).epsilon(1e-15));
  // Far out, at tiny noise: finite, a row.
  diffx::level const sharp = test::vp(12.0);
  CHECK(test::denoise(e, std::vector{30.0, 30.0}, 2, sharp) == std::vector{2.0, 0.4});
  // A state that is not a number is not hidden.
  double const nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(test::denoise(e, std::vector{nan, 0.0}, 2, sharp)[0]));
}

TEST_CASE("empirical: the condition uses its class alone") {
  empirical const e = empirical(data, 2, {5, 5, 6}).for_classes({6, 5});
  diffx::level const at = test::vp(0.1);
  std::vector<double> const x{0.5, -0.4, 0.5, -0.4};
  auto const condition = test::denoise(e, x, 2, at, 0);
  CHECK(condition[0] == -0.9);
  CHECK(condition[1] == 0.8);
  auto const fives = test::denoise(empirical({0.3, -1.2, 2.0, 0.4}, 2), x, 2, at);
  CHECK(condition[2] == fives[2]);
  CHECK(test::denoise(e, x, 2, at, 1) == test::denoise(empirical(data, 2), x, 2, at));
}

TEST_CASE("empirical: float states are computed in double") {
  empirical const e(data, 2);
  std::vector<double> const x{0.5, -0.25};  // exact in float
  auto const wide = test::denoise(e, x, 2, test::vp(0.7));
  auto const narrow = test::denoise(e, std::vector<float>(x.begin(), x.end()), 2, test::vp(0.7));
  for (std::size_t i = 0; i < 2; ++i) CHECK(narrow[i] == static_cast<float>(wide[i]));
}

TEST_CASE("empirical: bad arguments are refused by name") {
  CHECK_THROWS_AS(empirical({}, 1), diffx::error);
  CHECK_THROWS_AS(empirical({1.0, 2.0, 3.0}, 2), diffx::error);
  CHECK_THROWS_AS(empirical({1.0}, 0), diffx::error);
  CHECK_THROWS_AS(empirical({std::nan("")}, 1), diffx::error);
  CHECK_THROWS_AS(empirical({1.0, 2.0}, 1, {0}), diffx::error);
  CHECK_THROWS_AS(empirical(data, 2).for_classes({0}), diffx::error);
  CHECK_THROWS_AS(test::denoise(empirical(data, 2), std::vector{1.0}, 1, test::vp(0.0)),
                  diffx::error);
}

}  // namespace
