// Flips of bits: their algebra, and the law of whole chains of the exact bit posterior.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using namespace diffx;
using process::xor_bernoulli;

constexpr int bits = 4, states = 16;

/// p_i of 16 states, bit 0 the first; the two ends stand out, so the bits depend on each other.
std::vector<double> correlated_bits() {
  std::vector<double> p;
  double total = 0.0;
  for (int i = 0; i < states; ++i) {
    total += p.emplace_back((7 * i * i + 3 * i + 1) % 11 + (i == 0 || i == states - 1 ? 8 : 0));
  }
  for (double& v : p) v /= total;
  return p;
}

/// The law of n steps of the exact posterior from fair bits.
analysis::row law_after(int n, double begin) {
  xor_bernoulli const process(schedule::flip_quadratic(n, begin));
  denoiser::joint_table const network(process, 2, bits, correlated_bits());
  return analysis::chain_law(
      process, network, grid::uniform_t(process, n), bits, analysis::row(states, 1.0 / states),
      [&](int now, auto logits, level const& t, level const& s) {
        return analysis::mixture_kernel(process, t, s, now,
                                        analysis::law_of_logits(process.limit(), now, logits));
      });
}

double distance(analysis::row const& a, std::vector<double> const& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += std::fabs(a[i] - b[i]);
  return 0.5 * sum;
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
    CHECK(std::fabs(distance(law_after(k.steps, 1e-3), correlated_bits()) - k.distance) < 5.1e-5);
  }
  // A first flip of 1 / 16 is too much for the last step to make good.
  CHECK(std::fabs(distance(law_after(1000, 1.0 / 16.0), correlated_bits()) - 0.057) < 5.1e-4);
}

TEST_CASE("xor_bernoulli: solver::ancestral draws the law of the chain") {
  constexpr int steps = 10;
  constexpr std::int64_t samples = 200000;
  xor_bernoulli const process(schedule::flip_quadratic(steps, 1e-3));
  denoiser::joint_table const network(process, 2, bits, correlated_bits());
  sampler const s{process, solver::ancestral{}};
  std::vector<std::int32_t> x(static_cast<std::size_t>(samples * bits));
  s.sample(exec::threads{}, network, grid::uniform_t(process, steps),
           batch_view<std::int32_t>{x.data(), samples, bits}, options<>{noise::counted{3}});
  std::vector<std::int64_t> count(states, 0);
  for (std::int64_t i = 0; i < samples; ++i) {
    std::size_t cell = 0;
    for (int l = 0; l < bits; ++l)
      cell = 2 * cell + static_cast<std::size_t>(x[static_cast<std::size_t>(i * bits + l)]);
    ++count[cell];
  }
  auto const law = analysis::normalised(law_after(steps, 1e-3));  // of float logits
  CHECK(test::passes("xor_bernoulli, 10 steps", test::test_cells(count, law).p));
  // 200000 samples tell this law from that of the data, 0.044 away.
  CHECK(test::test_cells(count, correlated_bits()).p < 1e-6);
}
