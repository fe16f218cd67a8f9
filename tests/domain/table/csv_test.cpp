// CSV: the grammar of RFC 4180 with lines in the messages, kinds of columns, and tables that come
// back as they were.

#include <diffx/domain/table/csv.hpp>
#include <diffx/domain/table/csv_table.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
namespace table = domain::table;
using doctest::Contains;
using table::column_kind;
using table::csv_field;
using table::label;
using table::read_csv;
using numbers = std::vector<double>;
using records = std::vector<std::vector<csv_field>>;

double const nan = std::nan("");

records all(std::string_view text, char separator = ',') {
  table::csv_reader reader(text, separator);
  records out;
  std::vector<csv_field> record;
  while (reader.next(record)) out.push_back(record);
  return out;
}

csv_field bare(std::string s) { return {std::move(s), false}; }
csv_field quoted(std::string s) { return {std::move(s), true}; }

TEST_CASE("csv_reader: fields, quotes, ends of lines") {
  records const abc{{bare("a"), bare("b")}, {bare("1"), bare("2")}};
  CHECK(all("a,b\n1,2\n") == abc);
  CHECK(all("a,b\n1,2") == abc);
  CHECK(all("a,b\r\n1,2\r\n") == abc);
  CHECK(all("\xEF\xBB\xBF"
            "a,b\n1,2") == abc);
  CHECK(all("a;b\n1;2", ';') == abc);
  CHECK(all("").empty());
  CHECK(all("\xEF\xBB\xBF").empty());
  CHECK(all(",") == records{{bare(""), bare("")}});
  CHECK(all("a,\n,b") == records{{bare("a"), bare("")}, {bare(""), bare("b")}});
  CHECK(all("\n") == records{{bare("")}});
  CHECK(all("\"\"") == records{{quoted("")}});
  CHECK(all("\"a,b\",\"say \"\"hi\"\"\"\n") == records{{quoted("a,b"), quoted("say \"hi\"")}});
  CHECK(all("\"a\r\nb\nc\",d\r\n") == records{{quoted("a\r\nb\nc"), bare("d")}});
  CHECK(all(" a , \tb ") == records{{bare(" a "), bare(" \tb ")}});
  CHECK(all("\"\"\"\"") == records{{quoted("\"")}});
  CHECK(all("\xEF\xBB\xBF\"a\"") == records{{quoted("a")}});
}

TEST_CASE("csv_reader: the line of a record is that on which it begins") {
  table::csv_reader reader("a\n\"b\nc\"\n\nd\r\n\"e\"");
  std::vector<csv_field> record;
  std::vector<std::int64_t> lines;
  while (reader.next(record)) lines.push_back(reader.line());
  CHECK(lines == std::vector<std::int64_t>{1, 2, 4, 5, 6});
}

TEST_CASE("csv_reader refuses broken text, with the line") {
  CHECK_THROWS_WITH_AS(all("a\nb,\"c\nd"), Contains("line 2: the quotes that open here"), error);
  CHECK_THROWS_WITH_AS(all("a\n\"b\nc\"x"), Contains("line 3: text after a closing quote"), error);
  CHECK_THROWS_WITH_AS(all("a\nb\"c"), Contains("line 2: a quote within"), error);
  CHECK_THROWS_WITH_AS(all("a\rb"), Contains("line 1: a carriage return"), error);
  CHECK_THROWS_WITH_AS(all("\"a\"\rb"), Contains("line 1: text after"), error);
  CHECK_THROWS_WITH_AS(all(std::string_view("a\nb\0c", 5)), Contains("line 2: a byte 0"), error);
  CHECK_THROWS_WITH_AS(all(std::string_view("\"\0\"", 3)), Contains("line 1: a byte 0"), error);
  CHECK_THROWS_WITH_AS(all("\xFF\xFE"), Contains("UTF-16"), error);
  CHECK_THROWS_WITH_AS(all("a", '"'), Contains("separator = 34"), error);
}

