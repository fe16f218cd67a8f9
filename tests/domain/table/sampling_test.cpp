// What a table's rows are sampled for, and which of them are kept.

#include <diffx/domain/table/class_labels.hpp>
#include <diffx/domain/table/table_codec.hpp>
#include <diffx/domain/table/valid_rows.hpp>

#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using namespace diffx;
namespace table = diffx::domain::table;
using labels = std::vector<std::int32_t>;

TEST_CASE("labels: counted, filled up, swapped and laid out") {
  auto const counts = table::counts_of(labels{2, 0, 2, 2, 1, 0}, 4);
  CHECK(counts == table::class_counts{2, 1, 3, 0});
  CHECK(table::counts_to_fill(counts) == table::class_counts{1, 2, 0, 3});
  CHECK(table::counts_swapped({5, 2}) == table::class_counts{2, 5});
  CHECK(table::labels_of({1, 0, 2}) == labels{0, 2, 2});
  CHECK(table::labels_of(table::counts_to_fill(counts)) == labels{0, 1, 1, 3, 3, 3});
  CHECK_THROWS_WITH_AS(table::counts_of(labels{0, 4}, 4), doctest::Contains("a label = 4"), error);
  CHECK_THROWS_AS(table::counts_of(labels{-1}, 4), error);
  CHECK_THROWS_AS(table::counts_of(labels{}, 0), error);
  CHECK_THROWS_AS(table::counts_to_fill({}), error);
  CHECK_THROWS_AS(table::counts_to_fill({1, -1}), error);
  CHECK_THROWS_AS(table::counts_swapped({1, 2, 3}), error);
}

TEST_CASE("labels: drawn at the frequencies of the rows, each by its own number, n = 1e5") {
  constexpr std::int64_t n = 100'000;
  table::class_counts const counts{30, 0, 50, 20};
  auto const drawn = table::draw_labels(counts, n, noise::counted{4});
  auto const again = table::counts_of(drawn, 4);
  CHECK(test::passes("labels", test::test_cells(again, std::vector{0.3, 0.0, 0.5, 0.2}).p));
  auto const fewer = table::draw_labels(counts, 100, noise::counted{4});
  CHECK(fewer == labels(drawn.begin(), drawn.begin() + 100));
  CHECK(table::draw_labels(counts, 100, noise::counted{5}) != fewer);
  CHECK(table::draw_labels({0, 7}, 3, noise::counted{5}) == labels{1, 1, 1});
  CHECK_THROWS_AS(table::draw_labels({0, 0}, 3, noise::counted{5}), error);
}

/// Rows numbered from `first`; every third has no meaning.
table::decoded numbered(std::int64_t first, std::int64_t count) {
  table::decoded out;
  std::vector<double> numbers;
  std::vector<table::label> names;
  for (std::int64_t i = first; i < first + count; ++i) {
    bool const bad = i % 3 == 0;
    numbers.push_back(bad ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(i));
    names.emplace_back(i % 2 == 0 ? "even" : "odd");
    out.bad_rows.push_back(bad ? 1 : 0);
    out.invalid += bad ? 1 : 0;
  }
  out.table = table::typed_table(
      {table::numeric_column("number", numbers), table::category_column("parity", names)});
  return out;
}

TEST_CASE("valid rows: dropped rows are drawn anew and counted") {
  std::int64_t next = 0;
  std::vector<int> rounds;
  auto const rows = table::draw_valid_rows(20, [&](int round, std::int64_t count) {
    rounds.push_back(round);
    auto out = numbered(next, count);
    next += count;
    return out;
  });
  CHECK(rows.table.rows() == 20);
  CHECK(rows.drawn == next);
  CHECK(rows.rejected == rows.drawn - 20);
  for (std::size_t k = 0; k < rounds.size(); ++k) CHECK(rounds[k] == static_cast<int>(k));
  CHECK(rounds.size() > 2);
  double last = -1.0;
  for (std::size_t i = 0; i < 20; ++i) {
    double const v = rows.table.at("number").numbers[i];
    CHECK(std::fmod(v, 3.0) != 0.0);
    CHECK(v > last);
    last = v;
    CHECK(rows.table.at("parity").labels[i] == (std::fmod(v, 2.0) == 0.0 ? "even" : "odd"));
  }

  auto const bad = [](int, std::int64_t count) {
    auto out = numbered(0, count);
    for (auto& b : out.bad_rows) b = 1;
    return out;
  };
  CHECK_THROWS_WITH_AS(table::draw_valid_rows(40, bad), doctest::Contains("120 of 120 rows"),
                       error);
  CHECK_THROWS_AS(table::draw_valid_rows(
                      400, [](int, std::int64_t n) { return numbered(0, n); }, 0.3),
                  error);
  CHECK_THROWS_AS(table::draw_valid_rows(0, bad), error);
  auto const unmarked = [](int, std::int64_t count) {
    auto out = numbered(0, count);
    out.bad_rows.clear();
    return out;
  };
  CHECK_THROWS_WITH_AS(table::draw_valid_rows(4, unmarked), doctest::Contains("bad_rows = 0"),
                       error);
  CHECK_THROWS_AS(table::draw_valid_rows(1, bad, 1.0), error);
  CHECK_THROWS_WITH_AS(
      table::draw_valid_rows(4, [](int, std::int64_t n) { return numbered(1, n - 1); }),
      doctest::Contains("as many as were asked for"), error);
}

}  // namespace
