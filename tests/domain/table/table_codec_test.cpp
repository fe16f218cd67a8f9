// Codecs of whole tables: the layout of the joint state, round trips, missing cells, and files.

#include <diffx/detail/codec_text.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/domain/table/table_codec.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;
using doctest::Contains;
using table::codec_options;
using table::column_kind;
using table::label;
using table::missing;
using table::numeric_form;
using table::snap;
using numbers = std::vector<double>;

double const nan = std::nan("");

table::typed_table people() {
  return table::typed_table(
      {table::numeric_column("age", {17, 18, 90, 44, 33, 17}),
       table::category_column("job", {label("cook"), label("baker"), std::nullopt, label("cook"),
                                      label("miner"), label("baker")}),
       table::numeric_column("pay", {1.5, 2.25, -3, 1e6, 0.1, 7}),
       table::date_column("since", {0, 365, -1, 12000, 11999, 5})});
}

bool same(numbers const& a, numbers const& b, double tolerance) {
  bool good = a.size() == b.size();
  for (std::size_t i = 0; good && i < a.size(); ++i) {
    good = (std::isnan(a[i]) && std::isnan(b[i])) ||
           std::fabs(a[i] - b[i]) <= tolerance * std::fmax(1.0, std::fabs(b[i]));
  }
  return good;
}

TEST_CASE("table_codec: numbers, codes and what comes back") {
  auto const t = people();
  for (auto const form :
       {numeric_form::quantile_normal, numeric_form::standard, numeric_form::min_max}) {
    codec_options o;
    o.form = form;
    auto const codec = table::table_codec::fit(t, {o, {}});
    CHECK(codec.schema() == t.schema());
    CHECK(codec.width() == 3);
    CHECK(codec.classes() == std::vector<int>{4});  // three jobs and none
    CHECK(codec.categories("job").decode(0) == label("baker"));
    auto const e = codec.encode(t);
    CHECK(e.rows == 6);
    CHECK(e.codes == std::vector<std::int32_t>{1, 0, 3, 1, 2, 0});
    auto const back = codec.decode(e.numbers_view(), e.codes_view());
    CHECK(back.invalid == 0);
    CHECK(back.table.schema() == t.schema());
    CHECK(back.table.at("job").labels == t.at("job").labels);
    CHECK(back.table.at("age").numbers == t.at("age").numbers);  // few whole numbers: snapped
    CHECK(back.table.at("since").numbers == t.at("since").numbers);
    // Ten levels of six rows: straight lines between the rows. Up to rounding in Phi, whose slope
    // at the ends is below 1e-5 of a level per unit.
    CHECK(same(back.table.at("pay").numbers, t.at("pay").numbers, 1e-9));
  }
}

TEST_CASE("table_codec: settings of single columns, float states, one-hot rows") {
  auto const t = people();
  table::per_column<codec_options> o;
  o.usual.form = numeric_form::standard;
  o.of.push_back({"pay", {.form = numeric_form::min_max, .low = 0.0, .rounding = snap::observed}});
  o.of.push_back({"job", {.categories = {.order = table::category_order::first_appearance}}});
  auto const codec = table::table_codec::fit(t, o);
  auto const e = codec.encode(t);
  CHECK(e.numbers[1 + 3 * 2] == 0.0);  // the lowest pay
  CHECK(e.numbers[1 + 3 * 3] == 1.0);
  CHECK(e.codes[0] == 0);
  table::one_hot const blocks(codec.classes(), table::class_view::log_one_hot);
  std::vector<float> shown(static_cast<std::size_t>(e.rows * blocks.width()));
  batch_view<float> const view{shown.data(), e.rows, blocks.width()};
  blocks.write(e.codes_view(), view);
  std::vector<std::int32_t> codes(e.codes.size());
  blocks.read(batch_view<float const>{shown.data(), e.rows, blocks.width()},
              batch_view<std::int32_t>{codes.data(), e.rows, 1});
  std::vector<float> const x(e.numbers.begin(), e.numbers.end());
  auto const back = codec.decode(batch_view<float const>{x.data(), e.rows, e.width},
                                 batch_view<std::int32_t const>{codes.data(), e.rows, 1});
  CHECK(back.table.at("job").labels == t.at("job").labels);
  CHECK(back.table.at("age").numbers == t.at("age").numbers);
  // Observed values that are farther apart than float's rounding of 1e6 in 24 bits.
  CHECK(back.table.at("pay").numbers == t.at("pay").numbers);
}

