// Flips of bits: their algebra, and the law of whole chains of the exact bit posterior.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/correlated_bits.hpp"
#include "support/statistics.hpp"
#include <cmath>
#include <doctest/doctest.h>

namespace {

using namespace diffx;
using process::xor_bernoulli;

/// The law of n steps of the exact posterior.
analysis::row law_after(int n, double first_flip) {
  return test::bits::law_after(n, first_flip,
                               [](auto const&... a) { return analysis::mixture_kernel(a...); });
}

}  // namespace

TEST_CASE("xor_bernoulli: flips compose, and a step back is the posterior of a bit") {
  xor_bernoulli const p(schedule::flip_quadratic(12, 0.01));
  CHECK(p.at(0.0).alpha == 1.0);
  CHECK(p.at(1.0).alpha == 0.0);
  for (int t = 0; t < 12; ++t) {
    double const bt = p.flips().flip(t);
    level const at = p.at_index(t);
    CHECK(at.t == doctest::Approx((t + 1) / 12.0).epsilon(1e-15));
    CHECK(at.timestep == t);
    CHECK(at.alpha == doctest::Approx(1.0 - 2.0 * bt).epsilon(1e-14));
    CHECK(p.at_lambda(at.lambda).timestep == t);
    for (int s = 0; s < t; ++s) {
      double const bs = p.flips().flip(s), d = (bt - bs) / (1.0 - 2.0 * bs);
      auto const step = analysis::transition(p, p.at_index(s), at);
      CHECK(step[0] == doctest::Approx(1.0 - d).epsilon(1e-13));
      CHECK(step[1] == doctest::Approx(d).epsilon(1e-12));
      // P(x_s != x_0), where x_t is x_0 and where it is not.
      double const same = bs * d / (bs * d + (1.0 - bs) * (1.0 - d));
      double const other = bs * (1.0 - d) / (bs * (1.0 - d) + (1.0 - bs) * d);
      CHECK(analysis::bridge(p, at, p.at_index(s), 0, 0)[1] ==
            doctest::Approx(same).epsilon(1e-12));
      CHECK(analysis::bridge(p, at, p.at_index(s), 1, 0)[1] ==
            doctest::Approx(other).epsilon(1e-12));
    }
  }
  CHECK_THROWS_AS(p.at(0.4), error);
  CHECK_THROWS_AS(p.at_index(12), error);
  CHECK_THROWS_AS(p.at_index(-2), error);
  CHECK_THROWS_AS(p.at_lambda(0.123), error);
  CHECK_THROWS_AS(p.at_lambda(std::nan("")), error);
  CHECK(p.at_lambda(HUGE_VAL).timestep == -1);
  CHECK(p.at_lambda(-HUGE_VAL).timestep == 11);
}

TEST_CASE("xor_bernoulli: the exact bit posterior comes to the data law as 1 / N") {
  // Total variation of four dependent bits, to the digits known of each.
  struct known {
    int steps;
    double distance;
  };
  for (known const k :
       {known{10, 0.0438}, known{50, 0.0083}, known{200, 0.0023}, known{1000, 0.0007}}) {
    CAPTURE(k.steps);
    CHECK(std::fabs(test::bits::distance(law_after(k.steps, 1e-3), test::bits::correlated()) -
                    k.distance) < 5.1e-5);
  }
  // A first flip of 1 / 16 is too much for the last step to make good.
  CHECK(std::fabs(test::bits::distance(law_after(1000, 1.0 / 16.0), test::bits::correlated()) -
                  0.057) < 5.1e-4);
}

TEST_CASE("xor_bernoulli: solver::ancestral draws the law of the chain") {
  auto const count = test::bits::drawn(solver::ancestral{}, 10, 1e-3, 200000);
  CHECK(test::passes("xor_bernoulli, 10 steps", test::test_cells(count, law_after(10, 1e-3)).p));
  // 200000 samples tell this law from that of the data, 0.044 away.
  CHECK(test::test_cells(count, test::bits::correlated()).p < 1e-6);
}
