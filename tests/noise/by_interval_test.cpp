#include <diffx/noise/by_interval.hpp>

#include "../support/statistics.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

namespace noise = diffx::noise;
using noise::by_interval;

/// W(to) - W(from).
std::vector<double> increment(by_interval const& s, double from, double to, int n = 8,
                              noise::key k = {}, std::int64_t sample = 3) {
  std::vector<double> z(static_cast<std::size_t>(n));
  k.from = from;
  k.to = to;
  s.fill(k, sample, 0, n, z.data());
  double const scale = std::sqrt(s.rounded_length(from, to));
  for (double& v : z) v *= scale;
  return z;
}

TEST_CASE("increments of one path add up and reverse, whatever the queries") {
  by_interval const s(4, -1.0, 3.0, 24);
  constexpr double times[] = {-1.0, -0.999999, -0.3, 0.0, 1.0 / 3.0, 1.0, 2.5, 2.9999, 3.0};
  for (double const a : times) {
    for (double const b : times) {
      for (double const c : times) {
        if (a == b || b == c || a == c) continue;
        auto const ab = increment(s, a, b), bc = increment(s, b, c), ac = increment(s, a, c);
        auto const ba = increment(s, b, a);
        for (std::size_t e = 0; e < ab.size(); ++e) {
          REQUIRE(std::abs(ab[e] + bc[e] - ac[e]) < 1e-13);
          REQUIRE(ab[e] == -ba[e]);
        }
      }
    }
  }
  // Step and draw choose nothing; block, sample, seed and fork do.
  auto const one = increment(s, 0.0, 1.0);
  CHECK(one == increment(s, 0.0, 1.0, 8, {17, 3, 0}));
  CHECK(one != increment(s, 0.0, 1.0, 8, {0, 0, 1}));
  CHECK(one != increment(s, 0.0, 1.0, 8, {}, 4));
  CHECK(one != increment(by_interval(5, -1.0, 3.0, 24), 0.0, 1.0));
  CHECK(one != increment(s.fork(0), 0.0, 1.0));
  CHECK(increment(s.fork(0), 0.0, 1.0) != increment(s.fork(1), 0.0, 1.0));
}

TEST_CASE("a row filled in pieces equals the row filled whole, float is double rounded") {
  by_interval const s(6);
  noise::key const k{0, 0, 0, 0.75, 0.1};
  std::vector<double> whole(203), pieces(203);
  std::vector<float> narrow(203);
  s.fill(k, 1, 0, 203, whole.data());
  s.fill(k, 1, 0, 203, narrow.data());
  for (int cut = 0; cut <= 203; cut += 4) {
    s.fill(k, 1, 0, cut, pieces.data());
    s.fill(k, 1, cut, 203 - cut, pieces.data() + cut);
    REQUIRE(whole == pieces);
  }
  for (std::size_t e = 0; e < whole.size(); ++e) CHECK(narrow[e] == static_cast<float>(whole[e]));
}

TEST_CASE("variances and covariances of Brownian motion, n = 2^18, sees 2 % of a variance") {
  constexpr int rows = 1024, features = 256;
  double const n = double{rows} * features;
  by_interval const s(1, 0.0, 1.0, 10);
  // Neighbours across and beside the dyadic cuts, and one interval that holds others.
  constexpr double cuts[][2] = {{0.0, 0.5}, {0.5, 1.0},  {0.25, 0.375}, {0.1, 0.9},
                                {0.0, 1.0}, {0.4, 0.60}, {0.7, 0.1},    {0.5, 0.5009765625}};
  constexpr int count = 8;
  std::vector<double> sums(count * count), fourth(count * count);
  std::vector<double> z[count];
  for (int r = 0; r < rows; ++r) {
    for (int i = 0; i < count; ++i) {
      z[i].resize(features);
      s.fill({0, 0, 0, cuts[i][0], cuts[i][1]}, r, 0, features, z[i].data());
    }
    for (int i = 0; i < count; ++i) {
      for (int j = 0; j <= i; ++j) {
        double sum = 0.0;
        for (std::size_t e = 0; e < features; ++e) sum += z[i][e] * z[j][e];
        sums[static_cast<std::size_t>(i * count + j)] += sum;
      }
    }
  }
  auto const tick = [](double t) { return std::round(t * 1024.0) / 1024.0; };
  auto& registry = test::p_value_registry::instance();
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j <= i; ++j) {
      double const a = tick(cuts[i][0]), b = tick(cuts[i][1]);
      double const c = tick(cuts[j][0]), d = tick(cuts[j][1]);
      double const overlap = std::fmax(0.0, std::fmin(std::fmax(a, b), std::fmax(c, d)) -
                                                std::fmax(std::fmin(a, b), std::fmin(c, d)));
      double const sign = (b - a) * (d - c) > 0.0 ? 1.0 : -1.0;
      double const rho = sign * overlap / std::sqrt(std::abs((b - a) * (d - c)));
      double const mean = sums[static_cast<std::size_t>(i * count + j)] / n;
      CHECK(registry.add(
          "noise::by_interval covariance " + std::to_string(i) + ", " + std::to_string(j),
          test::p_of_z(test::z_of_mean(mean, rho, 1.0 + rho * rho, n))));
    }
  }
}

TEST_CASE("bad ranges and intervals are refused") {
  CHECK_THROWS_AS(by_interval(1, 1.0, 1.0), diffx::error);
  CHECK_THROWS_AS(by_interval(1, 0.0, INFINITY), diffx::error);
  CHECK_THROWS_AS(by_interval(1, 0.0, NAN), diffx::error);
  CHECK_THROWS_AS(by_interval(1, 0.0, 1.0, 0), diffx::error);
  CHECK_THROWS_AS(by_interval(1, 0.0, 1.0, 32), diffx::error);
  by_interval const s(1, 0.0, 1.0, 10);
  CHECK_THROWS_AS(increment(s, 0.5, 0.5), diffx::error);
  CHECK_THROWS_AS(increment(s, 0.5, 0.5001), diffx::error);
  CHECK_THROWS_AS(increment(s, -0.1, 0.5), diffx::error);
  CHECK_THROWS_AS(increment(s, 0.1, NAN), diffx::error);
  CHECK(by_interval(1, 0.0, 1.0, 31).rounded_length(0.0, 0x1p-31) == 0x1p-31);
}

}  // namespace
