// Schemas, their order, and what breaks a database.

#include <diffx/domain/relational/csv_database.hpp>
#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/relational/draws.hpp>
#include <diffx/domain/relational/schema.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <filesystem>
#include <set>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::relational;
using doctest::Contains;
using table::column_kind;
using table::column_type;

column_type number(std::string name) { return {std::move(name), column_kind::numeric}; }
column_type label(std::string name) { return {std::move(name), column_kind::category}; }

/// A table with a numeric key "id" and a key "<parent>" to each parent.
table_schema keyed(std::string name, std::vector<std::pair<std::string, bool>> parents = {}) {
  table_schema t{std::move(name), {number("id")}, "id", {}};
  for (auto const& [parent, nullable] : parents) {
    t.columns.push_back(number(parent));
    t.foreign_keys.push_back({parent, parent, nullable});
  }
  return t;
}

std::vector<std::string> ordered(schema const& s) {
  std::vector<std::string> out;
  for (std::size_t const i : s.order()) out.push_back(s.tables()[i].name);
  return out;
}
using names = std::vector<std::string>;

TEST_CASE("schema: parents come before children, else in the order of declaration") {
  schema const s({keyed("c", {{"a", false}, {"b", false}}), keyed("b"), keyed("d", {{"c", false}}),
                  keyed("a"), keyed("e")});
  CHECK(ordered(s) == names{"b", "a", "c", "d", "e"});
  CHECK(s.relations().size() == 3);
  CHECK(s.text(1) == "c.b -> b");
  CHECK(s.relation_of("d", "c") == 2);
  CHECK(s.above(0) == std::vector<std::size_t>{0, 1});
  CHECK(s.below(0) == std::vector<std::size_t>{2});
  CHECK(s.features(0).empty());
  for (auto const& r : s.relations()) CHECK_FALSE(r.deferred);
}

TEST_CASE("schema: a nullable key breaks a cycle, and is deferred") {
  schema const s({keyed("a", {{"b", false}}), keyed("b", {{"a", true}, {"c", true}}), keyed("c")});
  CHECK(ordered(s) == names{"c", "b", "a"});
  CHECK_FALSE(s.relations()[0].deferred);
  CHECK(s.relations()[1].deferred);
  CHECK_FALSE(s.relations()[2].deferred);

  schema const self({keyed("person", {{"person", true}})});
  CHECK(self.relations()[0].deferred);

  // A table that only waits for the cycle does not break it, though it is declared first.
  schema const tail(
      {keyed("t", {{"y", true}}), keyed("x", {{"y", true}}), keyed("y", {{"x", true}})});
  CHECK(ordered(tail) == names{"x", "y", "t"});
  CHECK_FALSE(tail.relations()[0].deferred);
}

TEST_CASE("schema: no key is deferred but on a cycle") {
  // a waits for two cycles; the one that it is not on is broken first.
  schema const two({keyed("a", {{"b", true}, {"c", true}}), keyed("b", {{"a", false}}),
                    keyed("c", {{"d", true}}), keyed("d", {{"c", false}})});
  CHECK(ordered(two) == names{"c", "d", "a", "b"});
  CHECK(two.relations()[two.relation_of("a", "b")].deferred);
  CHECK_FALSE(two.relations()[two.relation_of("a", "c")].deferred);

  int cycles = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    draws const random(seed, purpose::rows, 1);
    std::int64_t const n = 2 + random.below(5, 0);
    std::vector<table_schema> tables;
    std::vector<std::vector<bool>> reaches(static_cast<std::size_t>(n),
                                           std::vector<bool>(static_cast<std::size_t>(n), false));
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<std::pair<std::string, bool>> parents;
      for (std::int64_t p = 0; p < n; ++p) {
        if (random.below(3, i, p) != 0) continue;
        parents.emplace_back("t" + std::to_string(p), true);
        reaches[static_cast<std::size_t>(i)][static_cast<std::size_t>(p)] = true;
      }
      tables.push_back(keyed("t" + std::to_string(i), parents));
    }
    for (std::size_t k = 0; k < reaches.size(); ++k) {
      for (std::size_t i = 0; i < reaches.size(); ++i) {
        for (std::size_t j = 0; j < reaches.size(); ++j) {
          if (reaches[i][k] && reaches[k][j]) reaches[i][j] = true;
        }
      }
    }
    schema const s(tables);
    std::vector<std::size_t> place(tables.size());
    for (std::size_t k = 0; k < s.order().size(); ++k) place[s.order()[k]] = k;
    for (auto const& r : s.relations()) {
      CHECK(r.deferred == (place[r.parent] >= place[r.child]));
      if (!r.deferred) continue;
      ++cycles;
      CHECK(reaches[r.parent][r.child]);
    }
  }
  CHECK(cycles > 100);
}

