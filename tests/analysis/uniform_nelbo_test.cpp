// analysis::uniform_nelbo_rate against the divergence of kernels over a short step, and its
// integral against the likelihood.

#include <diffx/analysis/uniform_nelbo.hpp>
#include <diffx/process/uniform.hpp>

#include "support/kernel_chains.hpp"
#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <limits>

using namespace diffx;
using test::weights;

namespace {

double divergence(weights const& q, weights const& p) {
  double sum = 0.0;
  for (std::size_t k = 0; k < q.size(); ++k) {
    if (q[k] > 0.0) sum += q[k] * std::log(q[k] / p[k]);
  }
  return sum;
}

}  // namespace

TEST_CASE("uniform_nelbo_rate is the divergence of the two kernels per unit of time") {
  process::uniform<> const p(3);
  weights const guess{0.2, 0.5, 0.3};
  double const h = 1e-5;
  for (double const t : {0.2, 0.6, 0.9}) {
    for (int data = 0; data < 3; ++data) {
      for (int seen = 0; seen < 3; ++seen) {
        weights clean(3, 0.0);
        clean[static_cast<std::size_t>(data)] = 1.0;
        auto const from = p.at(t), to = p.at(t - h);
        double const want = divergence(test::reverse_kernel(p, from, to, seen, clean, true),
                                       test::reverse_kernel(p, from, to, seen, guess, true)) /
                            h;
        double const rate = analysis::uniform_nelbo_rate(guess, data, seen, from.alpha, -1.0);
        // The quotient is off by the order of h, and the logs lose 1e-16 / h of it.
        CHECK(rate == doctest::Approx(want).epsilon(2e-4));
        CHECK(analysis::uniform_nelbo_rate(guess, data, seen, from.alpha, -2.0) ==
              doctest::Approx(2.0 * rate).epsilon(1e-14));
        CHECK(std::abs(analysis::uniform_nelbo_rate(clean, data, seen, from.alpha, -1.0)) < 1e-13);
      }
    }
  }
}

TEST_CASE("uniform_nelbo_rate: with the exact law of one position the bound is the likelihood") {
  // One position: the cavity is the law of the data itself, whatever is seen.
  weights const law{0.2, 0.5, 0.3};
  for (int data = 0; data < 3; ++data) {
    // Midpoints of u, t = u^2 (3 - 2 u): the rate rises like log t at the end where t -> 0.
    double bound = 0.0;
    constexpr int n = 20'000;
    for (int i = 0; i < n; ++i) {
      double const u = (i + 0.5) / n, t = u * u * (3.0 - 2.0 * u), alpha = 1.0 - t;
      for (int seen = 0; seen < 3; ++seen) {
        double const q = (seen == data ? alpha : 0.0) + (1.0 - alpha) / 3.0;
        bound += q * analysis::uniform_nelbo_rate(law, data, seen, alpha, -1.0) *
                 (6.0 * u * (1.0 - u)) / n;
      }
    }
    CHECK(bound == doctest::Approx(-std::log(law[static_cast<std::size_t>(data)])).epsilon(1e-6));
  }
}

TEST_CASE("uniform_nelbo_rate refuses what has no rate") {
  weights const law{0.2, 0.5, 0.3};
  for (double const alpha : {0.0, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_WITH_AS(static_cast<void>(analysis::uniform_nelbo_rate(law, 0, 0, alpha, -1.0)),
                         doctest::Contains("alpha"), error);
  }
  CHECK_THROWS_AS(static_cast<void>(analysis::uniform_nelbo_rate(law, 0, 0, 0.5, 1.0)), error);
  CHECK_THROWS_AS(static_cast<void>(analysis::uniform_nelbo_rate(law, 3, 0, 0.5, -1.0)), error);
  CHECK_THROWS_AS(static_cast<void>(analysis::uniform_nelbo_rate(law, 0, -1, 0.5, -1.0)), error);
}
