// Flip probabilities of bits: their ends, their order, and what is refused.

#include <diffx/schedule/flip_table.hpp>

#include <doctest/doctest.h>

namespace {

using namespace diffx;
using doctest::Contains;

TEST_CASE("flip_table: the curves begin and end where they are told, and rise") {
  for (int const steps : {2, 3, 10, 1000}) {
    for (double const begin : {1e-6, 1.0 / 69.0, 0.25, 0.5}) {
      auto const linear = schedule::flip_linear(steps, begin);
      auto const quadratic = schedule::flip_quadratic(steps, begin);
      auto const sigmoid = schedule::flip_sigmoid(steps, begin);
      CHECK(linear.size() == steps);
      CHECK(linear.flip(0) == begin);
      CHECK(linear.flip(steps - 1) == 0.5);
      CHECK(quadratic.flip(0) == begin);
      CHECK(quadratic.flip(steps - 1) == 0.5);
      CHECK(sigmoid.flip(0) >= begin);
      CHECK(sigmoid.flip(steps - 1) <= 0.5);
    }
  }
  CHECK(schedule::flip_linear(1, 0.1).flip(0) == 0.1);
  CHECK(schedule::flip_quadratic(3, 0.04, 0.36).flip(1) == doctest::Approx(0.16));
  CHECK(schedule::flip_sigmoid(3, 0.1, 0.3).flip(1) == doctest::Approx(0.2));
}

TEST_CASE("flip_table refuses what is no flip probability, with index and value") {
  CHECK_THROWS_WITH_AS(schedule::flip_table({}), Contains("number of entries = 0"), error);
  CHECK_THROWS_WITH_AS(schedule::flip_table({0.1, 0.6}), Contains("flip[1] = 0.6"), error);
  CHECK_THROWS_WITH_AS(schedule::flip_table({0.2, 0.1}), Contains("flip[1] = 0.1"), error);
  CHECK_THROWS_WITH_AS(schedule::flip_linear(3, 0.0), Contains("flip[0] = 0"), error);
  CHECK_THROWS_AS(schedule::flip_quadratic(3, -1.0), error);
  CHECK_THROWS_AS(schedule::flip_quadratic(3, 0.4, 0.2), error);
  CHECK_THROWS_AS(schedule::flip_sigmoid(3, 0.1, 0.7), error);
  CHECK_THROWS_AS(schedule::flip_linear(0, 0.1), error);
}

}  // namespace
