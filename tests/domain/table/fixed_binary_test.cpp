// Rows of bits: round trips within the promised step, exact ones where they are snapped, codes that
// name nothing, and words of 64 bits.

#include <diffx/domain/table/bits.hpp>
#include <diffx/domain/table/fixed_binary.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;
using doctest::Contains;
using table::binary_rounding;
using table::label;
using table::snap;
using numbers = std::vector<double>;

table::typed_table one_column(numbers x) {
  return table::typed_table({table::numeric_column("x", std::move(x))});
}

table::per_column<table::binary_options> usual(table::binary_options o) {
  return {std::move(o), {}};
}

/// A column through its bits.
numbers there_and_back(numbers const& x, table::binary_options const& o) {
  auto const codec = table::fixed_binary::fit(one_column(x), usual(o));
  return codec.decode(codec.encode(one_column(x))).table.at("x").numbers;
}

/// Seeded numbers, exact to their last bit, of many magnitudes.
numbers many(std::size_t n, double scale) {
  numbers x(n);
  std::uint64_t z = 3;
  for (double& v : x) {
    z = z * 6364136223846793005u + 1442695040888963407u;
    v = scale * (static_cast<double>(z >> 11) * 0x1p-52 - 1.0);
  }
  return x;
}

TEST_CASE("bits: the highest first; as many as name every category") {
  CHECK(table::bits_for(1) == 1);
  CHECK(table::bits_for(2) == 1);
  CHECK(table::bits_for(3) == 2);
  CHECK(table::bits_for(4) == 2);
  CHECK(table::bits_for(5) == 3);
  CHECK(table::bits_for(1000000) == 20);
  CHECK(table::bits_for(std::int64_t{1} << 32) == 32);
  std::vector<std::uint8_t> b(4);
  table::put_bits(6, b);
  CHECK(b == std::vector<std::uint8_t>{0, 1, 1, 0});
  for (std::uint32_t const code : {0u, 1u, 0x80000000u, 0xFFFFFFFFu, 0x12345678u}) {
    std::vector<std::uint8_t> all(32);
    table::put_bits(code, all);
    CHECK(table::get_bits(all) == code);
  }
}

TEST_CASE("bits: words of 64 and of 32 hold the same rows, and every row begins a word") {
  for (std::int64_t const width : {1, 5, 63, 64, 65, 69, 128, 200}) {
    auto const w = static_cast<std::size_t>(width);
    std::vector<std::uint8_t> bits(3 * w);
    std::uint64_t z = 11;
    for (auto& b : bits) {
      z = z * 6364136223846793005u + 1442695040888963407u;
      b = static_cast<std::uint8_t>(z >> 63);
    }
    auto const words = table::pack_bits(bits, width);
    REQUIRE(words.size() == static_cast<std::size_t>(3 * table::words_for(width)));
    CHECK(table::unpack_bits(words, width) == bits);
    std::size_t const each = words.size() / 3;
    CHECK((words[each] & 1u) == bits[w]);  // bit 0 of row 1 is the lowest of its word
    if (width % 64 != 0) CHECK((words[each - 1] >> (width % 64)) == 0);
    auto const half = table::pack_bits<std::uint32_t>(bits, width);
    std::size_t const halves = half.size() / 3;
    CHECK(halves == (w + 31) / 32);
    CHECK(table::unpack_bits(half, width) == bits);
    for (std::size_t i = 0; i < halves; ++i) {  // word i / 2, its lower half first
      CHECK(half[halves + i] == static_cast<std::uint32_t>(words[each + i / 2] >> (i % 2 * 32)));
    }
  }
  CHECK_THROWS_WITH_AS(table::pack_bits(std::vector<std::uint8_t>{0, 2}, 2), Contains("bit = 2"),
                       error);
  CHECK_THROWS_AS(table::pack_bits(std::vector<std::uint8_t>{0, 1, 1}, 2), error);
  CHECK_THROWS_AS(table::unpack_bits(std::vector<std::uint64_t>{0, 1, 1}, 65), error);
}

