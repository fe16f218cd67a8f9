#include <diffx/detail/exponential.hpp>

#include "support/levels.hpp"
#include "support/reference_integrals.hpp"
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using diffx::frame;
namespace detail = diffx::detail;
constexpr double inf = std::numeric_limits<double>::infinity();

TEST_CASE("exponential: phi agrees with its integral, on both sides of the series' seam") {
  // phi_k(z) = int_0^1 e^{z (1 - u)} u^{k-1} / (k-1)! du
  for (double const z : {-30.0, -2.0000001, -1.9999999, -0.3, -1e-9, 0.0, 1e-6, 0.7, 2.0, 5.0}) {
    double factorial = 1.0;
    for (int k = 1; k <= 5; ++k) {
      if (k > 2) factorial *= k - 1;
      double const exact =
          test::exponential_integral(1.0, z, [&](double u) { return std::pow(u, k - 1); });
      CHECK(detail::phi(k, z) == doctest::Approx(exact / factorial).epsilon(1e-11));
    }
  }
  CHECK(detail::phi(1, 0.0) == 1.0);
  CHECK(detail::phi(3, -inf) == 0.0);
}

TEST_CASE("exponential: moments are the integrals they stand for") {
  for (auto const& [from, to] :
       {std::pair{test::vp(-1.7), test::vp(-0.9)}, std::pair{test::flow(0.9), test::flow(0.2)},
        std::pair{test::vp(0.4), test::vp(-0.3)}}) {
    double const h = to.lambda - from.lambda;
    for (double const rate : {0.0, 0.25, 1.0}) {
      if (rate > 0.0 && h < 0.0) continue;
      auto const x0 = detail::exponential(frame::x0, from, to, rate, 4);
      auto const eps = detail::exponential(frame::eps, from, to, rate, 4);
      CHECK(x0.state ==
            doctest::Approx(to.sigma / from.sigma * std::exp(-rate * h)).epsilon(1e-13));
      CHECK(eps.state == doctest::Approx(to.alpha / from.alpha).epsilon(1e-13));
      if (h > 0.0) {
        double const rise = std::sqrt(std::exp(2.0 * h) - 1.0);
        CHECK(x0.noise == doctest::Approx(to.sigma * std::sqrt(1.0 - std::exp(-2.0 * rate * h))));
        CHECK(eps.noise == doctest::Approx(std::sqrt(rate) * to.sigma * rise));
      }
      for (int p = 0; p < 4; ++p) {
        auto const power = [&](double u) { return std::pow(u / h, p); };
        double const data =
            to.alpha * (1.0 + rate) * test::exponential_integral(h, -(1.0 + rate), power);
        double const noise = -to.sigma * (1.0 + rate) * test::exponential_integral(h, 1.0, power);
        CHECK(x0.moment[static_cast<std::size_t>(p)] == doctest::Approx(data).epsilon(1e-11));
        CHECK(eps.moment[static_cast<std::size_t>(p)] == doctest::Approx(noise).epsilon(1e-11));
      }
    }
  }
}

TEST_CASE("exponential: a step onto sigma = 0 returns x0 in both frames, without noise") {
  diffx::level const from = test::vp(1.3);
  auto const x0 = detail::exponential(frame::x0, from, test::clean(), 1.0, 1);
  CHECK(x0.state == 0.0);
  CHECK(x0.moment[0] == 1.0);
  CHECK(x0.noise == 0.0);
  auto const eps = detail::exponential(frame::eps, from, test::clean(), 1.0, 1);
  CHECK(eps.state == doctest::Approx(1.0 / from.alpha).epsilon(1e-15));
  CHECK(eps.moment[0] == doctest::Approx(-from.sigma / from.alpha).epsilon(1e-15));
  CHECK(eps.noise == 0.0);
}

TEST_CASE("exponential: from alpha = 0 only the end of the step counts") {
  auto const e = detail::exponential(frame::x0, test::pure_noise(), test::vp(-1.0), 0.0, 3);
  CHECK(e.state == doctest::Approx(test::vp(-1.0).sigma).epsilon(1e-15));
  for (std::size_t p = 0; p < 3; ++p) {
    CHECK(e.moment[p] == doctest::Approx(test::vp(-1.0).alpha).epsilon(1e-15));
  }
}

TEST_CASE("exponential: weights reproduce the integral of every polynomial that fits") {
  std::vector<double> const moment{0.7, 0.31, 0.2, 0.11};
  std::vector<double> const nodes{1.0, 0.0, -0.4, -2.3};
  auto const w = detail::lagrange_weights(moment, nodes);
  for (int p = 0; p < 4; ++p) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 4; ++j) sum += w[j] * std::pow(nodes[j], p);
    CHECK(sum == doctest::Approx(moment[static_cast<std::size_t>(p)]).epsilon(1e-12));
  }
  // A node at infinity counts for nothing.
  std::vector<double> const far{0.0, -0.4, -inf};
  auto const v = detail::lagrange_weights(moment, far);
  CHECK(v[2] == 0.0);
  CHECK(v[0] + v[1] == doctest::Approx(0.7).epsilon(1e-14));
  CHECK(-0.4 * v[1] == doctest::Approx(0.31).epsilon(1e-14));
}

}  // namespace
