// Numbering of categories and its views: what every code means, and that nothing is aliased.

#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/ordinal.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;
using doctest::Contains;
using table::label;
using labels = std::vector<label>;

label const absent = std::nullopt;

TEST_CASE("ordinal: sorted or by first appearance, and back") {
  labels const x{"b", "a", "c", "a"};
  auto const sorted = table::ordinal::fit(x);
  auto const first = table::ordinal::fit(x, {.order = table::category_order::first_appearance});
  CHECK(sorted.order() == table::category_order::sorted);
  CHECK(first.order() == table::category_order::first_appearance);
  std::vector<int> a, b;
  for (auto const& l : x) {
    a.push_back(sorted.encode(l));
    b.push_back(first.encode(l));
    CHECK(sorted.decode(a.back()) == l);
    CHECK(first.decode(b.back()) == l);
  }
  CHECK(a == std::vector<int>{1, 0, 2, 0});
  CHECK(b == std::vector<int>{0, 1, 2, 1});
  CHECK(sorted.size() == 3);
  CHECK(!sorted.is_valid(3));
  CHECK(!sorted.is_valid(-1));
  CHECK(sorted.decode(3) == absent);
}

TEST_CASE("ordinal: an unknown category is an error with row, line and column") {
  auto const codes = table::ordinal::fit(labels{"a", "b"});
  std::vector<std::int64_t> const lines{2, 3, 4, 8};
  CHECK_THROWS_WITH_AS(codes.encode("z", 3, {"colour", lines}),
                       Contains("row 3 (line 8), column 'colour': unknown category 'z'"), error);
  CHECK_THROWS_WITH_AS(codes.encode(absent, 1, {"colour", lines}),
                       Contains("row 1 (line 3), column 'colour': the cell is missing"), error);
  CHECK_THROWS_AS(codes.encode(""), error);  // an empty label is a label
}

TEST_CASE("ordinal: a reserved code for unknown categories is none of the others") {
  auto const codes = table::ordinal::fit(labels{"a", "b"}, {.reserve_unknown = true});
  CHECK(codes.size() == 3);
  CHECK(codes.unknown() == 2);
  CHECK(codes.encode("z") == 2);
  CHECK(codes.encode(absent) == 2);
  CHECK(codes.encode("a") == 0);
  CHECK(codes.decode(2) == absent);
  CHECK(!codes.is_valid(2));  // sampled, it says nothing
}

TEST_CASE("ordinal: missing cells are a category") {
  auto const codes = table::ordinal::fit(labels{"a", absent, "b"});
  CHECK(codes.size() == 3);
  CHECK(codes.missing_code() == 2);
  CHECK(codes.encode(absent) == 2);
  CHECK(codes.is_valid(2));
  CHECK(codes.decode(2) == absent);
  CHECK(table::ordinal::fit(labels{"a"}).missing_code() == std::nullopt);
  CHECK(table::ordinal::fit(labels{"a"}, {.reserve_missing = true}).missing_code() == 1);
  CHECK(table::ordinal::fit(labels{absent}).size() == 1);
}

TEST_CASE("ordinal: rare categories are merged") {
  labels const x{"a", "a", "a", "b", "b", "x", "y", absent};
  auto const codes = table::ordinal::fit(x, {.least = 2});
  CHECK(codes.size() == 4);  // a, b, other, missing
  CHECK(codes.merged() == 2);
  CHECK(codes.encode("x") == 2);
  CHECK(codes.encode("y") == 2);
  CHECK(codes.encode("other") == 2);  // what decode writes can be read again
  CHECK(codes.decode(2) == label("other"));
  CHECK(codes.encode(absent) == 3);
  CHECK_THROWS_AS(codes.encode("z"), error);  // rare is not unknown
  CHECK(table::ordinal::fit(x, {.least = 9, .reserve_unknown = true}).size() == 3);
  // The label of the merged ones must not be one that is kept.
  labels const taken{"other", "other", "x"};
  CHECK_THROWS_WITH_AS(table::ordinal::fit(taken, {.least = 2}, {"colour"}),
                       Contains("column 'colour': the merged label 'other'"), error);
  auto const renamed = table::ordinal::fit(taken, {.least = 2, .merged_label = "rest"});
  CHECK(renamed.decode(renamed.encode("x")) == label("rest"));
  CHECK(table::ordinal::fit(taken).size() == 2);  // nothing to merge, nothing to refuse
}

