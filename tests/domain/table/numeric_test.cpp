// Transforms of numeric columns: what they promise beside the golden values, and their errors.

#include <diffx/domain/table/dates.hpp>
#include <diffx/domain/table/min_max.hpp>
#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/quantile_normal.hpp>
#include <diffx/domain/table/round_to_observed.hpp>
#include <diffx/domain/table/snap.hpp>
#include <diffx/domain/table/standard.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;
using doctest::Contains;
using numbers = std::vector<double>;

constexpr double inf = std::numeric_limits<double>::infinity();
double const nan = std::nan("");

/// Seeded numbers of a skewed law, all different.
numbers skewed(std::size_t n) {
  numbers x(n);
  std::uint64_t z = 7;
  for (double& v : x) {
    z = z * 6364136223846793005u + 1442695040888963407u;
    v = -std::log1p(-static_cast<double>(z >> 11) * 0x1p-53);
  }
  return x;
}

TEST_CASE("quantile_normal: the number of levels") {
  using q = table::quantile_normal;
  CHECK(q::default_levels(1) == 10);
  CHECK(q::default_levels(329) == 10);
  CHECK(q::default_levels(330) == 11);
  CHECK(q::default_levels(29999) == 999);
  CHECK(q::default_levels(1000000) == 1000);
  CHECK(q::fit(skewed(5)).quantiles().size() == 5);  // no more than rows
  CHECK(q::fit(numbers{3.0}).quantiles().size() == 2);
}

TEST_CASE("quantile_normal: normal numbers, in order, and back") {
  auto const x = skewed(3000);
  auto const q = table::quantile_normal::fit(x);
  double sum = 0.0, squares = 0.0, before = -inf;
  numbers sorted = x;
  std::sort(sorted.begin(), sorted.end());
  for (double const v : sorted) {
    double const z = q.encode(v);
    CHECK(z >= before);
    before = z;
    sum += z;
    squares += z * z;
    // Between two quantiles both ways are straight lines, up to the rounding of Phi and its inverse
    // near the ends, where u is within 1e-3 of 0 or 1.
    CHECK(q.decode(z) == doctest::Approx(v).epsilon(1e-9));
  }
  // 100 levels: the normal law cut into 99 parts of equal mass keeps its moments to 1e-2, apart
  // from the two ends at +-5.2, which are two rows of 3000.
  CHECK(std::fabs(sum / 3000.0) < 1e-2);
  CHECK(squares / 3000.0 == doctest::Approx(1.0).epsilon(0.05));
}

TEST_CASE("quantile_normal: the units of a column make no difference") {
  auto const x = skewed(100);
  auto const q = table::quantile_normal::fit(x);
  for (double const unit : {0x1p-200, 0x1p-30, 0x1p40}) {  // powers of 2: the same digits
    numbers scaled = x;
    for (double& v : scaled) v *= unit;
    auto const other = table::quantile_normal::fit(scaled);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(other.encode(scaled[i]) == q.encode(x[i]));
      CHECK(other.decode(0.1) == q.decode(0.1) * unit);
    }
  }
}

TEST_CASE("quantile_normal: ties go to the middle of their levels, constants to 0") {
  // Half of the rows are 0 and lie in the middle: levels 1/4 to 3/4.
  auto const q = table::quantile_normal::fit(numbers{-1, -0.5, 0, 0, 0, 0.5, 1}, 7);
  CHECK(std::fabs(q.encode(0.0)) < 1e-15);
  CHECK(q.encode(-1.0) == -table::quantile_normal::bound);
  CHECK(q.encode(1.0) == table::quantile_normal::bound);
  auto const constant = table::quantile_normal::fit(numbers{2.5, 2.5, 2.5});
  CHECK(constant.encode(2.5) == 0.0);
  for (double const z : {-9.0, -0.3, 0.0, 4.0}) CHECK(constant.decode(z) == 2.5);
  CHECK(std::isnan(q.encode(nan)));
  CHECK(std::isnan(q.decode(nan)));
  CHECK(q.encode(inf) == table::quantile_normal::bound);
  CHECK(q.decode(-inf) == -1.0);
}