TEST_CASE("read_csv: kinds of columns, and why") {
  auto const in = read_csv(
      "id,code,born,score,note,none\n"
      "1,007,1970-01-02,1e-3,\"a, b\",\n"
      "2,012,1999-12-31,,\"\",\n"
      "-3,123,,+2.5,,\n");
  CHECK(in.table.schema() == std::vector<table::column_type>{{"id", column_kind::numeric},
                                                             {"code", column_kind::category},
                                                             {"born", column_kind::date},
                                                             {"score", column_kind::numeric},
                                                             {"note", column_kind::category},
                                                             {"none", column_kind::category}});
  CHECK(in.table.at("id").numbers == numbers{1, 2, -3});
  CHECK(in.table.at("born").numbers[1] == 10956.0);
  CHECK(std::isnan(in.table.at("born").numbers[2]));
  CHECK(in.table.at("score").numbers[0] == 1e-3);
  CHECK(in.table.at("score").numbers[2] == 2.5);
  CHECK(in.table.at("note").labels == std::vector<label>{label("a, b"), label(""), std::nullopt});
  CHECK(std::vector<std::int64_t>(in.table.lines().begin(), in.table.lines().end()) ==
        std::vector<std::int64_t>{2, 3, 4});
  REQUIRE(in.report.size() == 6);
  CHECK(in.report[0].inferred);
  CHECK(in.report[0].reason.empty());
  CHECK(in.report[1].reason == "line 2: '007' begins with 0 like a code");
  CHECK(in.report[2].missing == 1);
  CHECK(in.report[2].distinct == 2);
  CHECK(in.report[5].reason == "every cell is missing");
  CHECK(in.report[5].missing == 3);
}

TEST_CASE("read_csv: kinds that are given, names for missing cells") {
  table::csv_options o;
  o.types = {{"b", column_kind::category}, {"d", column_kind::numeric}};
  o.missing = {"NA", "?"};
  auto const in = read_csv("a,b,d\n1,1,\n?,2,NA\n3,\"?\",4\n", o);
  CHECK(std::isnan(in.table.at("a").numbers[1]));
  CHECK(in.table.at("b").labels == std::vector<label>{label("1"), label("2"), std::nullopt});
  CHECK(in.table.at("d").numbers[2] == 4.0);
  CHECK(!in.report[1].inferred);
  // A column without any cell is what it is said to be.
  CHECK(read_csv("d,b\n,x\n", o).table.at("d").type.kind == column_kind::numeric);
  // Codes of digits are numbers where that is said.
  o.types = {{"a", column_kind::numeric}};
  CHECK(read_csv("a\n007\n+1\n", o).table.at("a").numbers == numbers{7, 1});
  CHECK(read_csv("a\n+-1\n").table.at("a").type.kind == column_kind::category);
  CHECK(read_csv("a\n+\n").table.at("a").type.kind == column_kind::category);
  // inf is a label where the column is one of labels.
  o.types = {{"b", column_kind::category}};
  CHECK(read_csv("b\ninf\n", o).table.at("b").labels[0] == label("inf"));
  CHECK(read_csv("b\ninf\nhigh\n").table.at("b").labels[0] == label("inf"));
}

TEST_CASE("read_csv: blanks around fields belong to them, or not") {
  std::string const text = "age, job\n39, State-gov\n 50 ,\" a \"\n\t?,  \n";
  auto const kept = read_csv(text);
  CHECK(kept.table.at(" job").labels[0] == label(" State-gov"));
  CHECK(kept.table.at("age").type.kind == column_kind::category);
  table::csv_options o;
  o.trim = true;
  o.missing = {"?"};
  auto const in = read_csv(text, o);
  CHECK(in.table.at("age").numbers[1] == 50.0);
  CHECK(std::isnan(in.table.at("age").numbers[2]));
  CHECK(in.table.at("job").labels ==
        std::vector<label>{label("State-gov"), label(" a "), std::nullopt});
}

TEST_CASE("read_csv: empty tables, empty lines, one column") {
  auto const none = read_csv("a,b\n");
  CHECK(none.table.rows() == 0);
  CHECK(none.table.columns().size() == 2);
  auto const gaps = read_csv("\n\na,b\n\n1,2\n\n\n3,4\n\n");
  CHECK(gaps.table.at("b").numbers == numbers{2, 4});
  CHECK(gaps.table.lines()[1] == 8);
  auto const one = read_csv("a\n1\n\n3\n");
  CHECK(one.table.rows() == 3);
  CHECK(std::isnan(one.table.at("a").numbers[1]));
  CHECK_THROWS_WITH_AS(read_csv(""), Contains("the text is empty"), error);
  CHECK_THROWS_WITH_AS(read_csv("\xEF\xBB\xBF\r\n\n"), Contains("the text is empty"), error);
}