TEST_CASE("ordinal: a million categories") {
  labels x;
  x.reserve(1000000);
  for (std::int64_t i = 0; i < 1000000; ++i) x.emplace_back(std::to_string((i * 7919) % 1000000));
  auto const codes = table::ordinal::fit(x);
  CHECK(codes.size() == 1000000);
  bool good = true;
  for (std::size_t i = 0; i < x.size(); i += 97) {
    good = good && codes.decode(codes.encode(x[i])) == x[i];
  }
  CHECK(good);
  CHECK_THROWS_AS(codes.encode("1000000"), error);
}

TEST_CASE("ordinal refuses what it cannot number") {
  CHECK_THROWS_WITH_AS(table::ordinal::fit(labels{}, {}, {"colour"}),
                       Contains("column 'colour': no rows"), error);
  CHECK_THROWS_WITH_AS(table::ordinal::fit(labels{"a"}, {.least = 0}), Contains("least = 0"),
                       error);
  CHECK_THROWS_WITH_AS(table::ordinal({"a", "a"}, {}, {}, false), Contains("'a' twice"), error);
  CHECK_THROWS_AS(table::ordinal({"a"}, {"a"}, {}, false), error);
}

TEST_CASE("one_hot: blocks of every view, and back") {
  std::vector<int> const codes{2, 0, 0, 1};
  std::vector<int> back(4);
  for (bool const mask : {false, true}) {
    for (auto const view : {table::class_view::one_hot, table::class_view::log_one_hot}) {
      table::one_hot const blocks({3, 2}, view, mask);
      CHECK(blocks.columns() == 2);
      CHECK(blocks.width() == (mask ? 7 : 5));
      CHECK(blocks.offset(1) == (mask ? 4 : 3));
      std::vector<double> x(static_cast<std::size_t>(2 * blocks.width()), 9.0);
      blocks.write(batch_view<int const>{codes.data(), 2, 2},
                   batch_view<double>{x.data(), 2, blocks.width()});
      bool const log = view == table::class_view::log_one_hot;
      for (std::size_t i = 0; i < x.size(); ++i) {
        auto const slot = static_cast<std::int64_t>(i) % blocks.width();
        std::size_t const row = i / static_cast<std::size_t>(blocks.width());
        bool const on = slot == codes[2 * row] || slot == blocks.offset(1) + codes[2 * row + 1];
        CHECK(x[i] == (log ? (on ? 0.0 : std::log(1e-30)) : on ? 1.0 : 0.0));
      }
      blocks.read(batch_view<double const>{x.data(), 2, blocks.width()},
                  batch_view<int>{back.data(), 2, 2});
      CHECK(back == codes);
    }
  }
  CHECK(static_cast<float>(std::log(1e-30)) == doctest::Approx(-69.0776));
}

TEST_CASE("one_hot: the mask is written and never read; of equal scores the first") {
  table::one_hot const blocks({2}, table::class_view::one_hot, true);
  CHECK(blocks.mask(0) == 2);
  std::vector<int> code{2};
  std::vector<float> x(3);
  blocks.write(batch_view<int const>{code.data(), 1, 1}, batch_view<float>{x.data(), 1, 3});
  CHECK(x == std::vector<float>{0, 0, 1});
  blocks.read(batch_view<float const>{x.data(), 1, 3}, batch_view<int>{code.data(), 1, 1});
  CHECK(code[0] == 0);
  x = {0.1f, 0.4f, 0.5f};
  blocks.read(batch_view<float const>{x.data(), 1, 3}, batch_view<int>{code.data(), 1, 1});
  CHECK(code[0] == 1);
}

TEST_CASE("one_hot refuses codes outside their column, NaN and other shapes") {
  table::one_hot const blocks({3, 2});
  std::vector<int> codes{0, 0, 0, 2};
  std::vector<float> x(10);
  batch_view<float> const view{x.data(), 2, 5};
  CHECK_THROWS_WITH_AS(blocks.write(batch_view<int const>{codes.data(), 2, 2}, view),
                       Contains("row 1, column 1, code = 2, must be in [0, 2)"), error);
  codes[3] = -1;
  CHECK_THROWS_AS(blocks.write(batch_view<int const>{codes.data(), 2, 2}, view), error);
  CHECK_THROWS_WITH_AS(blocks.write(batch_view<int const>{codes.data(), 4, 1}, view),
                       Contains("columns = 1"), error);
  CHECK_THROWS_WITH_AS(blocks.write(batch_view<int const>{codes.data(), 1, 2}, view),
                       Contains("rows = 2"), error);
  x[8] = std::nanf("");
  CHECK_THROWS_WITH_AS(
      blocks.read(batch_view<float const>{x.data(), 2, 5}, batch_view<int>{codes.data(), 2, 2}),
      Contains("NaN in row 1, column 1, class 0"), error);
  CHECK_THROWS_WITH_AS(table::one_hot({3, 0}), Contains("column 1, classes = 0"), error);
}

}  // namespace