TEST_CASE("standard: the deviation divides by the rows; a large offset costs no digits") {
  auto const s = table::standard::fit(numbers{1e9 + 1, 1e9 + 3});
  CHECK(s.mean() == 1e9 + 2);
  CHECK(s.std() == 1.0);
  CHECK(s.encode(1e9 + 3) == 1.0);
  CHECK(s.decode(-1.0) == 1e9 + 1);
  // The mean of equal numbers need not be that number in floating point; a constant is found first.
  auto const constant = table::standard::fit(numbers{0.1, 0.1, 0.1});
  CHECK(constant.std() == 0.0);
  CHECK(constant.encode(0.1) == 0.0);
  CHECK(constant.encode(7.0) == 0.0);
  CHECK(constant.decode(3.0) == 0.1);
}

TEST_CASE("min_max: both ranges, outside them, and a constant") {
  numbers const x{2, 4, 6};
  auto const unit = table::min_max::fit(x);
  CHECK(unit.encode(2) == 0.0);
  CHECK(unit.encode(6) == 1.0);
  CHECK(unit.encode(8) == 1.5);
  auto const symmetric = table::min_max::fit(x, -1.0, 1.0);
  CHECK(symmetric.encode(2) == -1.0);
  CHECK(symmetric.encode(4) == 0.0);
  CHECK(symmetric.decode(1.0) == 6.0);
  for (double const low : {0.0, -1.0}) {
    auto const constant = table::min_max::fit(numbers{5, 5}, low, 1.0);
    CHECK(constant.encode(5) == 0.0);
    CHECK(constant.decode(0.0) == 5.0);
    CHECK(constant.decode(-3.0) == 5.0);
  }
}

TEST_CASE("round_to_observed: the nearest, of two the smaller") {
  auto const round = table::round_to_observed::fit(numbers{7, 0, 3, 1, 3});
  CHECK(round(0.5) == 0.0);
  CHECK(round(std::nextafter(0.5, 1.0)) == 1.0);
  CHECK(round(2.0) == 1.0);
  CHECK(round(5.0) == 3.0);
  CHECK(round(inf) == 7.0);
  CHECK(round(-inf) == 0.0);
  CHECK(std::isnan(round(nan)));
  for (double const v : {0.0, 1.0, 3.0, 7.0}) CHECK(round(v) == v);
  CHECK(round.suits());
  CHECK(!round.suits(3));
  CHECK(!table::round_to_observed::fit(numbers{0.5}).suits());
}

TEST_CASE("snap: what is chosen from the numbers of a column") {
  using table::snap;
  auto const chosen = [](numbers const& x, snap how) { return table::snapper::fit(x, how).how(); };
  numbers many(33);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<double>(i);
  CHECK(chosen({1, 2}, snap::none) == snap::none);
  CHECK(chosen({1, 2}, snap::whole_numbers) == snap::integer);
  CHECK(chosen({1, 2.5}, snap::whole_numbers) == snap::none);
  CHECK(chosen({1, 2}, snap::few_levels) == snap::observed);
  CHECK(chosen(many, snap::few_levels) == snap::none);
  CHECK(chosen({1, 2.5}, snap::few_levels) == snap::none);
  CHECK(chosen({1, 2.5}, snap::observed) == snap::observed);
  auto const s = table::snapper::fit(numbers{-2, 5}, snap::integer);
  CHECK(s(1.5) == 1.0);
  CHECK(s(1.6) == 2.0);
  CHECK(s(99.0) == 5.0);
  CHECK(s(-99.0) == -2.0);
  CHECK_THROWS_WITH_AS(table::snapper::fit(numbers{1, 2.5}, snap::integer, {"age"}),
                       Contains("row 1, column 'age': 2.5 is no whole number"), error);
}

