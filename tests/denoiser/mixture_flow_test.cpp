#include <diffx/denoiser/gaussian.hpp>
#include <diffx/denoiser/mixture_flow.hpp>

#include "support/levels.hpp"
#include "support/oracles.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::denoiser::flow_map;

TEST_CASE("mixture_flow: log of the normal distribution function, also where it underflows") {
  CHECK(diffx::denoiser::log_normal_cdf(0.0) == doctest::Approx(std::log(0.5)).epsilon(1e-15));
  // Both forms at the seam: the series' first neglected term is 3e-16, erfc is good to a few ulp.
  double const below = diffx::denoiser::log_normal_cdf(std::nextafter(-30.0, -31.0));
  double const above = diffx::denoiser::log_normal_cdf(std::nextafter(-30.0, 0.0));
  CHECK(std::abs(below - above) <= 1e-12);
  CHECK(std::isfinite(diffx::denoiser::log_normal_cdf(-1e6)));
}

TEST_CASE("mixture_flow: a single component follows the closed form") {
  diffx::denoiser::gaussian_mixture const m({1.0}, {0.7}, {0.6});
  diffx::denoiser::gaussian const g(0.7, 0.6);
  for (double const x : {-30.0, -2.1, 0.1, 0.9, 12.0}) {
    for (auto const& [from, to] :
         {std::pair{test::vp(-2.5), test::vp(2.5)}, std::pair{test::vp(-4.0), test::clean()},
          std::pair{test::vp(2.0), test::vp(-2.0)}}) {
      // d x / d log F = F / p is below 1 sd in either tail, and log F is right to a few ulp.
      CHECK(flow_map(m, x, from, to) == doctest::Approx(g.flow_map(x, from, to)).epsilon(1e-12));
    }
  }
}

TEST_CASE("mixture_flow: there and back again, and its speed is the probability-flow ODE's") {
  auto const a = test::mixture_a();
  for (double const x : {-2.1, -1.5, -0.45, 0.1, 0.9, 2.0}) {
    double const cleaner = flow_map(a, x, test::vp(-1.0), test::vp(1.0));
    // Between the modes p is down to 1e-2, so the quantile is that much less certain: 1e-12.
    CHECK(flow_map(a, cleaner, test::vp(1.0), test::vp(-1.0)) == doctest::Approx(x).epsilon(1e-12));

    // dx / dlambda = alpha' D + sigma' E with alpha' = alpha sigma^2, sigma' = -sigma alpha^2
    // (variance preserving). Fourth-order difference: h^4 times a fifth derivative of order 1e2,
    // and 1e-13 / h for the bisection.
    diffx::level const at = test::vp(0.2);
    double const h = 2e-3;
    auto const moved = [&](int k) { return flow_map(a, x, at, test::vp(0.2 + k * h)); };
    double const speed = (8.0 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12.0 * h);
    double const expected = at.alpha * at.sigma * at.sigma * a.x0(x, at) -
                            at.sigma * at.alpha * at.alpha * a.eps(x, at);
    CHECK(std::abs(speed - expected) <= 1e-9);
  }
}

TEST_CASE("mixture_flow: values of the oracle file") {
  auto const oracles = test::load_oracles();
  for (auto const& row : oracles.at("flow_map_1d").at("rows")) {
    auto const m = test::mixture_1d(oracles.at("mixtures_1d").at(row[0].get<std::string>()));
    auto const to = row[2].is_null() ? test::clean() : test::vp(row[2].get<double>());
    double const expected = row[4].get<double>();
    double const found = flow_map(m, row[3].get<double>(), test::vp(row[1].get<double>()), to);
    CHECK(std::abs(found - expected) <= 1e-12 * std::max(1.0, std::abs(expected)));
  }
}

TEST_CASE("mixture_flow: what has no answer is refused") {
  diffx::denoiser::gaussian_mixture const points({0.5, 0.5}, {-1.0, 1.0}, {0.0, 0.0});
  CHECK_THROWS_AS(flow_map(points, 0.1, test::vp(0.0), test::clean()), diffx::error);
  CHECK_THROWS_AS(flow_map(test::mixture_a(), std::nan(""), test::vp(0.0), test::vp(1.0)),
                  diffx::error);
}

}  // namespace