TEST_CASE("table_codec: sampled dates are whole days of the column's years, whatever is asked") {
  table::typed_table const t({table::date_column("d", {10, 20, 40})});
  for (auto const asked : {snap::none, snap::few_levels, snap::whole_numbers, snap::integer}) {
    codec_options o;
    o.form = numeric_form::min_max;
    o.rounding = asked;
    auto const codec = table::table_codec::fit(t, {o, {}});
    numbers const z{-0.97, 0.01, 1.5};  // days 10.45, 25.15 and 47.5
    auto const back = codec.decode(batch_view<double const>{z.data(), 3, 1},
                                   batch_view<int const>{nullptr, 3, 0});
    CHECK(back.table.columns()[0].numbers == numbers{10, 25, 40});
  }
}

TEST_CASE("table_codec: missing numbers are refused, imputed, marked or dropped") {
  table::typed_table const t({table::numeric_column("x", {1.5, nan, 3.5}),
                              table::category_column("c", {label("a"), label("b"), label("c")})},
                             {2, 3, 5});
  CHECK_THROWS_WITH_AS(table::table_codec::fit(t),
                       Contains("row 1 (line 3), column 'x': the number is missing"), error);
  auto const with = [&](missing m, bool indicator) {
    codec_options o;
    o.form = numeric_form::standard;
    o.on_missing = m;
    o.indicator = indicator;
    return table::table_codec::fit(t, {o, {}});
  };
  auto const mean = with(missing::mean, false);
  auto const e = mean.encode(t);
  CHECK(e.numbers == numbers{-1, 0, 1});
  CHECK(mean.decode(e.numbers_view(), e.codes_view()).table.at("x").numbers ==
        numbers{1.5, 2.5, 3.5});

  auto const marked = with(missing::mean, true);
  CHECK(marked.classes() == std::vector<int>{2, 3});
  auto const m = marked.encode(t);
  CHECK(m.codes == std::vector<std::int32_t>{0, 0, 1, 1, 0, 2});
  CHECK(same(marked.decode(m.numbers_view(), m.codes_view()).table.at("x").numbers, {1.5, nan, 3.5},
             0.0));

  auto const dropping = with(missing::drop_row, false);
  auto const d = dropping.encode(t);
  CHECK(d.rows == 2);
  CHECK(d.kept == std::vector<std::size_t>{0, 2});
  CHECK(d.codes == std::vector<std::int32_t>{0, 2});
  CHECK_THROWS_WITH_AS(with(missing::drop_row, true), Contains("column 'x': an indicator needs"),
                       error);
  table::typed_table const none({table::numeric_column("x", {nan, nan})});
  codec_options o;
  o.on_missing = missing::mean;
  CHECK_THROWS_WITH_AS(table::table_codec::fit(none, {o, {}}),
                       Contains("column 'x': every cell is missing"), error);
}

TEST_CASE("table_codec: what was sampled and means nothing is missing, and counted") {
  auto const t = people();
  codec_options o;
  o.form = numeric_form::standard;
  o.on_missing = missing::mean;
  o.indicator = true;
  o.categories.reserve_unknown = true;
  auto const codec = table::table_codec::fit(t, {o, {}});
  auto e = codec.encode(t);
  REQUIRE(e.columns == 4);
  e.numbers[0] = nan;                                      // row 0, age
  e.numbers[4] = std::numeric_limits<double>::infinity();  // row 1, pay
  e.codes[2 * 4 + 1] = 4;                                  // row 2, job: the reserved code
  e.codes[3 * 4 + 1] = 77;
  e.codes[4 * 4 + 0] = 2;  // row 4: no indicator of age
  auto const back = codec.decode(e.numbers_view(), e.codes_view());
  CHECK(back.invalid == 5);
  CHECK(back.bad_rows == std::vector<std::uint8_t>{1, 1, 1, 1, 1, 0});
  CHECK(std::isnan(back.table.at("age").numbers[0]));
  CHECK(std::isnan(back.table.at("pay").numbers[1]));
  CHECK(back.table.at("job").labels[3] == std::nullopt);
  CHECK(std::isnan(back.table.at("age").numbers[4]));
  CHECK(back.table.at("age").numbers[5] == 17.0);
}

