// Maps of the sphere against their own definitions, and the mean cosine against closed forms and
// quadrature.

#include <diffx/error.hpp>
#include <diffx/random.hpp>
#include <diffx/state/sphere.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <numbers>
#include <vector>

namespace {

namespace sphere = diffx::sphere;
using numbers = std::vector<double>;

double dot(numbers const& a, numbers const& b) {
  double sum = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

numbers normals(int n, std::uint32_t which) {
  numbers out;
  for (std::uint32_t g = 0; out.size() < static_cast<std::size_t>(n); ++g) {
    double z[4];
    diffx::random::normals(
        diffx::random::philox4x32({{g, which, 0, 0}}, diffx::random::key_from_seed(3)), z);
    out.insert(out.end(), z, z + 4);
  }
  out.resize(static_cast<std::size_t>(n));
  return out;
}
numbers point(int n, std::uint32_t which) {
  auto x = normals(n, which);
  double const length = std::sqrt(dot(x, x));
  for (double& v : x) v /= length;
  return x;
}

TEST_CASE("sphere: log and exp undo one another, and stay where they belong") {
  for (int const n : {2, 3, 5, 28, 300}) {
    CAPTURE(n);
    for (std::uint32_t i = 0; i < 20; ++i) {
      auto const x = point(n, 2 * i), y = point(n, 2 * i + 1);
      numbers v(x.size()), back(x.size());
      sphere::log_map(n, x.data(), y.data(), v.data());
      CHECK(std::fabs(dot(v, x)) < 1e-14);
      CHECK(std::sqrt(dot(v, v)) == doctest::Approx(std::acos(dot(x, y))).epsilon(1e-12));
      sphere::exp_map(n, x.data(), v.data(), back.data());
      CHECK(std::fabs(dot(back, back) - 1.0) < 1e-14);
      for (std::size_t k = 0; k < back.size(); ++k) CHECK(std::fabs(back[k] - y[k]) < 1e-12);
      // Only what is tangent counts, and a point that lost its norm gets it back.
      numbers far = v, shrunk = x;
      for (std::size_t k = 0; k < far.size(); ++k) {
        far[k] += 0.7 * x[k];
        shrunk[k] *= 0.99;
      }
      sphere::exp_map(n, shrunk.data(), far.data(), far.data());
      for (std::size_t k = 0; k < far.size(); ++k) CHECK(std::fabs(far[k] - y[k]) < 1e-12);
      auto w = normals(n, 900 + i);
      sphere::to_tangent(n, x.data(), w.data());
      CHECK(std::fabs(dot(w, x)) < 1e-13);
    }
  }
}

TEST_CASE("sphere: near and opposite points") {
  CHECK(sphere::log_factor(1.0) == 1.0);
  CHECK(sphere::log_factor(1.0f) == 1.0f);
  CHECK(sphere::log_factor(1.5) == 1.0);
  for (double const theta : {1e-9, 1e-7, 1e-4, 0.3, 1.5, 3.0}) {
    // cos(theta) keeps theta to 1e-16 / theta^2 only: what the factor makes of that is harmless.
    CHECK(sphere::log_factor(std::cos(theta)) ==
          doctest::Approx(theta / std::sin(theta)).epsilon(1e-12));
  }
  CHECK(std::isfinite(sphere::log_factor(-1.0)));
  CHECK(std::isfinite(sphere::log_factor(-1.0f)));
  numbers const x{1.0, 0.0}, y{-1.0, 0.0};
  numbers v(2);
  sphere::log_map(2, x.data(), y.data(), v.data());
  CHECK(dot(v, v) < 1e-20);  // no direction there
  sphere::log_map(2, x.data(), x.data(), v.data());
  CHECK(dot(v, v) == 0.0);
}

TEST_CASE("sphere: the mean way to the vertices is the sum of the ways") {
  int const n = 6, tokens = 5;
  auto const x = point(n, 71);
  numbers const p{0.1, 0.2, 0.0, 0.3, 0.4};
  numbers drift(n), sum(n, 0.0), way(n);
  sphere::toward_vertices(n, tokens, x.data(), p.data(), drift.data());
  for (std::size_t k = 0; k < p.size(); ++k) {
    numbers vertex(n, 0.0);
    vertex[k] = 1.0;
    sphere::log_map(n, x.data(), vertex.data(), way.data());
    for (std::size_t j = 0; j < way.size(); ++j) sum[j] += p[k] * way[j];
  }
  for (std::size_t j = 0; j < sum.size(); ++j) {
    CHECK(drift[j] == doctest::Approx(sum[j]).epsilon(1e-13));
  }
  CHECK(std::fabs(dot(drift, x)) < 1e-14);
}

TEST_CASE("sphere: points as distributions") {
  numbers const x{0.6, -0.5, 0.8, 0.0};
  numbers q(4);
  sphere::to_simplex(4, x.data(), q.data());
  CHECK(q[0] == doctest::Approx(0.36));
  CHECK(q[1] == 0.0);
  CHECK(q[2] == doctest::Approx(0.64));
  CHECK(sphere::token_at(4, x.data()) == 2);
  CHECK(sphere::token_at(2, x.data()) == 0);
  numbers const low{-1.0, 0.0};
  sphere::to_simplex(2, low.data(), q.data());
  CHECK(q[0] + q[1] == 0.0);
  numbers const equal{0.5, 0.5};
  CHECK(sphere::token_at(2, equal.data()) == 0);
}

/// E cos(rho r) with r chi-distributed in d dimensions, by Simpson's rule.
double mean_cosine_by_quadrature(int d, double rho) {
  double const end = std::sqrt(static_cast<double>(d)) + 12.0;
  int const n = 200000;
  double sum = 0.0;
  for (int i = 0; i <= n; ++i) {
    double const r = end * i / n;
    double const log_density = (d - 1) * (i == 0 ? 0.0 : std::log(r)) - 0.5 * r * r -
                               std::lgamma(0.5 * d) - (0.5 * d - 1.0) * std::numbers::ln2;
    double const density = i == 0 && d > 1 ? 0.0 : std::exp(log_density);
    sum += (i == 0 || i == n ? 1.0 : i % 2 == 1 ? 4.0 : 2.0) * density * std::cos(rho * r);
  }
  return sum * end / n / 3.0;
}

TEST_CASE("sphere: mean cosine of a normal law, in any number of dimensions") {
  for (double const rho : {0.0, 0.05, 0.4, 1.0, 3.0}) {
    CAPTURE(rho);
    double const half = 0.5 * rho * rho;
    CHECK(sphere::mean_cosine(1, rho) == doctest::Approx(std::exp(-half)).epsilon(1e-14));
    CHECK(sphere::mean_cosine(3, rho) ==
          doctest::Approx((1.0 - rho * rho) * std::exp(-half)).epsilon(1e-13));
    for (int const d : {1, 2, 3, 4, 27, 28, 101, 1000}) {
      CAPTURE(d);
      CHECK(std::fabs(sphere::mean_cosine(d, rho) - mean_cosine_by_quadrature(d, rho)) < 1e-11);
      CHECK(sphere::mean_cosine_as_published(d, rho) ==
            doctest::Approx(sphere::mean_cosine(d, rho) * std::exp(-half)));
    }
  }
}

TEST_CASE("sphere: the spread of a mean cosine") {
  for (int const d : {1, 2, 3, 27, 30522}) {
    CAPTURE(d);
    CHECK(sphere::spread_of(d, 1.0) == 0.0);
    for (double const part : {1e-6, 0.01, 0.3, 0.8, 1.0, 1.3}) {
      double const rho = part / std::sqrt(static_cast<double>(d));
      double const cosine = sphere::mean_cosine(d, rho);
      REQUIRE(cosine > 0.0);
      // cosine keeps 1e-16 of 1: of the spread, 1e-16 / (rho^2 d) at least.
      CHECK(sphere::spread_of(d, cosine) ==
            doctest::Approx(rho).epsilon(1e-12 + 1e-15 / (part * part)));
    }
  }
  CHECK_THROWS_AS(sphere::spread_of(0, 0.5), diffx::error);
  CHECK_THROWS_AS(sphere::spread_of(3, 0.0), diffx::error);
  CHECK_THROWS_AS(sphere::spread_of(3, 1.1), diffx::error);
  CHECK_THROWS_AS(sphere::mean_cosine(0, 0.1), diffx::error);
  CHECK_THROWS_AS(sphere::mean_cosine(2, -0.1), diffx::error);
}

}  // namespace