TEST_CASE("read_csv refuses what is no table, with line and column") {
  auto const refused = [](std::string_view text, char const* what, table::csv_options o = {}) {
    CHECK_THROWS_WITH_AS(read_csv(text, o), Contains(what), error);
  };
  refused("a,b\n1,2\n3\n", "line 3: 1 fields, must be 2 as in the header");
  refused("a,b\n\"x\ny\",2\n3,4,5\n", "line 4: 3 fields, must be 2");
  refused("a,b,a\n", "line 1: column 'a' twice");
  refused("a,,b\n", "line 1: column 1 has no name");
  refused("a\n1\nnan\n", "column 'a': line 3: 'nan' is no finite number");
  refused("a\ninf\n", "column 'a': line 2: 'inf' is no finite number");
  refused("a\n1e999\n", "column 'a': line 2: '1e999' is no finite number");
  table::csv_options o;
  o.types = {{"a", column_kind::numeric}};
  refused("b\n1\n", "line 1: the header has no column 'a'", o);
  refused("a,b\n1,x\n12 apples,y\n",
          "column 'a': line 3: '12 apples' is no number, but the column is numeric", o);
  o.types = {{"a", column_kind::date}};
  refused("a\n2000-02-30\n", "column 'a': line 2: '2000-02-30' is no date", o);
  o.types = {{"a", column_kind::numeric}, {"b", column_kind::numeric}};
  o.exact = true;
  refused("b,a\n1,2\n", "line 1: column 0 is 'b', must be 'a'", o);
  refused("a,b,c\n1,2,3\n", "line 1: the header has 3 columns, must have 2", o);
  CHECK(read_csv("a,b\n1,2\n", o).table.rows() == 1);
  o.types = {{"a", column_kind::numeric}, {"a", column_kind::numeric}};
  refused("a\n1\n", "line 1: the header has 1 columns, must have 2", o);
  CHECK_THROWS_WITH_AS(table::read_csv_file("/nonexistent.csv"), Contains("cannot be opened"),
                       error);
}

TEST_CASE("write_csv: quotes where they are needed") {
  table::typed_table const t(
      {table::numeric_column("x", {0.1, nan, -0.0}),
       table::category_column("l,\"", {label("a\nb"), label(""), std::nullopt}),
       table::date_column("d", {0.4, nan, -1})});
  CHECK(table::write_csv(t) == "x,\"l,\"\"\",d\n0.1,\"a\nb\",1970-01-01\n,\"\",\n-0,,1969-12-31\n");
  table::csv_options o;
  o.end_of_line = "\r\n";
  o.separator = ';';
  CHECK(table::write_csv(table::typed_table({table::numeric_column("x", {1}),
                                             table::category_column("l", {label("a;b,c")})}),
                         o) == "x;l\r\n1;\"a;b,c\"\r\n");
}

TEST_CASE("write_csv refuses what could not be read again, with row and column") {
  auto const refused = [](table::column c, char const* what, table::csv_options o = {}) {
    CHECK_THROWS_WITH_AS(table::write_csv(table::typed_table({std::move(c)}), o), Contains(what),
                         error);
  };
  refused(table::numeric_column("x", {1, std::numeric_limits<double>::infinity()}),
          "row 1, column 'x': an infinite number");
  refused(table::date_column("d", {4e6}), "row 0, column 'd': 4e+06 days are outside");
  refused(table::category_column("l", {label(std::string("a\0", 2))}),
          "column 'l': the label holds");
  refused(table::numeric_column(std::string("a\0", 2), {1}), "the name holds a byte 0");
  table::csv_options o;
  o.missing = {"NA", "-9"};
  refused(table::category_column("l", {label("NA")}), "row 0, column 'l': 'NA' would be read", o);
  refused(table::numeric_column("x", {-9}), "row 0, column 'x': '-9' would be read", o);
  o.end_of_line = "\r";
  refused(table::numeric_column("x", {1}), "length of end_of_line = 1", o);
  CHECK_THROWS_AS(table::write_csv(table::typed_table()), error);
}

/// Seeded tables of hard cells.
struct fuzz {
  std::uint64_t z;
  std::uint64_t next() {
    z = z * 6364136223846793005u + 1442695040888963407u;
    return z >> 33;
  }
  std::string text() {
    constexpr std::string_view parts[] = {"a",    "\"", ",", ";",   "\n", "\r",
                                          "\r\n", " ",  "é", "0",   "1",  "-",
                                          ".",    "\t", "e", "nan", "NA", "\xEF\xBB\xBF"};
    std::string s;
    for (auto n = next() % 5; n > 0; --n) s += parts[next() % std::size(parts)];
    return s;
  }
  double number() {
    switch (next() % 6) {
      case 0:
        return nan;
      case 1:
        return static_cast<double>(next() % 100);
      case 2:
        return -0.0;
      case 3:
        return std::ldexp(static_cast<double>(next()), -1074);
      case 4:
        return std::ldexp(-static_cast<double>(next() | 1), 992);
      default:
        return static_cast<double>(next()) / 3.0;
    }
  }
};

