// Processes of classes: levels and their inverse, limit laws, what they refuse.

#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/schedule/mask_cosine.hpp>
#include <diffx/schedule/mask_power.hpp>

#include <cmath>
#include <doctest/doctest.h>
#include <numbers>
#include <vector>

namespace {

namespace process = diffx::process;
namespace schedule = diffx::schedule;

template <class Process, class Kept>
void check_levels(Process const& p, Kept const& kept) {
  for (double const t : {1e-9, 1e-3, 0.1, 0.5, 0.9, 0.999}) {
    CAPTURE(t);
    auto const l = p.at(t);
    CHECK(l.t == t);
    CHECK(l.alpha == doctest::Approx(kept(t)).epsilon(1e-14));
    CHECK(l.alpha + l.sigma == doctest::Approx(1.0).epsilon(1e-15));
    CHECK(l.lambda == doctest::Approx(std::log(l.alpha / l.sigma)).epsilon(1e-13));
    auto const back = p.at_lambda(l.lambda);
    CHECK(back.t == doctest::Approx(t).epsilon(1e-12));
    CHECK(back.alpha == doctest::Approx(l.alpha).epsilon(1e-13));
    CHECK(back.sigma == doctest::Approx(l.sigma).epsilon(1e-12));
  }
  CHECK(p.at(0.0).alpha == 1.0);
  CHECK(p.at(0.0).sigma == 0.0);
  CHECK(p.at_lambda(HUGE_VAL).t == 0.0);
  for (double const t : {-0.1, 1.1, std::nan("")}) CHECK_THROWS_AS(p.at(t), diffx::error);
  CHECK_THROWS_AS(p.at_lambda(std::nan("")), diffx::error);
}

TEST_CASE("processes of classes: levels, and the time of a lambda") {
  check_levels(process::absorbing<>(5), [](double t) { return 1.0 - t; });
  check_levels(process::uniform<schedule::log_linear>(5, {1e-3}),
               [](double t) { return 1.0 - (1.0 - 1e-3) * t; });
  check_levels(process::uniform<schedule::mask_cosine>(5, {1e-3}),
               [](double t) { return 1e-3 + (1.0 - 1e-3) * std::cos(0.5 * std::numbers::pi * t); });
  for (double const power : {0.5, 1.0, 2.0}) {
    check_levels(process::absorbing<schedule::mask_power>(5, 5, {power}),
                 [=](double t) { return 1.0 - std::pow(t, power); });
  }
  // With eps = 0 nothing of the data is left at t = 1, and lambda is -inf there.
  CHECK(process::uniform<>(5).at(1.0).alpha == 0.0);
  CHECK(process::uniform<>(5).at_lambda(-HUGE_VAL).t == 1.0);
  CHECK_THROWS_AS((process::uniform<schedule::log_linear>(5, {1e-3}).at_lambda(-50.0)),
                  diffx::error);
}

TEST_CASE("processes of classes: limit laws") {
  process::absorbing<> const last(4), inner(4, 2);
  CHECK(last.limit().probability(4) == 1.0);
  CHECK(last.limit().probability(0) == 0.0);
  CHECK(inner.limit().probability(2) == 1.0);
  CHECK(inner.limit().draw(0.99) == 2);
  CHECK(process::uniform<>(4).limit().probability(3) == 0.25);
  process::marginal<> const m({0.1, 0.0, 0.6, 0.3});
  auto const law = m.limit();
  CHECK(law.probability(0) == doctest::Approx(0.1).epsilon(1e-15));
  CHECK(law.probability(1) == 0.0);
  CHECK(law.probability(3) == doctest::Approx(0.3).epsilon(1e-15));
}

TEST_CASE("processes of classes refuse what is none, with name, value and range") {
  CHECK_THROWS_WITH_AS(process::absorbing<>(0), doctest::Contains("classes = 0"), diffx::error);
  CHECK_THROWS_WITH_AS((process::absorbing<>(4, 5)), doctest::Contains("mask = 5"), diffx::error);
  CHECK_THROWS_WITH_AS((process::absorbing<>(4, -1)), doctest::Contains("mask = -1"), diffx::error);
  CHECK_THROWS_WITH_AS(process::uniform<>(0), doctest::Contains("classes = 0"), diffx::error);
  CHECK_THROWS_WITH_AS(process::marginal<>({}), doctest::Contains("pi.size()"), diffx::error);
  CHECK_THROWS_WITH_AS(process::marginal<>({0.5, 0.4}), doctest::Contains("sum of pi"),
                       diffx::error);
  CHECK_THROWS_WITH_AS(process::marginal<>({1.5, -0.5}), doctest::Contains("entry of pi"),
                       diffx::error);
  CHECK_THROWS_AS((process::uniform<schedule::log_linear>(3, {1.0})), diffx::error);
  CHECK_THROWS_AS((process::uniform<schedule::mask_cosine>(3, {-0.1})), diffx::error);
  CHECK_THROWS_AS((process::uniform<schedule::mask_power>(3, {0.0})), diffx::error);
}

TEST_CASE("grids of processes of classes end at the data, for every number of steps") {
  process::uniform<schedule::mask_cosine> const p(3);
  for (int n = 1; n <= 1000; ++n) {
    auto const g = diffx::grid::uniform_t(p, n);
    CHECK(g.steps() == n);
    CHECK(g.front().t == 1.0);
    CHECK(g.back().sigma == 0.0);
  }
}

}  // namespace