TEST_CASE("schema: what makes no sense is refused by name") {
  auto const bad = [](std::vector<table_schema> tables, char const* message) {
    CHECK_THROWS_WITH_AS(schema(std::move(tables)), Contains(message), error);
  };
  bad({}, "there are no tables");
  bad({keyed("")}, "table 0 has no name");
  bad({keyed("a"), keyed("a")}, "table 'a': this name stands twice");
  bad({{"a", {}, "", {}}}, "it has no columns");
  bad({{"a", {number("x"), label("x")}, "", {}}}, "column 'x' stands twice");
  bad({{"a", {number("")}, "", {}}}, "column 0 has no name");
  bad({{"a", {number("x")}, "id", {}}}, "the key 'id' is no column");
  bad({{"a", {{"x", column_kind::date}}, "x", {}}}, "the key 'x' is a date");
  bad({{"a", {number("x")}, "", {{"b", "a", false}}}}, "the key 'b' is no column");
  bad({{"a", {number("x")}, "", {{"x", "b", false}}}}, "refers to 'b', which is no table");
  bad({{"a", {number("x")}, "", {{"x", "b", false}}}, {"b", {number("y")}, "", {}}},
      "which has no primary key");
  bad({{"a", {label("x")}, "", {{"x", "b", false}}}, keyed("b")},
      "key 'x' is category, the primary key of 'b' is numeric");
  bad({keyed("b"), {"a", {number("x")}, "x", {{"x", "b", false}}}}, "a primary and a foreign key");
  bad({keyed("b"), {"a", {number("x")}, "", {{"x", "b", false}, {"x", "b", false}}}},
      "'x' is a foreign key twice");
  bad({keyed("z"), keyed("a", {{"b", false}}), keyed("b", {{"c", false}}),
       keyed("c", {{"a", false}})},
      "not nullable: a -> b -> c -> a");
  bad({keyed("w", {{"a", false}}), keyed("a", {{"a", false}})}, "not nullable: a -> a");
  CHECK_THROWS_WITH_AS(schema({keyed("a")}).index("b"), Contains("no table 'b'"), error);
  CHECK_THROWS_WITH_AS(schema({keyed("a")}).relation_of("a", "id"), Contains("no foreign key"),
                       error);
}

TEST_CASE("schema: the order is one for random acyclic schemas") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    draws const random(seed, purpose::rows, 0);
    std::vector<table_schema> tables;
    std::int64_t const n = 1 + random.below(8, 0);
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<std::pair<std::string, bool>> parents;
      for (std::int64_t p = i + 1; p < n; ++p) {  // parents are declared later
        if (random.below(3, i, p) == 0) parents.emplace_back("t" + std::to_string(p), false);
      }
      tables.push_back(keyed("t" + std::to_string(i), parents));
    }
    schema const s(tables);
    std::vector<std::size_t> place(tables.size());
    for (std::size_t k = 0; k < s.order().size(); ++k) place[s.order()[k]] = k;
    CHECK(std::set<std::size_t>(s.order().begin(), s.order().end()).size() == tables.size());
    for (auto const& r : s.relations()) {
      CHECK(place[r.parent] < place[r.child]);
      CHECK_FALSE(r.deferred);
    }
  }
}

// ---- databases ----

schema const shop({{"person", {label("name"), number("age")}, "name", {}},
                   {"order",
                    {number("id"), label("who"), label("by"), number("sum")},
                    "id",
                    {{"who", "person", false}, {"by", "person", true}}}});

