// Measures of synthetic databases: known values, and what they promise of equal databases.

#include <diffx/analysis/relational_quality.hpp>
#include <diffx/analysis/table_quality.hpp>
#include <diffx/domain/relational/assemble.hpp>
#include <diffx/domain/relational/group_labels.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::relational;
using doctest::Approx;
using doctest::Contains;
using numbers = std::vector<double>;
using path = std::vector<std::size_t>;
using table::column_kind;

schema const city({{"town", {{"id"}, {"size"}, {"kind", column_kind::category}}, "id", {}},
                   {"house", {{"id"}, {"town"}, {"rooms"}}, "id", {{"town", "town", true}}},
                   {"person",
                    {{"id"}, {"house"}, {"age"}, {"job", column_kind::category}},
                    "id",
                    {{"house", "house", true}}}});

database city_of(row_links const& houses, row_links const& persons, numbers age,
                 std::vector<table::label> job) {
  std::vector<table::typed_table> const features{
      table::typed_table({table::numeric_column("size", {1, 5, 9}),
                          table::category_column("kind", {"a", "b", "a"})}),
      table::typed_table({table::numeric_column("rooms", {4, 2, 7, 3})}),
      table::typed_table({table::numeric_column("age", std::move(age)),
                          table::category_column("job", std::move(job))})};
  return assemble(city, features, {3, 4, static_cast<std::int64_t>(persons.size())},
                  {houses, persons});
}

database real() {
  return city_of({0, 0, 2, -1}, {0, 1, 1, 2, 3}, {30, 40, NAN, 70, 20},
                 {"x", "y", "y", std::nullopt, "x"});
}
database synthetic() {
  return city_of({0, 1, 1, 2}, {0, 1, 2, 2, 3}, {30, 35, 50, 10, 60}, {"y", "y", "x", "x", "z"});
}

TEST_CASE("cardinality_shape: the distance of the numbers of children") {
  CHECK(analysis::cardinality_shape(real(), real(), 0) == 1.0);
  // Houses per town 2, 0, 1 and 1, 2, 1: below 1 are a third and none.
  CHECK(analysis::cardinality_shape(real(), synthetic(), 0) == Approx(2.0 / 3.0));
  // Persons per house 1, 2, 1, 1 and 1, 1, 2, 1.
  CHECK(analysis::cardinality_shape(real(), synthetic(), 1) == 1.0);
}

TEST_CASE("ancestors: along a path, by a missing key to nowhere") {
  CHECK(analysis::ancestors(real(), path{1}) == row_links{0, 1, 1, 2, 3});
  CHECK(analysis::ancestors(real(), path{1, 0}) == row_links{0, 0, 0, 2, -1});
  auto const homeless = city_of({0, 0, 2, -1}, {2, -1, 3}, {1, 2, 3}, {"x", "x", "x"});
  CHECK(analysis::ancestors(homeless, path{1, 0}) == row_links{2, -1, -1});
  CHECK_THROWS_WITH_AS(analysis::ancestors(real(), path{0, 1}),
                       Contains("person.house -> house does not begin where house.town -> town"),
                       error);
  CHECK_THROWS_WITH_AS(analysis::ancestors(real(), path{}), Contains("relations = 0"), error);
  CHECK_THROWS_WITH_AS(analysis::ancestors(real(), path{7}), Contains("relation = 7"), error);
  CHECK_THROWS_WITH_AS(analysis::cardinality_shape(real(), real(), 2), Contains("relation = 2"),
                       error);
  CHECK_THROWS_WITH_AS(label_groups(real(), 5), Contains("relation = 5"), error);
  // Beyond 2^53 two keys are one number.
  schema const wide({{"p", {{"id"}}, "id", {}}, {"c", {{"p"}}, "", {{"p", "p"}}}});
  CHECK_THROWS_WITH_AS(
      links_of(database(wide, {table::typed_table({table::numeric_column("id", {0x1p53})}),
                               table::typed_table({table::numeric_column("p", {0x1p53})})}),
               0),
      Contains("make the column a category"), error);
}

TEST_CASE("k_hop_similarity: the similarity of the joined columns") {
  auto const r = real(), s = synthetic();
  path const two{1, 0};
  // Joined: real sizes 1, 1, 9 and ages 30, 40, 70; one age is missing, one house has no town.
  double const numeric = analysis::correlation_similarity(
      numbers{1, 1, 9}, numbers{30, 40, 70}, numbers{1, 5, 5, 5, 9}, numbers{30, 35, 50, 10, 60});
  CHECK(numeric < 1.0);
  CHECK(analysis::k_hop_similarity(r, s, two, "size", "age") == Approx(numeric));
  // Pairs of kind and job: a x, a y, a y, a (none); a y, b y, b x, b x, a z.
  CHECK(analysis::k_hop_similarity(r, s, two, "kind", "job") == Approx(0.2));
  using codes = std::vector<std::int32_t>;
  double const mixed = analysis::mixed_similarity(numbers{1, 1, 1, 9}, codes{0, 1, 1, 2},
                                                  numbers{1, 5, 5, 5, 9}, codes{1, 1, 0, 0, 3});
  CHECK(analysis::k_hop_similarity(r, s, two, "size", "job") == Approx(mixed));
  double const other = analysis::mixed_similarity(
      numbers{30, 40, 70}, codes{0, 0, 0}, numbers{30, 35, 50, 10, 60}, codes{0, 1, 1, 1, 0});
  CHECK(analysis::k_hop_similarity(r, s, two, "kind", "age") == Approx(other));
  CHECK(analysis::k_hop_similarity(r, r, two, "size", "age") == 1.0);
  CHECK_THROWS_WITH_AS(analysis::k_hop_similarity(r, s, two, "age", "age"), Contains("'age'"),
                       error);
}

TEST_CASE("k_hop_trend: the mean over all paths and pairs") {
  auto const r = real(), s = synthetic();
  double const two = (analysis::k_hop_similarity(r, s, path{1, 0}, "size", "age") +
                      analysis::k_hop_similarity(r, s, path{1, 0}, "size", "job") +
                      analysis::k_hop_similarity(r, s, path{1, 0}, "kind", "age") +
                      analysis::k_hop_similarity(r, s, path{1, 0}, "kind", "job")) /
                     4.0;
  CHECK(analysis::k_hop_trend(r, s, 2) == Approx(two));
  double const one = (analysis::k_hop_similarity(r, s, path{0}, "size", "rooms") +
                      analysis::k_hop_similarity(r, s, path{0}, "kind", "rooms") +
                      analysis::k_hop_similarity(r, s, path{1}, "rooms", "age") +
                      analysis::k_hop_similarity(r, s, path{1}, "rooms", "job")) /
                     4.0;
  CHECK(analysis::k_hop_trend(r, s, 1) == Approx(one));
  CHECK(analysis::k_hop_trend(r, r, 2) == 1.0);
  CHECK_THROWS_WITH_AS(analysis::k_hop_trend(r, s, 3), Contains("pairs of columns = 0"), error);
  CHECK_THROWS_WITH_AS(analysis::k_hop_trend(r, s, 0), Contains("hops = 0"), error);
}

}  // namespace
