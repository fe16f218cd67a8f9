// The published sampler of bits and its drawn siblings: the known laws of one bit, whose exact
// network knows its probability.

#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "support/correlated_bits.hpp"
#include "support/message.hpp"
#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using solver::clean_bit;
using solver::renoise_level;
using solver::xor_renoise;

constexpr std::int64_t samples = 100000;

/// The paper's table for rows of 100 bits: 1000 flips from 1 / 100 to 1 / 2.
process::xor_bernoulli const flips(schedule::flip_quadratic(1000, 0.01));

template <class Network>
std::int64_t ones(xor_renoise const& solver, Network const& network, int steps,
                  std::uint64_t seed) {
  sampler const s{flips, solver};
  std::vector<std::int32_t> x(static_cast<std::size_t>(samples));
  auto const grid = grid::timesteps(flips, grid::index::strided(1000, steps));
  CHECK(grid.steps() == steps);
  s.sample(exec::threads{}, network, grid, batch_view<std::int32_t>{x.data(), samples, 1},
           options<>{noise::counted{seed}});
  std::int64_t n = 0;
  for (auto const b : x) n += b;
  return n;
}

/// Exact laws are known to four digits; 100000 samples do not see the fifth.
void check_bit(std::string const& what, xor_renoise const& solver, double p, int steps,
               double law) {
  denoiser::joint_table const network(flips, 2, 1, std::vector<double>{1.0 - p, p});
  std::int64_t const n = ones(solver, network, steps, static_cast<std::uint64_t>(steps));
  INFO(what, ", p = ", p, ", steps ", steps);
  CHECK(test::passes(what + " " + std::to_string(steps),
                     test::test_cells(std::vector<std::int64_t>{samples - n, n},
                                      std::vector<double>{1.0 - law, law})
                         .p));
}

}  // namespace

TEST_CASE("xor_renoise: the known laws of one bit") {
  xor_renoise const published, drawn{clean_bit::drawn, renoise_level::current},
      next{clean_bit::drawn, renoise_level::next};
  struct known {
    int steps;
    double published, drawn, next;
  };
  for (known const k : {known{5, 0.4387, 0.3591, 0.3019}, known{10, 0.4853, 0.3367, 0.3000},
                        known{50, 0.5, 0.3114, 0.3}}) {
    check_bit("published", published, 0.3, k.steps, k.published);
    check_bit("drawn, current flips", drawn, 0.3, k.steps, k.drawn);
    check_bit("drawn, next flips", next, 0.3, k.steps, k.next);
  }
  for (known const k : {known{5, 0.1552, 0.1108, 0.0501}, known{10, 0.1406, 0.0829, 0.05},
                        known{50, 0.256, 0.0582, 0.05}}) {
    check_bit("published", published, 0.05, k.steps, k.published);
    check_bit("drawn, current flips", drawn, 0.05, k.steps, k.drawn);
    check_bit("drawn, next flips", next, 0.05, k.steps, k.next);
  }
}

TEST_CASE("xor_renoise: between bits a bias stays, however many the steps") {
  // Total variations of four dependent bits, to the digits known of each.
  auto const published = [](auto const&, level const& t, level const& s, int,
                            analysis::row const& p) {
    double const flip = s.sigma == 0.0 ? 0.0 : 0.5 * t.sigma;
    return p[1] > 0.5 ? analysis::row{flip, 1.0 - flip} : analysis::row{1.0 - flip, flip};
  };
  auto const next = [](auto const&, level const&, level const& s, int, analysis::row const& p) {
    double const flip = 0.5 * s.sigma, one = p[1] * (1.0 - flip) + p[0] * flip;
    return analysis::row{1.0 - one, one};
  };
  auto const far = [](int n, auto const& kernel) {
    return test::bits::distance(test::bits::law_after(n, 1e-3, kernel), test::bits::correlated());
  };
  for (int const n : {50, 200, 1000}) {
    CAPTURE(n);
    CHECK(std::fabs(far(n, published) - 0.248) < 5.1e-4);
  }
  CHECK(std::fabs(far(10, next) - 0.0683) < 5.1e-5);
  CHECK(std::fabs(far(50, next) - 0.0370) < 5.1e-5);
  CHECK(std::fabs(far(200, next) - 0.0299) < 5.1e-5);
  CHECK(std::fabs(far(1000, next) - 0.0268) < 5.1e-5);
  auto const draws = [&](xor_renoise const& solver, auto const& kernel) {
    return test::test_cells(test::bits::drawn(solver, 10, 1e-3, samples),
                            test::bits::law_after(10, 1e-3, kernel))
        .p;
  };
  CHECK(test::passes("four bits, published", draws({}, published)));
  CHECK(test::passes("four bits, next", draws({clean_bit::drawn, renoise_level::next}, next)));
}

namespace {

/// The law of one bit given no other: what a network of cavities says whatever it sees.
struct prior_of_bit {
  prediction::x0_cavity<> prediction{};
  float logit = 0.0f;
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const&, Out const& out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      out.row(i)[0] = 0.0f;
      out.row(i)[1] = logit;
    }
  }
};

}  // namespace

TEST_CASE("xor_renoise: a cavity is made the posterior first") {
  prior_of_bit const network{{}, static_cast<float>(std::log(0.3 / 0.7))};
  denoiser::joint_table const posterior(flips, 2, 1, std::vector<double>{0.7, 0.3});
  for (xor_renoise const s :
       {xor_renoise{}, xor_renoise{clean_bit::drawn, renoise_level::current}}) {
    std::int64_t const a = ones(s, network, 5, 7), b = ones(s, posterior, 5, 7);
    // The same words: only what falls between two roundings differs.
    CHECK(std::abs(a - b) <= 2);
  }
}

TEST_CASE("xor_renoise: what is refused") {
  process::uniform<> const letters(3);
  denoiser::joint_table const of_letters(letters, 3, 1, std::vector<double>{0.2, 0.3, 0.5});
  std::vector<std::int32_t> x(1);
  auto const what = test::message_of([&] {
    sampler{letters, xor_renoise{}}.sample(exec::host{}, of_letters, grid::uniform_t(letters, 4),
                                           batch_view<std::int32_t>{x.data(), 1, 1});
  });
  CHECK(test::says(what, "diffx::solver::xor_renoise", "the classes of the process", "3",
                   "2, without a mask: process::xor_bernoulli"));
}