TEST_CASE("csv: random tables of hard cells come back bit for bit") {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    fuzz f{seed};
    std::size_t const rows = f.next() % 6;
    std::vector<table::column> columns;
    for (auto n = 1 + f.next() % 4; n > 0; --n) {
      std::string const name = f.text() + "#" + std::to_string(n);
      auto const kind = f.next() % 3;
      table::column c;
      if (kind == 0) {
        c = table::category_column(name, {});
        for (std::size_t i = 0; i < rows; ++i) {
          c.labels.push_back(f.next() % 4 == 0 ? label() : label(f.text()));
        }
      } else if (kind == 1) {
        c = table::numeric_column(name, {});
        for (std::size_t i = 0; i < rows; ++i) c.numbers.push_back(f.number());
      } else {
        c = table::date_column(name, {});
        for (std::size_t i = 0; i < rows; ++i) {
          c.numbers.push_back(f.next() % 4 == 0 ? nan
                                                : static_cast<double>(f.next() % 3652059) - 719162);
        }
      }
      columns.push_back(std::move(c));
    }
    table::typed_table const t(columns);
    table::csv_options o;
    o.separator = seed % 2 == 0 ? ',' : ';';
    o.end_of_line = seed % 3 == 0 ? "\r\n" : "\n";
    o.types = t.schema();
    o.exact = true;
    o.trim = seed % 5 == 0;
    auto const text = table::write_csv(t, o);
    INFO("seed " << seed << ":\n" << text);
    auto const back = read_csv(text, o);
    REQUIRE(back.table.schema() == t.schema());
    REQUIRE(back.table.rows() == rows);
    for (std::size_t j = 0; j < columns.size(); ++j) {
      auto const& c = back.table.columns()[j];
      REQUIRE(c.labels == columns[j].labels);
      REQUIRE(c.numbers.size() == columns[j].numbers.size());
      for (std::size_t i = 0; i < c.numbers.size(); ++i) {
        double const a = c.numbers[i], b = columns[j].numbers[i];
        REQUIRE(
            ((std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b))));
      }
    }
    REQUIRE(table::write_csv(back.table, o) == text);
  }
}

TEST_CASE("csv: random bytes are read or refused, and do no harm") {
  int good = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    fuzz f{seed};
    std::string text = "a,b\n";
    for (auto n = f.next() % 12; n > 0; --n) text += f.text() + (f.next() % 2 == 0 ? "," : "\n");
    try {
      auto const in = read_csv(text);
      ++good;
      table::csv_options o;
      o.types = in.table.schema();
      auto const back = read_csv(table::write_csv(in.table, o), o);
      CHECK(back.table.rows() == in.table.rows());
    } catch (error const&) {
    }
  }
  CHECK(good > 50);
}

TEST_CASE("write_csv_file: the whole file or none, and none beside it") {
  namespace fs = std::filesystem;
  fs::path const folder = fs::temp_directory_path() / ("diffx_csv_" + std::to_string(getpid()));
  fs::create_directory(folder);
  auto const path = (folder / "t.csv").string();
  table::typed_table const t({table::numeric_column("x", {1, 2})});
  table::write_csv_file(path, t);
  table::write_csv_file(path, t);
  CHECK(table::read_csv_file(path).table.at("x").numbers == numbers{1, 2});
  table::typed_table const bad({table::date_column("x", {4e6})});
  CHECK_THROWS_AS(table::write_csv_file(path, bad), error);
  CHECK(table::read_csv_file(path).table.at("x").numbers == numbers{1, 2});
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 1);
  // A part that another writer left, or is writing, is not touched.
  std::ofstream(path + ".part0") << "theirs";
  table::write_csv_file(path, t);
  std::ifstream theirs(path + ".part0");
  std::string word;
  theirs >> word;
  CHECK(word == "theirs");
  // A path that cannot be replaced: what was written beside it goes away again.
  fs::create_directory(folder / "taken");
  std::ofstream((folder / "taken" / "file").string()) << "x";
  CHECK_THROWS_WITH_AS(table::write_csv_file((folder / "taken").string(), t),
                       Contains("cannot be renamed"), error);
  CHECK(!fs::exists(folder / "taken.part0"));
  CHECK_THROWS_WITH_AS(table::write_csv_file((folder / "no" / "t.csv").string(), t),
                       Contains("cannot be created"), error);
  fs::remove_all(folder);
}

}  // namespace
