// Schedules of classes: what is moved, kept and its slope; their inverse; the data end.

#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/registry.hpp>
#include <diffx/schedule/class_rates.hpp>

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numbers>
#include <string>
#include <type_traits>

namespace {

namespace schedule = diffx::schedule;
namespace process = diffx::process;

/// Central differences of a smooth function, good to h^2 and to rounding over h.
template <class F>
double derivative(F const& f, double t) {
  double const h = 1e-5 * std::fmin(t, 1.0 - t);
  return (f(t + h) - f(t - h)) / (2.0 * h);
}

template <class Schedule>
void check_schedule(Schedule const& s, double first = 1e-3) {
  s.check();
  CAPTURE(std::string(Schedule::name));
  // A table of 1000 steps has no slope where two of its lines meet.
  double const aside = std::is_same_v<Schedule, schedule::class_alpha_bar> ? 3.3e-4 : 0.0;
  for (double const knot : {first, 0.05, 0.25, 0.5, 0.75, 0.95}) {
    double const t = knot + aside;
    CAPTURE(t);
    double const moved = s.moved(t), kept = schedule::kept_at(s, t);
    CHECK(moved + kept == doctest::Approx(1.0).epsilon(1e-15));
    // One ulp of `moved` is eps / slope in time.
    CHECK(std::fabs(s.time(moved) - t) < 1e-14 + 8.0 * 2.3e-16 / s.slope(t));
    // h^2 of the third derivative is far below 1e-6 here.
    CHECK(s.slope(t) ==
          doctest::Approx(derivative([&](double u) { return s.moved(u); }, t)).epsilon(1e-6));
    CHECK(schedule::noise_rate(s, t) ==
          doctest::Approx(derivative([&](double u) { return schedule::total_noise(s, u); }, t))
              .epsilon(1e-6));
    CHECK(schedule::total_noise(s, t) == doctest::Approx(-std::log(kept)).epsilon(1e-9));
    CHECK(schedule::masked_weight(s, t) == doctest::Approx(s.slope(t) / moved).epsilon(1e-15));
  }
  // Strictly falling signal, and a run ends as data.
  process::absorbing<Schedule> const p(4, 4, s);
  CHECK(p.at(0.0).alpha == 1.0);
  CHECK(p.at(0.0).sigma == 0.0);
  auto const g = diffx::grid::uniform_t(p, 64);
  CHECK(g.back().sigma == 0.0);
  for (double const t : {0.3, 0.7, 0.9}) {
    CHECK(p.at_lambda(p.at(t).lambda).t == doctest::Approx(t).epsilon(1e-12));
  }
  CHECK(p.at_lambda(std::numeric_limits<double>::infinity()).t == 0.0);
}

TEST_CASE("schedules of classes: inverse, slope, rates, and the data at t = 0") {
  check_schedule(schedule::log_linear{});
  check_schedule(schedule::log_linear{1e-3});
  check_schedule(schedule::mask_cosine{1e-3});
  check_schedule(schedule::scaled_mask_cosine{1e-3});
  check_schedule(schedule::mask_cosine_squared{});
  check_schedule(schedule::mask_cosine_squared{1e-3});
  check_schedule(schedule::mask_sine{});
  check_schedule(schedule::mask_power{2.0});
  check_schedule(schedule::mask_power{0.5, 1e-3});
  check_schedule(schedule::bounded_mask_power{});
  check_schedule(schedule::bounded_mask_power{0.5, 0.1, 0.2});
  check_schedule(schedule::bounded_mask_power{3.0, 0.0, 0.0});
  check_schedule(schedule::mask_log{});
  for (double const power : {0.5, 1.0, 3.0}) check_schedule(schedule::polynomial{power});
  check_schedule(schedule::linear_noise{});
  check_schedule(schedule::linear_noise{0.01, 4.0});
  check_schedule(schedule::geometric_noise{1e-3, 5.0});
}

TEST_CASE("schedules of classes: their formulas") {
  double const t = 0.3, pi = std::numbers::pi;
  CHECK(schedule::kept_at(schedule::mask_cosine_squared{0.01}, t) ==
        doctest::Approx(0.01 + 0.99 * std::pow(std::cos(0.5 * pi * t), 2)).epsilon(1e-14));
  CHECK(schedule::scaled_mask_cosine{0.01}.kept(t) ==
        doctest::Approx(0.99 * std::cos(0.5 * pi * t)).epsilon(1e-14));
  CHECK(schedule::polynomial{3.0}.kept(t) == doctest::Approx(0.343).epsilon(1e-14));
  CHECK(schedule::mask_log{}.moved(t) == doctest::Approx(std::log2(1.3)).epsilon(1e-14));
  CHECK(schedule::mask_power{2.0, 0.2}.moved(t) == 0.2);
  CHECK(schedule::mask_power{2.0, 0.2}.moved(0.0) == 0.0);
  schedule::bounded_mask_power const b{2.0, 0.1, 0.2};
  CHECK(b.moved(t) == doctest::Approx(0.1 + 0.7 * 0.09).epsilon(1e-14));
  CHECK(b.kept(1.0) == 0.2);
  CHECK(b.moved(1e-300) == doctest::Approx(0.1).epsilon(1e-15));  // the limit from above
  CHECK(b.time(0.1) == doctest::Approx(0.0));
  CHECK(b.time(0.1) > 0.0);
  CHECK(b.time(0.05) < 0.0);  // no level is there
  CHECK(schedule::linear_noise{1.0, 3.0}.total(t) == doctest::Approx(1.6).epsilon(1e-15));
  schedule::geometric_noise const g{1e-4, 20.0};
  CHECK(g.total(t) == doctest::Approx(std::pow(1e-4, 0.7) * std::pow(20.0, 0.3)).epsilon(1e-14));
  CHECK(g.total(0.0) == doctest::Approx(1e-4).epsilon(1e-14));  // the limit from above
  CHECK(g.kept(0.0) == 1.0);                                    // the data
  CHECK(g.moved(1e-300) == doctest::Approx(1e-4).epsilon(1e-4));
}

TEST_CASE("classes on a chain of steps keep what its table says, and lose the rest at its end") {
  auto const table = schedule::cosine(50);
  schedule::class_alpha_bar const s{table};
  process::absorbing<schedule::class_alpha_bar> const p(3, 3, s);
  for (int i = 0; i < 50; ++i) {
    double const t = (i + 1) / 50.0;
    CHECK(p.at(t).alpha == doctest::Approx(table.alpha_bar(i)).epsilon(1e-15));
    CHECK(p.at(t).sigma == doctest::Approx(table.one_minus_alpha_bar(i)).epsilon(1e-15));
    CHECK(p.at_lambda(p.at(t).lambda).t == doctest::Approx(t).epsilon(1e-12));
  }
  // Half of a step is the square root of its factor; of the last one onto 0, half of what is left.
  CHECK(s.kept(0.01) == doctest::Approx(std::sqrt(table.alpha_bar(0))).epsilon(1e-14));
  CHECK(s.kept(0.03) ==
        doctest::Approx(std::sqrt(table.alpha_bar(0) * table.alpha_bar(1))).epsilon(1e-14));
  schedule::class_alpha_bar const ends{schedule::alpha_bar_table::from_betas({0.2, 0.5, 1.0})};
  CHECK(ends.kept(1.0) == 0.0);
  CHECK(ends.kept(5.0 / 6.0) == doctest::Approx(0.2).epsilon(1e-14));
  CHECK(ends.slope(0.9) == doctest::Approx(1.2).epsilon(1e-14));
  CHECK(ends.time_of_total(-std::log(0.2)) == doctest::Approx(5.0 / 6.0).epsilon(1e-14));
  CHECK(ends.time_of_total(HUGE_VAL) == 1.0);
}

TEST_CASE("classes on a chain of steps: a time above 0 is not data, however small") {
  schedule::class_alpha_bar const s{schedule::cosine(1000)};
  process::uniform<schedule::class_alpha_bar> const p(3, s);
  double const first = -s.table.log_alpha_bar(0);
  for (double const t : {1e-300, 1e-18, 1e-15, 1e-13, 9e-13, 1.1e-12, 1e-6}) {
    CHECK(s.total(t) == doctest::Approx(1000.0 * t * first).epsilon(1e-14));
    CHECK(p.at(t).sigma == doctest::Approx(1000.0 * t * first).epsilon(1e-8));
    CHECK(p.at_lambda(p.at(t).lambda).t == doctest::Approx(t).epsilon(1e-12));
  }
  CHECK(p.at(1e-13).sigma < p.at(2e-13).sigma);
  CHECK(p.at(0.0).sigma == 0.0);
  // A grid that ends so near to data is one.
  CHECK(diffx::grid::uniform_t(p, 10, {1.0, 1e-14}).steps() == 10);
}

TEST_CASE("total noise keeps its digits where 1 - alpha is all but 1") {
  process::absorbing<schedule::geometric_noise> const p(3, 3, {1e-4, 20.0});
  CHECK(p.at(1.0).alpha == doctest::Approx(std::exp(-20.0)).epsilon(1e-13));
  for (double const t : {0.2, 0.6, 0.9, 0.99, 1.0}) {
    CHECK(p.at_lambda(p.at(t).lambda).t == doctest::Approx(t).epsilon(1e-12));
  }
  // Between the smallest noise and none there is no time.
  double const small = p.at(1e-12).lambda;
  CHECK_THROWS_AS(p.at_lambda(small + 1.0), diffx::error);
}

TEST_CASE("schedules of classes refuse what is none") {
  CHECK_THROWS_AS((schedule::geometric_noise{0.0, 1.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::geometric_noise{1.0, 1.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::linear_noise{-1.0, 1.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::linear_noise{1.0, HUGE_VAL}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::polynomial{0.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::mask_cosine_squared{1.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::scaled_mask_cosine{-0.1}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::mask_power{1.0, 1.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::bounded_mask_power{0.0}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::bounded_mask_power{1.0, -0.1}.check()), diffx::error);
  CHECK_THROWS_AS((schedule::bounded_mask_power{1.0, 0.5, 0.5}.check()), diffx::error);
}

TEST_CASE("every listed schedule of classes is one") {
  diffx::for_each_type(diffx::registry::class_schedules{}, [&]<class S>() { check_schedule(S{}); });
}

}  // namespace
