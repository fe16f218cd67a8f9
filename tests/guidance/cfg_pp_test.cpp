// CFG++ against its own formula: x0 from the guided prediction, noise from the unguided one.

#include <diffx/guidance/cfg_pp.hpp>
#include <diffx/solver/euler.hpp>

#include "../support/guidance_cases.hpp"
#include <doctest/doctest.h>

using namespace diffx;

namespace {

/// A whole run by hand, on the listed x0 predictions.
std::vector<double> by_hand(std::vector<double> x, test::listed const& network, double strength,
                            timetable const& grid) {
  for (int i = 0; i < grid.steps(); ++i) {
    level const from = grid[i], to = grid[i + 1];
    for (std::size_t k = 0; k < x.size(); ++k) {
      double const conditional = network.answers[0][k], null = network.answers[1][k];
      double const eps = (x[k] - from.alpha * null) / from.sigma;
      x[k] = to.alpha * (null + strength * (conditional - null)) + to.sigma * eps;
    }
  }
  return x;
}

template <class Solver>
std::vector<double> by_run(std::vector<double> x, test::listed const& network, double strength,
                           timetable const& grid) {
  options<> given;
  given.start = start::given;
  sampler{test::vp_process{}, Solver{}, guidance::cfg_pp{strength}}.sample(
      exec::host{}, network, grid,
      batch_view<double>{x.data(), 2, static_cast<std::int64_t>(x.size()) / 2}, given);
  return x;
}

}  // namespace

TEST_CASE("CFG++ puts back the unguided noise, on every step and onto sigma = 0") {
  test::listed const network{{}, {{2, 7, 13, 19}, {3, 11, 17, 23}}};
  auto const x = test::irregular(4, 2.0, 0.3);
  for (bool const to_zero : {false, true}) {
    auto const grid = test::lambda_grid(7, to_zero);
    for (double const strength : {0.0, 0.25, 0.6, 1.0}) {
      auto const expected = by_hand(x, network, strength, grid);
      // A step's scale is strength / (1 - e^-h), up to 1.7 here: no cancellation worth a digit.
      double const tolerance = 1e-13 * test::largest(expected);
      CHECK(test::distance(by_run<solver::ddim>(x, network, strength, grid), expected) <=
            tolerance);
      CHECK(test::distance(by_run<solver::euler>(x, network, strength, grid), expected) <=
            tolerance);
    }
  }
}

TEST_CASE("the scale of CFG++ follows the step and is its strength onto sigma = 0") {
  double w[2];
  step s;
  s.from = level::edm(4.0);
  s.to = level::edm(1.0);
  guidance::cfg_pp{0.6}.weights(s, w);
  CHECK(w[0] == doctest::Approx(0.6 * 4.0 / 3.0).epsilon(1e-14));
  CHECK(w[0] + w[1] == doctest::Approx(1.0).epsilon(1e-15));
  s.to = test::clean();
  guidance::cfg_pp{0.6}.weights(s, w);
  CHECK(w[0] == 0.6);
  CHECK(w[1] == 0.4);
}

TEST_CASE("without strength CFG++ asks the null branch alone") {
  std::vector<query> asked;
  test::listed const network{{}, {{2, 7}, {3, 11}}, &asked};
  auto const x0 = test::guided(guidance::cfg_pp{0.0}, network);
  CHECK(x0 == std::vector<double>{3, 11});
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].branch == 1);
}

TEST_CASE("a strength outside [0, 1] is refused") {
  for (double const strength : {-0.1, 1.1, double(NAN)}) {
    CHECK_THROWS_WITH_AS(test::guided(guidance::cfg_pp{strength}, {{}, {{2}, {3}}}),
                         doctest::Contains(("diffx::guidance::cfg_pp: strength = " +
                                            detail::text(strength) + ", must be in [0, 1]")
                                               .c_str()),
                         error);
  }
}