TEST_CASE("table_codec: a table of another schema is refused by column") {
  auto const codec = table::table_codec::fit(people());
  auto columns = [] {
    auto const t = people();
    return std::vector<table::column>(t.columns().begin(), t.columns().end());
  };
  auto less = columns();
  less.erase(less.begin() + 2);
  CHECK_THROWS_WITH_AS(codec.encode(table::typed_table(less)),
                       Contains("column 'pay': there is no such column"), error);
  auto more = columns();
  more.push_back(table::numeric_column("height", numbers(6, 1.0)));
  CHECK_THROWS_WITH_AS(codec.encode(table::typed_table(more)),
                       Contains("column 'height': the codec was fitted without"), error);
  auto other = columns();
  other[2] = table::date_column("pay", numbers(6, 1.0));
  CHECK_THROWS_WITH_AS(codec.encode(table::typed_table(other)),
                       Contains("column 'pay': it is date, must be numeric"), error);
  auto turned = columns();
  std::swap(turned[0], turned[2]);  // by name, not by place
  CHECK(codec.encode(table::typed_table(turned)).numbers == codec.encode(people()).numbers);
  auto unknown = columns();
  unknown[1].labels[4] = "pilot";
  CHECK_THROWS_WITH_AS(codec.encode(table::typed_table(unknown, {2, 3, 4, 5, 6, 7})),
                       Contains("row 4 (line 6), column 'job': unknown category 'pilot'"), error);
  auto infinite = columns();
  infinite[2].numbers[1] = -std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(codec.encode(table::typed_table(infinite)),
                       Contains("row 1, column 'pay': an infinite number"), error);
  infinite[2].numbers[1] = nan;
  CHECK_THROWS_WITH_AS(codec.encode(table::typed_table(infinite)),
                       Contains("row 1, column 'pay': the number is missing"), error);
  auto const e = codec.encode(people());
  batch_view<double const> const narrow{e.numbers.data(), 6, 2};
  CHECK_THROWS_WITH_AS(codec.decode(narrow, e.codes_view()), Contains("numbers in a row = 2"),
                       error);
  batch_view<std::int32_t const> const few{e.codes.data(), 5, 1};
  CHECK_THROWS_WITH_AS(codec.decode(e.numbers_view(), few), Contains("rows of the codes = 5"),
                       error);
  CHECK_THROWS_AS(table::table_codec::fit(table::typed_table()), error);
  CHECK_THROWS_AS(codec.categories("pay"), error);
}

TEST_CASE("typed_table refuses columns that are no table") {
  CHECK_THROWS_WITH_AS(
      table::typed_table({table::numeric_column("a", {1}), table::numeric_column("b", {1, 2})}),
      Contains("column 'b': 2 rows, must be 1"), error);
  CHECK_THROWS_WITH_AS(
      table::typed_table({table::numeric_column("a", {1}), table::numeric_column("a", {1})}),
      Contains("column 'a': this name stands twice"), error);
  CHECK_THROWS_WITH_AS(table::typed_table({table::numeric_column("", {1})}),
                       Contains("column 0 has no name"), error);
  CHECK_THROWS_WITH_AS(table::typed_table({table::numeric_column("a", {1})}, {2, 3}),
                       Contains("lines = 2"), error);
}

