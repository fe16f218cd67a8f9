// The rates of bridges: each form against the others and against quadrature.

#include <diffx/error.hpp>
#include <diffx/schedule/bridge_cosine.hpp>
#include <diffx/schedule/bridge_geometric.hpp>
#include <diffx/schedule/bridge_linear.hpp>

#include <cmath>
#include <doctest/doctest.h>

namespace {

using namespace diffx;

template <class Schedule>
void check(Schedule const& s) {
  CAPTURE(s.b0);
  CAPTURE(s.b1);
  CHECK(s.beta(0.0) == doctest::Approx(s.b1).epsilon(1e-14));
  CHECK(s.beta(1.0) == doctest::Approx(s.b0).epsilon(1e-14));
  CHECK(s.to_come(0.0) == 0.0);
  CHECK(s.passed(1.0) == 0.0);
  double const total = s.to_come(1.0);
  CHECK(s.passed(0.0) == doctest::Approx(total).epsilon(1e-14));
  for (double const t : {1e-9, 1e-4, 0.1, 0.5, 0.77, 1.0}) {
    CAPTURE(t);
    CHECK(s.passed(t) + s.to_come(t) == doctest::Approx(total).epsilon(1e-14));
    CHECK(s.pull(t) == doctest::Approx(s.beta(t) / s.to_come(t)).epsilon(1e-13));
    CHECK(s.time(s.to_come(t) / total) == doctest::Approx(t).epsilon(1e-12));
    // Three-point Gauss-Legendre on 64 pieces: to rounding for rates as smooth as these.
    double sum = 0.0;
    for (int i = 0; i < 64; ++i) {
      double const middle = t * (i + 0.5) / 64, half = t / 128, root = half * std::sqrt(0.6);
      sum += half * (8.0 * s.beta(middle) + 5.0 * (s.beta(middle - root) + s.beta(middle + root))) /
             9.0;
    }
    CHECK(s.to_come(t) == doctest::Approx(sum).epsilon(1e-12));
  }
  CHECK(s.time(0.0) == 0.0);
  CHECK(s.time(1.0) == doctest::Approx(1.0).epsilon(1e-13));  // rounding times b1 / b0
}

template <class Schedule>
void check_all() {
  check(Schedule{});
  check(Schedule{0.3, 0.3});
  check(Schedule{0.2, 1e-3});
  check(Schedule{0.2, 0.2 * (1.0 + 1e-13)});
  Schedule const none{0.0, 0.2}, negative{0.1, -1.0};
  CHECK_THROWS_AS(none.check(), diffx::error);
  CHECK_THROWS_AS(negative.check(), diffx::error);
}

TEST_CASE("bridge schedules") {
  check_all<schedule::bridge_geometric>();
  check_all<schedule::bridge_linear>();
  check_all<schedule::bridge_cosine>();
}

TEST_CASE("bridge_geometric: the paper's forms, in the paper's time") {
  schedule::bridge_geometric const s;
  double const r = s.b1 / s.b0;
  for (double const u : {0.1, 0.5, 0.9}) {
    CHECK(s.beta(1.0 - u) == doctest::Approx(std::pow(s.b0, 1.0 - u) * std::pow(s.b1, u)));
    CHECK(s.to_come(1.0 - u) == doctest::Approx(s.b0 * (r - std::pow(r, u)) / std::log(r)));
    CHECK(s.pull(1.0 - u) == doctest::Approx(std::log(r) / (std::pow(r, 1.0 - u) - 1.0)));
  }
  CHECK(schedule::bridge_geometric{0.3, 0.3}.pull(0.25) == 4.0);
}

}  // namespace
