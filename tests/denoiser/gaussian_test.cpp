#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/gaussian_mixture.hpp>

#include "support/denoise.hpp"
#include "support/levels.hpp"
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using diffx::denoiser::gaussian;

double const eps_double = std::numeric_limits<double>::epsilon();

TEST_CASE("gaussian: alpha x0 + sigma eps gives the state back") {
  gaussian const g(0.7, 0.6);
  for (double const lambda : {-9.0, -4.0, -1.0, 0.0, 1.5, 4.0, 9.0}) {
    diffx::level const at = test::vp(lambda);
    for (double const x : {-30.0, -1.7, -0.2, 0.0, 0.45, 2.5, 30.0}) {
      double const back = at.alpha * g.x0(x, at) + at.sigma * g.eps(x, at);
      // Three roundings in each of the two terms, and terms no larger than |x| + alpha |m|.
      CHECK(std::abs(back - x) <= 4 * eps_double * (std::abs(x) + at.alpha * 0.7));
    }
  }
}

TEST_CASE("gaussian: the score is the derivative of log p_t, and agrees with the mixture") {
  gaussian const g(0.7, 0.6);
  diffx::denoiser::gaussian_mixture const mixture({1.0}, {0.7}, {0.6});
  for (double const lambda : {-4.0, 0.0, 1.5}) {
    diffx::level const at = test::vp(lambda);
    for (double const x : {-1.7, 0.1, 2.5}) {
      // log p_t is quadratic, so the central difference has no truncation error, only
      // eps |log p| / h = 1e-15 / 1e-2.
      double const h = 1e-2;
      double const slope = (g.log_prob(x + h, at) - g.log_prob(x - h, at)) / (2 * h);
      CHECK(g.score(x, at) == doctest::Approx(slope).epsilon(1e-11));
      // The same closed form written in another order: a few roundings apart.
      CHECK(g.x0(x, at) == doctest::Approx(mixture.x0(x, at)).epsilon(1e-14));
      CHECK(g.log_prob(x, at) == doctest::Approx(mixture.log_prob(x, at)).epsilon(1e-14));
    }
  }
}

TEST_CASE("gaussian: the limits of no noise and no signal") {
  gaussian const g(0.7, 0.6);
  CHECK(g.x0(1.3, test::clean()) == doctest::Approx(1.3).epsilon(1e-15));
  CHECK(g.eps(1.3, test::clean()) == 0.0);
  diffx::level const noise{1.0, 0.0, 1.0, -std::numeric_limits<double>::infinity(), 1.0};
  CHECK(g.x0(1.3, noise) == 0.7);
  CHECK(g.eps(1.3, noise) == 1.3);
  CHECK(gaussian(0.7, 0.0).x0(1.3, test::clean()) == 0.7);
}

TEST_CASE("gaussian: the flow keeps the standardised state") {
  gaussian const g(0.7, 0.6);
  diffx::level const from = test::vp(-2.5), to = test::vp(2.5);
  double const y = g.flow_map(0.1, from, to);
  auto const standardised = [](double x, diffx::level const& at) {
    return (x - at.alpha * 0.7) / std::sqrt(at.alpha * at.alpha * 0.36 + at.sigma * at.sigma);
  };
  CHECK(standardised(y, to) == doctest::Approx(standardised(0.1, from)).epsilon(1e-14));
  CHECK(g.flow_map(y, to, from) == doctest::Approx(0.1).epsilon(1e-14));
}

TEST_CASE("gaussian: one law per feature, in both precisions") {
  gaussian const g(std::vector{0.7, -2.0}, std::vector{0.36, 4.0});
  diffx::level const at = test::vp(0.3);
  std::vector<double> const x{0.1, 0.2, 0.3, 0.4};
  auto const out = test::denoise(g, x, 2, at);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(out[i] == g.x0(x[i], at, static_cast<int>(i % 2)));
  }
  std::vector<float> const narrow(x.begin(), x.end());
  auto const out_float = test::denoise(g, narrow, 2, at);
  for (std::size_t i = 0; i < 4; ++i) {
    // One rounding of the input (slope below 1) and one of the output.
    CHECK(std::abs(static_cast<double>(out_float[i]) - out[i]) <= 2 * 6e-8 * 3.0);
  }
}

TEST_CASE("gaussian: bad arguments are refused by name") {
  CHECK_THROWS_AS(gaussian(std::vector<double>{}, {}), diffx::error);
  CHECK_THROWS_AS(gaussian(std::vector{0.0, 1.0}, std::vector{1.0}), diffx::error);
  CHECK_THROWS_AS(gaussian(std::vector{0.0}, std::vector{-1.0}), diffx::error);
  CHECK_THROWS_AS(gaussian(std::nan(""), 1.0), diffx::error);
  gaussian const two(std::vector{0.0, 1.0}, std::vector{1.0, 1.0});
  CHECK_THROWS_WITH_AS(test::denoise(two, std::vector{1.0, 2.0, 3.0}, 3, test::vp(0.0)),
                       doctest::Contains("x.features = 3"), diffx::error);
}

}  // namespace
