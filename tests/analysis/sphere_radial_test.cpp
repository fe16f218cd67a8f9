// analysis::sphere_radial: on a circle against the closed form, and draws against the table.

#include <diffx/analysis/sphere_radial.hpp>
#include <diffx/noise/counted.hpp>

#include "support/circle.hpp"
#include "support/statistics.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <numbers>
#include <vector>

namespace {

using namespace diffx;

TEST_CASE("sphere_radial: on a circle it is the Brownian bridge of the angle") {
  // The angle to the start has mean alpha pi / 4 and variance v = S alpha sigma, S = int beta.
  constexpr int samples = 1 << 13;
  auto const p = test::circle();
  analysis::sphere_radial const table(p, {500, samples, 4});
  double const total = p.schedule().to_come(1.0);
  for (double const t : {0.9, 0.5, 0.25, 0.1}) {
    level const at = p.at(t);
    double const variance = total * at.alpha * at.sigma;
    auto const law = table.at(t);
    // Six deviations of the mean, and 2 / steps for Euler's.
    double const slack = 6.0 * std::sqrt(variance / samples) + 4e-3;
    CHECK(std::fabs(std::asin(law.a) - at.alpha * test::circle_start) < slack);
    CHECK(std::fabs(law.rho * law.rho - variance) <
          6.0 * variance * std::sqrt(2.0 / samples) + 4e-3);
  }
  CHECK(table.at(1.0).a == 0.0);
  CHECK(table.at(1.0).rho == 0.0);
  CHECK(table.at(1.0).back == 1.0);
  CHECK(table.at(0.0).a == 1.0);
  CHECK(table.at(0.0).rho == 0.0);
}

TEST_CASE("sphere_radial: mean directions are unit vectors between start and vertex") {
  process::sphere_bridge<process::sphere_prior::initial> const p(4, {0.6}, {0.3, 0.5});
  analysis::sphere_radial const table(p, {100, 500, 2});
  auto const& law = p.law();
  std::vector<double> start(5, law.usual.token), zero(5, 0.0), x(5);
  start[4] = law.usual.mask;
  for (double const t : {1.0, 0.7, 0.3, 0.0}) {
    auto const normal = table.at(t);
    double const c = law.usual.token;
    CHECK(normal.forward * normal.forward + normal.back * normal.back +
              2.0 * c * normal.forward * normal.back ==
          doctest::Approx(1.0).epsilon(1e-12));
    analysis::sphere_radial::draw(normal, 5, 2, start.data(), zero.data(), x.data());
    CHECK(x[2] == doctest::Approx(normal.forward + normal.back * c).epsilon(1e-12));
    CHECK(x[4] == doctest::Approx(normal.back * start[4]).epsilon(1e-12));
  }
  CHECK(table.at(0.0).forward == doctest::Approx(1.0 / std::sqrt(1.0 - 0.15)));
}

// n = 20000: a mean 5 % of a deviation off is seen (power 0.99).
TEST_CASE("sphere_radial: draws have the mean cosine of their spread") {
  constexpr int n = 20'000, width = 5;
  analysis::sphere_normal const law{std::sin(0.4), 0.35, std::sin(0.4), std::cos(0.4)};
  std::vector<double> start(width, 0.0), x(width), xi(8);
  start[4] = 1.0;
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < n; ++i) {
    noise::counted{3}.fill({0, 0, 0, 0.0, 0.0}, i, 0, 8, xi.data());
    analysis::sphere_radial::draw(law, width, 1, start.data(), xi.data(), x.data());
    double const cosine = law.forward * x[1] + law.back * x[4];
    sum += cosine;
    squares += cosine * cosine;
  }
  double const mean = sphere::mean_cosine(width - 1, law.rho);
  double const variance = squares / n - sum / n * (sum / n);
  CHECK(test::passes("draws of a sphere_normal",
                     test::p_of_z(test::z_of_mean(sum / n, mean, variance, n))));
}

TEST_CASE("sphere_radial refuses what is none, with name, value and range") {
  schedule::bridge_geometric const s;
  using table = analysis::sphere_radial;
  CHECK_THROWS_WITH_AS(table(s, 0, 0.1), doctest::Contains("d = 0"), error);
  CHECK_THROWS_WITH_AS(table(s, 3, 1.0), doctest::Contains("c = 1"), error);
  CHECK_THROWS_WITH_AS(table(s, 3, 0.0, {1, 10}), doctest::Contains("steps = 1"), error);
  CHECK_THROWS_WITH_AS(table(s, 3, 0.0, {10, 0}), doctest::Contains("samples = 0"), error);
  CHECK_THROWS_WITH_AS(table(s, 3, 0.0, {10, 10}).at(1.5), doctest::Contains("t = 1.5"), error);
}

}  // namespace