TEST_CASE("fixed_binary: numbers come back within half a step, truncated ones within a step") {
  for (int const bits : {1, 2, 8, 31, 32}) {
    for (double const scale : {1e-9, 1.0, 12345.678, 1e12}) {
      numbers const x = many(500, scale);
      auto const codec = table::fixed_binary::fit(one_column(x));
      auto const [min, max] = codec.range("x");
      double const step = (max - min) / (std::pow(2.0, bits) - 1.0);
      // Some roundings in double, each of at most 2^-53 of the largest number in sight.
      double const rounding = 8.0 * 0x1p-53 * (std::fabs(min) + std::fabs(max));
      auto const near = there_and_back(x, {.bits = bits});
      auto const cut = there_and_back(x, {.bits = bits, .rounding = binary_rounding::truncate});
      for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(std::fabs(near[i] - x[i]) <= 0.5 * step + rounding);
        CHECK(cut[i] <= x[i] + rounding);
        CHECK(cut[i] > x[i] - step - rounding);
        if (x[i] == min || x[i] == max) {
          CHECK(near[i] == x[i]);
          CHECK(cut[i] == x[i]);
        }
      }
    }
  }
}

TEST_CASE("fixed_binary: whole and observed values come back exactly") {
  numbers whole = many(2000, 1e9);
  for (double& v : whole) v = std::floor(v);
  whole.push_back(1e9);
  whole.push_back(-1e9);
  CHECK(there_and_back(whole, {}) == whole);  // steps of half a unit
  CHECK(there_and_back(whole, {.snapping = snap::integer}) == whole);
  numbers const few{17, 18, 90, 44, 33};
  CHECK(there_and_back(few, {.rounding = binary_rounding::truncate}) == few);
  CHECK(there_and_back(few, {.rounding = binary_rounding::truncate, .snapping = snap::none}) !=
        few);
  numbers const levels{0.1, 0.25, 7.0 / 3.0, 0.1};
  CHECK(there_and_back(levels, {.bits = 8, .snapping = snap::observed}) == levels);
  CHECK(there_and_back({3.5, 3.5}, {}) == numbers{3.5, 3.5});
  auto const constant = table::fixed_binary::fit(one_column({3.5, 3.5}));
  CHECK(constant.decode(std::vector<std::uint8_t>(32, 1)).table.at("x").numbers[0] == 3.5);
  // The whole range of 32 bits: a step of exactly 1.
  numbers const widest{0, 4294967295.0, 1, 2147483648.0, 4294967294.0};
  CHECK(there_and_back(widest, {.snapping = snap::integer}) == widest);
  numbers const wider{0, 4294967296.0};
  CHECK_THROWS_WITH_AS(there_and_back(wider, {.snapping = snap::integer}),
                       Contains("column 'x': 32 bits do not tell"), error);
  CHECK(there_and_back(wider, {}) == wider);  // the ends, at any width
  // A step of 0.78: enough for the nearest, too coarse for one that is cut.
  numbers const coarse{0, 1, 2, 77, 199, 200};
  CHECK(there_and_back(coarse, {.bits = 8, .snapping = snap::integer}) == coarse);
  CHECK_THROWS_WITH_AS(
      there_and_back(coarse,
                     {.bits = 8, .rounding = binary_rounding::truncate, .snapping = snap::integer}),
      Contains("8 bits do not tell the whole numbers from 0 to 200 apart"), error);
}

TEST_CASE("fixed_binary: dates are whole days") {
  numbers const days{0, 1, 20000, 19999, -5};
  table::typed_table const t({table::date_column("d", days)});
  auto const codec = table::fixed_binary::fit(
      t, usual({.rounding = binary_rounding::truncate, .snapping = snap::none}));
  auto const back = codec.decode(codec.encode(t));
  CHECK(back.table.at({"d", table::column_kind::date}).numbers == days);
}