database shop_of(std::vector<table::label> who, std::vector<table::label> by) {
  std::vector<double> ids, sums;
  for (std::size_t i = 0; i < who.size(); ++i) {
    ids.push_back(10.0 * static_cast<double>(i));
    sums.push_back(0.5);
  }
  return {shop,
          {table::typed_table({table::category_column("name", {"ann", "bob", "cy"}),
                               table::numeric_column("age", {30, 40, 50})}),
           table::typed_table(
               {table::numeric_column("id", ids), table::category_column("who", std::move(who)),
                table::category_column("by", std::move(by)), table::numeric_column("sum", sums)})}};
}

TEST_CASE("database: links, children and groups") {
  auto const d = shop_of({"bob", "ann", "bob"}, {std::nullopt, "cy", "ann"});
  CHECK(check_integrity(d).empty());
  CHECK(links_of(d, 0) == row_links{1, 0, 1});
  CHECK(links_of(d, 1) == row_links{-1, 2, 0});
  CHECK(children_of(links_of(d, 0), 3) == std::vector<std::int64_t>{1, 2, 0});
  auto const g = group_by_parent(links_of(d, 0), 3);
  CHECK(g.offsets == std::vector<std::int64_t>{0, 1, 3, 3});
  CHECK(g.rows == std::vector<std::int64_t>{1, 0, 2});
  CHECK(group_by_parent(links_of(d, 1), 3).rows == std::vector<std::int64_t>{2, 1});
  CHECK_THROWS_WITH_AS(children_of({3}, 3), Contains("link = 3"), error);
  CHECK_THROWS_WITH_AS(children_of({-2}, 3), Contains("link = -2"), error);
  CHECK_THROWS_WITH_AS(d.at("house"), Contains("no table 'house'"), error);
  CHECK_THROWS_WITH_AS(database(shop, {}), Contains("tables = 0"), error);
  CHECK_THROWS_WITH_AS(
      database(shop, {d.tables()[0], table::typed_table({table::numeric_column("id", {1})})}),
      Contains("table 'order' has other columns"), error);
}

TEST_CASE("check_integrity: every kind of violation, with its row and key") {
  auto const d = shop_of({"bob", std::nullopt, "eve"}, {std::nullopt, "zoe", "ann"});
  auto const v = check_integrity(d);
  REQUIRE(v.size() == 3);
  CHECK(v[0].kind == violation_kind::no_foreign_key);
  CHECK(v[0].row == 1);
  CHECK(v[1].text() ==
        "table 'order', row 2, column 'who': a foreign key that no parent has: 'eve'");
  CHECK(v[2].column == "by");
  CHECK(v[2].key == "zoe");
  CHECK_THROWS_WITH_AS(require_integrity("here", d), Contains("(the first of 3)"), error);
  CHECK_THROWS_WITH_AS(links_of(d, 1), Contains("row 1 has the key 'zoe'"), error);

  schema const one({{"a", {number("id")}, "id", {}}});
  auto const keys = check_integrity(
      {one, {table::typed_table({table::numeric_column("id", {1, 2, 1, NAN, -0.0, 0.0})})}});
  REQUIRE(keys.size() == 3);
  CHECK(keys[0].kind == violation_kind::primary_key_twice);
  CHECK(keys[0].row == 2);
  CHECK(keys[0].key == "1");
  CHECK(keys[1].kind == violation_kind::no_primary_key);
  CHECK(keys[2].row == 5);  // 0 is -0
}

TEST_CASE(
    "database: numeric keys are found whether they lie dense, wide apart, or are no integers") {
  schema const s({{"p", {number("id")}, "id", {}}, {"c", {number("of")}, "", {{"of", "p", true}}}});
  auto const found = [&](std::vector<double> keys, std::vector<double> of) {
    database const d(s, {table::typed_table({table::numeric_column("id", std::move(keys))}),
                         table::typed_table({table::numeric_column("of", std::move(of))})});
    row_links out;
    auto const v = check_integrity(d);
    for (std::size_t i = 0; i < d.tables()[1].rows(); ++i) {
      bool bad = false;
      for (auto const& x : v) bad = bad || (x.table == "c" && x.row == i);
      database const alone(s, {d.tables()[0], table::typed_table({table::numeric_column(
                                                  "of", {d.tables()[1].at("of").numbers[i]})})});
      out.push_back(bad ? -2 : links_of(alone, 0)[0]);
    }
    return out;
  };
  std::vector<double> const of{-3, 0, NAN, 2, 1e-20, 0.5, 3, -4, 1e15, INFINITY};
  CHECK(found({2, -3, 0}, of) == row_links{1, 2, -1, 0, -2, -2, -2, -2, -2, -2});
  CHECK(found({2, -3, 0, 1e12}, of) == row_links{1, 2, -1, 0, -2, -2, -2, -2, -2, -2});
  CHECK(found({2, -3, 0.5, 1e15}, of) == row_links{1, -2, -1, 0, -2, 2, -2, -2, 3, -2});
  CHECK(found({NAN}, of) == row_links{-2, -2, -1, -2, -2, -2, -2, -2, -2, -2});
  CHECK(found({}, of) == row_links{-2, -2, -1, -2, -2, -2, -2, -2, -2, -2});
}