/// A codec of every kind of part that a file can hold.
table::table_codec every_part() {
  table::typed_table const t(
      {table::numeric_column("q", {1.5, 2, 3, 0.1}), table::numeric_column("s", {1, 2, 3, nan}),
       table::numeric_column("m", {1, 2, 3, 4}),
       table::category_column("c \n\"x\"", {label("a b"), label(""), std::nullopt, label("")}),
       table::date_column("d", {1, 2, 3, 4})});
  table::per_column<codec_options> o;
  o.of.push_back({"s",
                  {.form = numeric_form::standard,
                   .rounding = snap::integer,
                   .on_missing = missing::mean,
                   .indicator = true}});
  o.of.push_back({"m", {.form = numeric_form::min_max, .rounding = snap::none}});
  o.of.push_back({"c \n\"x\"", {.categories = {.least = 2, .reserve_unknown = true}}});
  return table::table_codec::fit(t, o);
}

TEST_CASE("table_codec: saved and read again it is the same codec") {
  auto const codec = every_part();
  auto const text = codec.to_text();
  auto const again = table::table_codec::from_text(text);
  CHECK(again.to_text() == text);
  CHECK(again.classes() == codec.classes());
  table::typed_table const t({table::numeric_column("q", {0.7, 9}),
                              table::numeric_column("s", {nan, 2}),
                              table::numeric_column("m", {5, 2.5}),
                              table::category_column("c \n\"x\"", {label("new"), label("a b")}),
                              table::date_column("d", {3, 2})});
  auto const a = codec.encode(t), b = again.encode(t);
  CHECK(a.numbers == b.numbers);
  CHECK(a.codes == b.codes);

  std::string const path = "/tmp/diffx_table_codec_" + std::to_string(getpid());
  codec.save(path);
  codec.save(path);  // over the old one
  CHECK(table::table_codec::load(path).to_text() == text);
  std::remove(path.c_str());
  CHECK_THROWS_WITH_AS(table::table_codec::load(path), Contains("cannot be opened"), error);
  CHECK_THROWS_WITH_AS(codec.save("/nonexistent/folder/codec"), Contains("cannot be created"),
                       error);
}

TEST_CASE("table_codec: a file that is cut off or altered is refused") {
  auto const text = every_part().to_text();
  using table::table_codec;
  CHECK_THROWS_WITH_AS(table_codec::from_text(""), Contains("no file of a table_codec"), error);
  CHECK_THROWS_WITH_AS(table_codec::from_text("diffx table_codec 2\n" + text.substr(20)),
                       Contains("another version"), error);
  CHECK_THROWS_WITH_AS(table_codec::from_text(text.substr(0, text.size() / 2)), Contains("cut off"),
                       error);
  std::string changed = text;
  changed[text.find("1.5")] = '2';
  CHECK_THROWS_WITH_AS(table_codec::from_text(changed), Contains("checksum differs"), error);
  std::string more = text.substr(0, text.size() - detail::codec_text_reader::tail) + "0 \n";
  more += "checksum " + detail::checksum(more) + "\n";
  CHECK_THROWS_WITH_AS(table_codec::from_text(more), Contains("there is more in it"), error);
  for (std::size_t n = 0; n < text.size(); ++n) {
    CHECK_THROWS_AS(table_codec::from_text(text.substr(0, n)), error);
    for (int bit = 0; bit < 8; ++bit) {
      changed = text;
      changed[n] = static_cast<char>(changed[n] ^ 1 << bit);
      CHECK_THROWS_AS(table_codec::from_text(changed), error);
    }
  }
}

TEST_CASE("table_codec: even with a right checksum an altered file does no harm") {
  auto const text = every_part().to_text();
  std::string const body = text.substr(0, text.size() - detail::codec_text_reader::tail);
  std::uint64_t z = 5;
  int refused = 0, read = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string bad = body;
    for (int k = 0; k <= i % 3; ++k) {
      z = z * 6364136223846793005u + 1442695040888963407u;
      std::size_t const at = 20 + (z >> 33) % (bad.size() - 20);
      bad[at] = "0123456789.-: \n"[(z >> 20) % 15];
      if (i % 5 == 0) bad.erase(at, 1 + (z >> 40) % 9);
    }
    bad += "checksum " + detail::checksum(bad) + "\n";
    try {
      auto const codec = table::table_codec::from_text(bad);
      CHECK(table::table_codec::from_text(codec.to_text()).to_text() == codec.to_text());
      ++read;
    } catch (error const&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(read > 10);  // a number in place of another
}

}  // namespace