TEST_CASE("fixed_binary: codes beyond the categories are missing cells, and counted") {
  for (int const k : {1, 2, 3, 4, 5, 7, 8}) {
    std::vector<label> l;
    for (int i = 0; i < k; ++i) l.emplace_back(std::string(1, static_cast<char>('a' + i)));
    table::typed_table const t({table::category_column("c", l)});
    auto const codec = table::fixed_binary::fit(t);
    int const bits = codec.bits()[0];
    REQUIRE(bits == table::bits_for(k));
    for (std::uint32_t code = 0; code < 1u << bits; ++code) {
      std::vector<std::uint8_t> b(static_cast<std::size_t>(bits));
      table::put_bits(code, b);
      auto const got = codec.decode(b);
      bool const valid = code < static_cast<std::uint32_t>(k);
      CHECK(got.invalid == (valid ? 0 : 1));
      CHECK(got.bad_rows[0] == (valid ? 0 : 1));
      CHECK(got.table.at("c").labels[0] == (valid ? l[code] : label()));
    }
  }
}

TEST_CASE("fixed_binary: every row of bits is a table, and what names something comes back") {
  // 3 categories and a missing one fill their 2 bits; the reserved code is never valid.
  table::typed_table const t(
      {table::category_column("c", {label("p"), label("q"), std::nullopt, label("r")}),
       table::numeric_column("x", {1, 2, 3, 4})});
  auto const codec = table::fixed_binary::fit(t, usual({.bits = 4}));
  CHECK(codec.row_bits() == 6);
  for (std::uint32_t code = 0; code < 64; ++code) {
    std::vector<std::uint8_t> b(6);
    table::put_bits(code, b);
    auto const got = codec.decode(b);
    CHECK(got.invalid == 0);
    CHECK(codec.encode(got.table).size() == 6);
  }
  auto const back = codec.decode(codec.encode(t));
  CHECK(back.table.at("c").labels == t.at("c").labels);
  CHECK(back.table.at("x").numbers == t.at("x").numbers);
  auto const reserved =
      table::fixed_binary::fit(t, usual({.bits = 4, .categories = {.reserve_unknown = true}}));
  CHECK(reserved.bits() == std::vector<int>{3, 4});
  CHECK(reserved.decode(std::vector<std::uint8_t>{1, 0, 0, 0, 0, 0, 0}).invalid == 1);
}

TEST_CASE("fixed_binary: saved and read again it gives the same bits; altered it is refused") {
  table::typed_table const t(
      {table::category_column("c", {label("p q\n"), label(""), std::nullopt}),
       table::numeric_column("x", {0.1, 2, 3}), table::date_column("d", {1, 2, 3})});
  table::per_column<table::binary_options> o;
  o.usual.rounding = binary_rounding::truncate;
  o.of.push_back({"x", {.bits = 12, .snapping = snap::observed}});
  auto const codec = table::fixed_binary::fit(t, o);
  auto const text = codec.to_text();
  auto const again = table::fixed_binary::from_text(text);
  CHECK(again.to_text() == text);
  CHECK(again.encode(t) == codec.encode(t));
  CHECK(again.schema() == t.schema());
  CHECK(again.decode(codec.encode(t)).table.at("x").numbers == t.at("x").numbers);
  for (std::size_t n = 0; n < text.size(); ++n) {
    CHECK_THROWS_AS(table::fixed_binary::from_text(text.substr(0, n)), error);
  }
  for (std::size_t n = 0; n < text.size(); ++n) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = text;
      bad[n] = static_cast<char>(bad[n] ^ 1 << bit);
      CHECK_THROWS_AS(table::fixed_binary::from_text(bad), error);
    }
  }
}