TEST_CASE("dates: every day of four centuries, and what is none") {
  CHECK(*table::days_of("1970-01-01") == 0.0);
  CHECK(*table::days_of("2000-03-01") == 11017.0);
  CHECK(*table::days_of("0001-01-01") == table::first_day);
  CHECK(*table::days_of("9999-12-31") == table::last_day);
  std::string before;
  for (int day = -146097 / 2; day < 146097 / 2; ++day) {
    auto const text = table::date_of(day);
    REQUIRE(text > before);  // ISO 8601 sorts as time does
    before = text;
    REQUIRE(*table::days_of(text) == day);
  }
  CHECK(table::date_of(0.49) == "1970-01-01");
  CHECK(table::date_of(-0.51) == "1969-12-31");
  for (char const* bad :
       {"", "1970-1-1", "1970-13-01", "1970-00-10", "1970-02-29", "1900-02-29", "2000-02-30",
        "1970/01/01", "19700101", "0000-01-01", "1970-01-01 ", "1970-01-0x", "-970-01-01"}) {
    CHECK(!table::days_of(bad));
  }
  CHECK(table::days_of("2000-02-29"));
  CHECK_THROWS_WITH_AS(table::date_of(nan), Contains("days"), error);
  CHECK_THROWS_AS(table::date_of(table::last_day + 0.5), error);
  CHECK_THROWS_AS(table::date_of(-inf), error);
}

TEST_CASE("missing: the cells that are there") {
  CHECK(table::observed(numbers{1, nan, 3}) == numbers{1, 3});
  CHECK(table::mean_of(table::observed(numbers{1, nan, 3})) == 2.0);
  CHECK_THROWS_WITH_AS(table::observed(numbers{nan, nan}, {"age"}),
                       Contains("column 'age': every cell is missing"), error);
  std::vector<std::int64_t> const lines{2, 3, 9};
  CHECK_THROWS_WITH_AS(table::observed(numbers{1, 2, inf}, {"age", lines}),
                       Contains("row 2 (line 9), column 'age': an infinite number"), error);
}

TEST_CASE("numeric transforms refuse what they cannot fit, with row, line and column") {
  std::vector<std::int64_t> const lines{2, 5};
  table::place const at{"age", lines};
  CHECK_THROWS_WITH_AS(table::quantile_normal::fit(numbers{1, nan}, 0, at),
                       Contains("row 1 (line 5), column 'age': the number is missing"), error);
  CHECK_THROWS_WITH_AS(table::standard::fit(numbers{-inf, 1}, at),
                       Contains("row 0 (line 2), column 'age': an infinite number"), error);
  CHECK_THROWS_WITH_AS(table::min_max::fit(numbers{}, 0, 1, at), Contains("column 'age': no rows"),
                       error);
  CHECK_THROWS_AS(table::round_to_observed::fit(numbers{nan}), error);
  CHECK_THROWS_WITH_AS(table::quantile_normal::fit(numbers{1, 2}, 1), Contains("levels = 1"),
                       error);
  CHECK_THROWS_WITH_AS(table::min_max::fit(numbers{1, 2}, 1.0, 1.0), Contains("high = 1"), error);
  CHECK_THROWS_WITH_AS(table::min_max::fit(numbers{-1.7e308, 1.7e308}), Contains("max = "), error);
  CHECK_THROWS_AS(table::standard::fit(numbers{-1.7e308, 1.7e308}), error);
  CHECK_THROWS_AS(table::quantile_normal::fit(numbers{-1.7e308, 1.7e308}), error);
  CHECK_THROWS_WITH_AS(table::quantile_normal(numbers{2, 1}), Contains("quantile 1 = 1"), error);
  CHECK_THROWS_AS(table::round_to_observed(numbers{1, 1}), error);
  CHECK_THROWS_AS(table::round_to_observed(numbers{}), error);
  CHECK_THROWS_AS(table::standard(0.0, -1.0), error);
}

}  // namespace