// ---- files ----

struct folder {
  std::filesystem::path path;
  explicit folder(std::string const& name)
      : path(std::filesystem::temp_directory_path() /
             ("diffx_relational_" + name + std::to_string(getpid()))) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
  }
  ~folder() { std::filesystem::remove_all(path); }
  std::size_t entries() const {
    std::size_t n = 0;
    for (auto const& e : std::filesystem::directory_iterator(path)) {
      (void)e;
      ++n;
    }
    return n;
  }
};

TEST_CASE("a database goes into files and comes out again") {
  folder const here("round");
  auto const d = shop_of({"bob", "ann", "bob"}, {std::nullopt, "cy", "ann"});
  std::string const path = (here.path / "out").string();
  write_database(path + "/", d);
  auto const back = read_database(shop, path);
  CHECK(back.tables()[1].at("who").labels == d.tables()[1].at("who").labels);
  CHECK(back.tables()[1].at("by").labels == d.tables()[1].at("by").labels);
  CHECK(back.tables()[0].at("age").numbers == d.tables()[0].at("age").numbers);
  CHECK(here.entries() == 1);

  CHECK_THROWS_WITH_AS(write_database(path, d), Contains("is no empty folder"), error);
  std::filesystem::create_directory(here.path / "empty");
  write_database((here.path / "empty").string(), d);
  CHECK(here.entries() == 2);

  detail::write_whole_file("test", path + "/order.csv", "id,who,by,sum\n1,bob,,1\n2,eve,,1\n");
  CHECK_THROWS_WITH_AS(read_database(shop, path),
                       Contains("'order', row 1 (line 3), column 'who': a foreign key that no "
                                "parent has: 'eve'"),
                       error);
  detail::write_whole_file("test", path + "/order.csv", "id,by,who,sum\n");
  CHECK_THROWS_WITH_AS(read_database(shop, path), Contains("column 1 is 'by', must be 'who'"),
                       error);
}

TEST_CASE("a database that cannot be written leaves nothing behind") {
  folder const here("none");
  std::string const path = (here.path / "out").string();
  CHECK_THROWS_WITH_AS(write_database(path, shop_of({"eve"}, {"ann"})),
                       Contains("write_database: table 'order', row 0"), error);
  auto const good = shop_of({"ann"}, {"bob"});
  CHECK_THROWS_WITH_AS(write_database(path, good, {.missing = {"bob"}}),
                       Contains("would be read as a missing cell"), error);
  CHECK(here.entries() == 0);
  CHECK_THROWS_WITH_AS(write_database((here.path / "no" / "out").string(), good),
                       Contains("cannot be created"), error);
  schema const odd({{"a/b", {number("id")}, "id", {}}});
  CHECK_THROWS_WITH_AS(
      write_database(path, {odd, {table::typed_table({table::numeric_column("id", {1})})}}),
      Contains("'a/b' is no file name"), error);
  // The second table's file cannot be made: its name is too long for one.
  std::string const long_name(300, 'n');
  schema const two({{"a", {number("id")}, "id", {}}, {long_name, {number("id")}, "id", {}}});
  table::typed_table const one({table::numeric_column("id", {1})});
  CHECK_THROWS_WITH_AS(write_database(path, {two, {one, one}}), Contains("cannot be created"),
                       error);
  CHECK(here.entries() == 0);
}

}  // namespace