TEST_CASE("fixed_binary: numbers that may miss have a bit that says so") {
  double const nan = std::nan("");
  table::typed_table const t(
      {table::numeric_column("x", {nan, 3, 7, nan, 0}),
       table::category_column("c", {label("a"), label("b"), label("a"), label("b"), label("a")})});
  auto const codec = table::fixed_binary::fit(t, usual({.bits = 4, .may_miss = true}));
  CHECK(codec.bits() == std::vector<int>{5, 1});
  CHECK(codec.row_bits() == 6);
  CHECK(codec.range("x") == std::pair{0.0, 7.0});
  auto const bits = codec.encode(t);
  for (std::size_t i = 0; i < 5; ++i) CHECK(bits[6 * i] == (i == 0 || i == 3 ? 0 : 1));
  for (auto const& c : {codec, table::fixed_binary::from_text(codec.to_text())}) {
    auto const back = c.decode(bits);
    CHECK(back.invalid == 0);
    auto const& x = back.table.at("x").numbers;
    for (std::size_t i = 0; i < 5; ++i) {
      double const want = t.at("x").numbers[i];
      CHECK((std::isnan(want) ? std::isnan(x[i]) : x[i] == want));
    }
    CHECK(back.table.at("c").labels == t.at("c").labels);
  }
  // What stands behind a bit that says no does not count; a bit is 0 or 1.
  auto noise = bits;
  noise[3] = 1;
  CHECK(std::isnan(codec.decode(noise).table.at("x").numbers[0]));
  noise[0] = 2;
  CHECK_THROWS_WITH_AS(codec.decode(noise), Contains("bit = 2"), error);
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(one_column({nan, nan}), usual({.may_miss = true})),
                       Contains("column 'x': every cell is missing"), error);
  CHECK_THROWS_WITH_AS(
      table::fixed_binary::fit(one_column({nan, HUGE_VAL}), usual({.may_miss = true})),
      Contains("row"), error);
}

TEST_CASE("fixed_binary refuses what it cannot write, with row, line and column") {
  double const nan = std::nan("");
  auto const codec = table::fixed_binary::fit(one_column({0, 1}));
  table::typed_table const bad({table::numeric_column("x", {0.5, 1.5})}, {2, 7});
  CHECK_THROWS_WITH_AS(codec.encode(bad), Contains("row 1 (line 7), column 'x': 1.5 is outside"),
                       error);
  CHECK_THROWS_WITH_AS(codec.encode(one_column({0, nan})),
                       Contains("row 1, column 'x': the number is missing"), error);
  CHECK_THROWS_AS(codec.encode(one_column({-std::numeric_limits<double>::infinity()})), error);
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(one_column({nan})), Contains("row 0, column 'x'"),
                       error);
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(one_column({})), Contains("no rows"), error);
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(one_column({0, 1}), usual({.bits = 33})),
                       Contains("column 'x': bits = 33"), error);
  CHECK_THROWS_AS(table::fixed_binary::fit(one_column({0, 1}), usual({.bits = 0})), error);
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(one_column({-1.7e308, 1.7e308})),
                       Contains("column 'x': max - min"), error);
  CHECK_THROWS_WITH_AS(codec.decode(std::vector<std::uint8_t>(31)), Contains("a multiple of 32"),
                       error);
  std::vector<std::uint8_t> two(32);
  two[5] = 2;
  CHECK_THROWS_WITH_AS(codec.decode(two), Contains("bit = 2"), error);
  table::typed_table const other({table::category_column("x", {label("a")})});
  CHECK_THROWS_WITH_AS(codec.encode(other), Contains("column 'x': it is category, must be numeric"),
                       error);
  table::typed_table const renamed({table::numeric_column("y", {0.5})});
  CHECK_THROWS_WITH_AS(codec.encode(renamed), Contains("column 'x': there is no such column"),
                       error);
  table::typed_table const more(
      {table::numeric_column("x", {0.5}), table::numeric_column("y", {0.5})});
  CHECK_THROWS_WITH_AS(codec.encode(more), Contains("column 'y': the codec was fitted without"),
                       error);
  table::per_column<table::binary_options> o;
  o.of.push_back({"z", {}});
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(one_column({0, 1}), o), Contains("column 'z'"),
                       error);
  table::typed_table const colours({table::category_column("c", {label("a"), label("b")})});
  table::typed_table const unseen({table::category_column("c", {label("a"), label("z")})});
  CHECK_THROWS_WITH_AS(table::fixed_binary::fit(colours).encode(unseen),
                       Contains("row 1, column 'c': unknown category 'z'"), error);
}

}  // namespace
