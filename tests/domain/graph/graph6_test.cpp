#include <diffx/domain/graph/graph6.hpp>
#include <diffx/domain/graph/valence.hpp>

#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

using namespace diffx;
namespace graph = domain::graph;

TEST_CASE("graph6: the example of its description, and graphs known by name") {
  // Five nodes, edges 0-2, 0-4, 1-3, 3-4.
  std::vector<std::pair<std::int64_t, std::int64_t>> const edges{{0, 2}, {0, 4}, {1, 3}, {3, 4}};
  auto const g = graph::from_edges(5, edges);
  CHECK(graph::to_graph6(g) == "DQc");
  CHECK(graph::from_graph6("DQc") == g);
  CHECK(graph::from_graph6(">>graph6<<DQc") == g);
  CHECK(graph::to_graph6(graph::labelled_graph(1)) == "@");
  CHECK(graph::from_graph6("D~{").edges() == 10);        // the complete graph of five
  CHECK(graph::from_graph6("IheA@GUAo").edges() == 15);  // Petersen's
}

TEST_CASE("graph6: there and back, at every number of pairs and beyond 62 nodes") {
  std::uint32_t state = 7;
  for (std::int64_t const n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 62, 63, 64, 200, 4200}) {
    graph::labelled_graph g(n);
    for (auto& c : g.pairs) {
      state = state * 1664525u + 1013904223u;
      c = static_cast<std::int32_t>(state >> 31);
    }
    CAPTURE(n);
    auto const line = graph::to_graph6(g);
    CHECK(graph::from_graph6(line) == g);
    CHECK(line.size() ==
          static_cast<std::size_t>((n > 62 ? 4 : 1) + (graph::pair_count(n) + 5) / 6));
  }
  graph::labelled_graph classes(3);
  classes.pair(0, 1) = 3;
  CHECK(graph::from_graph6(graph::to_graph6(classes)).pair(0, 1) == 1);
}

TEST_CASE("graph6: lines that are no graph are refused") {
  auto const fails = [](std::string const& line, char const* why) {
    CHECK_THROWS_WITH_AS(graph::from_graph6(line), doctest::Contains(why), error);
  };
  fails("", "ends after 0 characters");
  fails("D~", "ends after 2 characters");
  fails("~?", "ends after 2 characters");
  fails("D~{?", "goes on after the last of the 10 pairs");
  fails("D~~", "goes on after the last");  // bits after the last pair
  fails("?", "the number of nodes = 0");
  fails("D ~", "character 1 = 32, must be in [63, 126]");
  fails("~~?????", "at most 258047");
  fails("~}~~", "ends after 4 characters");  // 258047 nodes: refused before they get memory
  CHECK_THROWS_WITH_AS(graph::to_graph6(graph::labelled_graph{}), doctest::Contains("g.size() = 0"),
                       error);
}

TEST_CASE("valences: bonds are summed by their order") {
  graph::labelled_graph g(3);  // O=C=O, were 0 the carbon
  g.nodes = {0, 1, 1};
  g.pair(0, 1) = g.pair(0, 2) = 2;
  CHECK(graph::bonds_of(g) == std::vector<std::int64_t>{4, 2, 2});
  CHECK(graph::valences_fit(g, std::array{4, 2}));
  CHECK_FALSE(graph::valences_fit(g, std::array{3, 2}));
  CHECK_FALSE(graph::valences_fit(g, std::array{4, 1}));
  g.pair(1, 2) = 1;
  CHECK_FALSE(graph::valences_fit(g, std::array{4, 2}));
  CHECK_THROWS_WITH_AS(graph::valences_fit(g, std::array{4}), doctest::Contains("class of node 1"),
                       error);
}
