// Graphs as states: pairs and their places, what is refused, batches of different sizes, features,
// degrees, sparse graphs.

#include <diffx/domain/graph/degree_sequence.hpp>
#include <diffx/domain/graph/features.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/domain/graph/sparse_graph.hpp>

#include "support/message.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::graph;
using edge_list = std::vector<std::pair<std::int64_t, std::int64_t>>;

labelled_graph cycle(std::int64_t n) {
  edge_list edges;
  for (std::int64_t i = 0; i < n; ++i) edges.emplace_back(i, (i + 1) % n);
  return from_edges(n, edges);
}

labelled_graph complete(std::int64_t n) {
  labelled_graph g(n);
  std::fill(g.pairs.begin(), g.pairs.end(), 1);
  return g;
}

/// All graphs of n nodes.
std::vector<labelled_graph> all_graphs(std::int64_t n) {
  std::vector<labelled_graph> out;
  auto const pairs = static_cast<std::size_t>(pair_count(n));
  for (std::size_t code = 0; code < std::size_t{1} << pairs; ++code) {
    labelled_graph g(n);
    for (std::size_t k = 0; k < pairs; ++k) g.pairs[k] = code >> k & 1;
    out.push_back(g);
  }
  return out;
}

/// Cycles of a length through every node, by walking all of them.
std::vector<double> cycles_through(labelled_graph const& g, int length) {
  std::vector<double> out(g.nodes.size(), 0.0);
  std::vector<std::int64_t> path;
  auto const walk = [&](auto const& self) -> void {
    if (static_cast<int>(path.size()) == length) {
      if (!g.joined(path.back(), path.front())) return;
      for (auto const i : path) out[static_cast<std::size_t>(i)] += 0.5;  // both directions
      return;
    }
    for (std::int64_t j = path.front() + 1; j < g.size(); ++j) {
      if (!g.joined(path.back(), j) || std::find(path.begin(), path.end(), j) != path.end())
        continue;
      path.push_back(j);
      self(self);
      path.pop_back();
    }
  };
  for (std::int64_t first = 0; first < g.size(); ++first) {
    path.assign(1, first);
    walk(walk);
  }
  return out;
}

}  // namespace

TEST_CASE("graphs: places of pairs") {
  std::int64_t next = 0;
  for (std::int64_t j = 0; j < 400; ++j) {
    for (std::int64_t i = 0; i < j; ++i, ++next) {
      REQUIRE(pair_index(i, j) == next);
      REQUIRE(pair_index(j, i) == next);
      auto const p = pair_at(next);
      REQUIRE((p.low == i && p.high == j));
    }
    REQUIRE(pair_count(j + 1) == next);
  }
  for (std::int64_t const j :
       {std::int64_t{1} << 20, std::int64_t{1} << 26, std::int64_t{3} << 29}) {
    for (std::int64_t const i : {std::int64_t{0}, j / 2, j - 1}) {
      auto const p = pair_at(pair_index(i, j));
      CHECK((p.low == i && p.high == j));
    }
  }
}

TEST_CASE("graphs: from matrices and lists, and what is refused") {
  std::vector<std::int32_t> const matrix{0, 2, 0, 2, 0, 1, 0, 1, 0};
  auto const g = from_adjacency({3, 1, 0}, matrix);
  CHECK(g.size() == 3);
  CHECK(g.edges() == 2);
  CHECK(g.pair(0, 1) == 2);
  CHECK(g.pair(2, 1) == 1);
  CHECK(g.pair(0, 2) == 0);
  CHECK(g.pair(1, 1) == 0);
  CHECK(g.degrees() == std::vector<std::int64_t>{1, 2, 1});

  constexpr auto matrices = "diffx::domain::graph::from_adjacency";
  auto const refused = [](std::vector<std::int32_t> nodes, std::vector<std::int32_t> const& m) {
    return test::message_of([&] { from_adjacency(std::move(nodes), m); });
  };
  CHECK(test::says(refused({}, {}), matrices, "nodes.size()", "0", "at least 1"));
  CHECK(test::says(refused({0, 0}, {0, 1, 1}), matrices, "matrix.size()", "3",
                   "nodes.size() squared"));
  CHECK(test::says(refused({0, 0}, {0, 1, 2, 0}), matrices, "matrix[1, 0]", "2",
                   "matrix[0, 1] = 1 (symmetric)"));
  CHECK(test::says(refused({0, 0}, {0, 1, 1, 1}), matrices, "matrix[1, 1]", "1",
                   "0 (no self loops)"));
  CHECK(test::says(refused({0, 0}, {0, -1, -1, 0}), matrices, "matrix[1, 0]", "-1", "at least 0"));
  CHECK(test::says(refused({0, -2}, {0, 0, 0, 0}), matrices, "nodes[1]", "-2", "at least 0"));

  constexpr auto lists = "diffx::domain::graph::from_edges";
  auto const unlisted = [](std::int64_t n, edge_list const& e) {
    return test::message_of([&] { from_edges(n, e); });
  };
  CHECK(test::says(unlisted(0, {}), lists, "n", "0", "at least 1"));
  CHECK(test::says(unlisted(3, {{0, 1}, {1, 3}}), lists, "edges[1]", "3", "a node, in [0, 3)"));
  CHECK(test::says(unlisted(3, {{-1, 1}}), lists, "edges[0]", "-1", "a node, in [0, 3)"));
  CHECK(test::says(unlisted(3, {{2, 2}}), lists, "edges[0]", "2", "no self loop"));
  CHECK(test::says(unlisted(3, {{0, 2}, {2, 0}}), lists, "edges[1]", "2",
                   "an edge that is not there yet"));

  constexpr auto classes = "diffx::domain::graph::check_classes";
  CHECK_NOTHROW(check_classes(g, 4, 3));
  CHECK(test::says(test::message_of([&] { check_classes(g, 3, 3); }), classes, "class of node 0",
                   "3", "in [0, 3)"));
  CHECK(test::says(test::message_of([&] { check_classes(g, 4, 2); }), classes,
                   "class of pair {0, 1}", "2", "in [0, 2)"));
  CHECK(test::says(test::message_of([&] { check_classes({}, 4, 2); }), classes,
                   "nodes of the graph", "0", "at least 1"));
}

TEST_CASE("graphs: nodes in another order") {
  auto const g = from_adjacency({5, 6, 7}, std::vector<std::int32_t>{0, 2, 0, 2, 0, 1, 0, 1, 0});
  auto const h = permuted(g, std::vector<std::int64_t>{2, 0, 1});
  CHECK(h.nodes == std::vector<std::int32_t>{7, 5, 6});
  CHECK(h.pair(0, 1) == g.pair(2, 0));
  CHECK(h.pair(0, 2) == g.pair(2, 1));
  CHECK(h.pair(1, 2) == g.pair(0, 1));
  constexpr auto where = "diffx::domain::graph::permuted";
  CHECK(test::says(test::message_of([&] {
                     permuted(g, std::vector<std::int64_t>{0, 1});
                   }),
                   where, "order.size()", "2", "the nodes of the graph"));
  CHECK(test::says(test::message_of([&] {
                     permuted(g, std::vector<std::int64_t>{0, 1, 1});
                   }),
                   where, "order[2]", "1", "every node once"));
  CHECK(test::says(test::message_of([&] {
                     permuted(g, std::vector<std::int64_t>{0, 3, 1});
                   }),
                   where, "order[1]", "3", "every node once"));
}

TEST_CASE("graphs: batches of different sizes") {
  std::vector<labelled_graph> const given{cycle(3), complete(5), labelled_graph(1)};
  for (std::int64_t const padded : {0, 8}) {
    graph_batch const batch(given, padded);
    CHECK(batch.most_nodes() == (padded == 0 ? 5 : padded));
    CHECK(batch.graphs() == given);
    auto const pairs = pair_count(batch.most_nodes());
    for (std::int64_t b = 0; b < batch.size(); ++b) {
      std::int64_t const n = batch.sizes()[static_cast<std::size_t>(b)];
      for (std::int64_t i = 0; i < batch.most_nodes(); ++i) {
        CHECK(batch.fixed_nodes()[b * batch.most_nodes() + i] == (i < n ? 0 : 1));
      }
      for (std::int64_t k = 0; k < pairs; ++k) {
        CHECK(batch.fixed_pairs()[b * pairs + k] == (pair_at(k).high < n ? 0 : 1));
      }
    }
  }
  graph_batch kept(given);
  kept.keep(1, std::vector<std::int64_t>{4, 0, 2});
  for (std::int64_t k = 0; k < 10; ++k) {
    auto const p = pair_at(k);
    auto const is = [](std::int64_t i) { return i == 0 || i == 2 || i == 4; };
    CHECK(kept.fixed_pairs()[10 + k] == (is(p.low) && is(p.high) ? 1 : 0));
  }
  graph_batch twice(given);
  twice.keep(1, std::vector<std::int64_t>{3, 3});  // is one node, and no pair
  CHECK(std::count(twice.fixed_pairs() + 10, twice.fixed_pairs() + 20, 1) == 0);
  CHECK(kept.fixed_nodes()[5 + 4] == 1);
  CHECK(kept.fixed_nodes()[5 + 1] == 0);

  constexpr auto where = "diffx::domain::graph::graph_batch";
  auto const refused = [](auto const& f) { return test::message_of(f); };
  CHECK(test::says(refused([] { graph_batch(std::vector<std::int64_t>{}); }), where, "sizes.size()",
                   "0", "at least 1"));
  CHECK(test::says(refused([] { graph_batch({3, 0}); }), where, "sizes[1]", "0", "at least 1"));
  CHECK(test::says(refused([] { graph_batch({3}, 2); }), where, "padded_to", "2",
                   "at least the largest size, 3"));
  CHECK(test::says(refused([&] { kept.set(0, cycle(4)); }), where, "size of graph 0", "4", "3"));
  CHECK(test::says(refused([&] { kept.set(3, cycle(4)); }), where, "graph", "3", "in [0, 3)"));
  CHECK(test::says(refused([&] { kept.keep(0, std::vector<std::int64_t>{3}); }), where, "kept[0]",
                   "3", "a node of the graph"));
}

TEST_CASE("graphs: marginals and sizes") {
  auto a = cycle(3);
  a.nodes = {0, 1, 1};
  std::vector<labelled_graph> const graphs{a, labelled_graph(2)};
  auto const m = marginals_of(graphs, 2, 3);
  CHECK(m.nodes == std::vector<double>{0.6, 0.4});
  CHECK(m.pairs == std::vector<double>{0.25, 0.75, 0.0});
  constexpr auto where = "diffx::domain::graph::marginals_of";
  CHECK(test::says(test::message_of([] { marginals_of({}, 2, 2); }), where, "graphs.size()", "0",
                   "at least 1"));
  std::vector<labelled_graph> const lone{labelled_graph(1)};
  CHECK(test::says(test::message_of([&] { marginals_of(lone, 1, 2); }), where, "pairs of nodes",
                   "0", "at least 1"));

  std::vector<std::int64_t> const observed{4, 4, 9};
  auto const sizes = draw_sizes(observed, 30'000, noise::counted{3});
  auto const fours = std::count(sizes.begin(), sizes.end(), 4);
  CHECK(fours + std::count(sizes.begin(), sizes.end(), 9) == 30'000);
  CHECK(std::fabs(static_cast<double>(fours) - 20'000.0) < 5.0 * std::sqrt(30'000.0 * 2.0 / 9.0));
  CHECK_THROWS_AS(draw_sizes({}, 1, noise::counted{}), error);
  CHECK_THROWS_AS(draw_sizes(observed, 0, noise::counted{}), error);
}

TEST_CASE("graphs: cycles counted from powers are those found by walking") {
  for (auto const& g : all_graphs(5)) {
    auto const c = count_cycles(g);
    bool const triangles = c.total[0] > 0.0;
    for (int length = 3; length <= 5; ++length) {
      if (length == 5 && triangles) continue;
      auto const walked = cycles_through(g, length);
      for (std::size_t i = 0; i < walked.size(); ++i) {
        REQUIRE(c.node[i][static_cast<std::size_t>(length - 3)] == walked[i]);
      }
    }
  }
  // Every 37th graph of six nodes, cycles of length 6 included.
  auto const six = all_graphs(6);
  for (std::size_t k = 0; k < six.size(); k += 37) {
    auto const c = count_cycles(six[k]);
    for (int length = 3; length <= 6; ++length) {
      if (length == 5 && c.total[0] > 0.0) continue;
      auto const walked = cycles_through(six[k], length);
      double const all = std::accumulate(walked.begin(), walked.end(), 0.0) / length;
      REQUIRE(c.total[static_cast<std::size_t>(length - 3)] == doctest::Approx(all));
    }
  }
}

TEST_CASE("graphs: components, spectra and what networks are shown") {
  auto const ring = laplacian_spectrum(cycle(6));
  std::vector<double> const want{0.0, 1.0, 1.0, 3.0, 3.0, 4.0};  // 2 - 2 cos(2 pi k / 6)
  for (std::size_t k = 0; k < 6; ++k) CHECK(ring[k] == doctest::Approx(want[k]).epsilon(1e-12));

  auto const apart = from_edges(6, edge_list{{0, 3}, {3, 5}, {1, 4}});
  CHECK(components(apart) == std::vector<std::int64_t>{0, 1, 2, 0, 1, 0});
  CHECK(component_count(apart) == 3);

  auto const f = features_of(complete(4), 8);
  CHECK(f.graph[0] == 0.5);
  CHECK(f.graph[1] == 0.4);  // 4 triangles
  CHECK(f.graph[5] == 1.0);
  CHECK(f.graph[6] == doctest::Approx(1.0));  // 4 / 4, three times, then none
  CHECK(f.graph[9] == 2.0);
  CHECK(f.node[0][0] == 0.3);
  CHECK(features_of(complete(9), 9).graph[1] == 1.0);  // 84 triangles
  CHECK_THROWS_WITH_AS(features_of(complete(4), 3), doctest::Contains("most_nodes = 3"), error);
  CHECK_THROWS_WITH_AS(features_of(complete(4), 8, 3), doctest::Contains("padded_to = 3"), error);
  CHECK_THROWS_WITH_AS(features_of({}, 3), doctest::Contains("nodes of the graph = 0"), error);
}

TEST_CASE("graphs: degrees that a graph has") {
  // All sequences of 5 degrees against the degrees of all graphs of 5 nodes.
  std::vector<std::vector<std::int64_t>> seen;
  for (auto const& g : all_graphs(5)) seen.push_back(g.degrees());
  std::sort(seen.begin(), seen.end());
  for (int code = 0; code < 7 * 7 * 7 * 7 * 7; ++code) {
    std::vector<std::int64_t> d;
    for (int k = 0, rest = code; k < 5; ++k, rest /= 7) d.push_back(rest % 7 - 1);
    REQUIRE(is_graphical(d) == std::binary_search(seen.begin(), seen.end(), d));
  }
  constexpr auto where = "here";
  auto const refused = [](std::vector<std::int64_t> const& d) {
    return test::message_of([&] { require_graphical(where, d); });
  };
  CHECK(test::says(refused({}), where, "degrees.size()", "0", "at least 1"));
  CHECK(test::says(refused({1, 3, 1}), where, "degrees[1]", "3",
                   "in [0, 3), the nodes of the graph"));
  CHECK(test::says(refused({1, -1, 1}), where, "degrees[1]", "-1",
                   "in [0, 3), the nodes of the graph"));
  CHECK(test::says(refused({1, 1, 1}), where, "the sum of the degrees", "3",
                   "even: every edge has two ends"));
  CHECK(refused({3, 3, 1, 1}).find("no simple graph has these degrees") != std::string::npos);
}

TEST_CASE("graphs: sparse graphs") {
  for (auto const& g : all_graphs(5)) {
    auto const s = sparse(g);
    REQUIRE(s.labelled() == g);
    REQUIRE(s.degrees() == g.degrees());
    for (std::int64_t i = 0; i < 5; ++i) {
      auto const near = s.neighbours(i);
      REQUIRE(std::is_sorted(near.begin(), near.end()));
      for (std::int64_t j = 0; j < 5; ++j) REQUIRE(s.joined(i, j) == g.joined(i, j));
    }
  }
  sparse_graph s(5, {{3, 1}, {0, 1}, {2, 4}});
  s.change(std::vector<edge>{{0, 1}}, std::vector<edge>{{0, 4}, {1, 2}});
  CHECK(s == sparse_graph(5, {{0, 4}, {1, 2}, {1, 3}, {2, 4}}));
  CHECK(s.degrees() == std::vector<std::int64_t>{1, 2, 2, 1, 2});
  CHECK(s.edge_count() == 4);
  CHECK_FALSE(s == sparse_graph(5, {{0, 4}, {1, 2}, {1, 3}, {3, 4}}));
  CHECK_FALSE(s == sparse_graph(6, {{0, 4}, {1, 2}, {1, 3}, {2, 4}}));

  // Changes of many edges at once, in lists with room for all, for some and for none.
  for (std::int64_t const room : {0, 2, 100}) {
    auto g = sparse_graph::with_room(std::vector<std::int64_t>(23, room));
    REQUIRE(g.edges().empty());
    std::vector<bool> there(static_cast<std::size_t>(pair_count(23)), false);
    std::uint64_t state = 7;
    for (int round = 0; round < 60; ++round) {
      std::vector<edge> removed, added;
      for (std::size_t p = there.size(); p-- > 0;) {  // not in order
        state = state * 6364136223846793005u + 1442695040888963407u;
        if (state >> 60 > 2) continue;
        auto const ends = pair_at(static_cast<std::int64_t>(p));
        edge const e{static_cast<std::int32_t>(ends.low), static_cast<std::int32_t>(ends.high)};
        (there[p] ? removed : added).push_back(e);
        there[p] = !there[p];
      }
      g.change(removed, added);
      std::vector<edge> want;
      for (std::size_t p = 0; p < there.size(); ++p) {
        auto const ends = pair_at(static_cast<std::int64_t>(p));
        if (there[p]) {
          want.push_back(
              {static_cast<std::int32_t>(ends.low), static_cast<std::int32_t>(ends.high)});
        }
        REQUIRE(g.joined(ends.low, ends.high) == there[p]);
        REQUIRE(g.joined(ends.high, ends.low) == there[p]);
      }
      std::sort(want.begin(), want.end());
      REQUIRE(g.edges() == want);
      REQUIRE(g.edge_count() == static_cast<std::int64_t>(want.size()));
      REQUIRE(g == sparse_graph(23, want));
      for (std::int64_t i = 0; i < 23; ++i) {
        auto const near = g.neighbours(i);
        REQUIRE(std::is_sorted(near.begin(), near.end()));
        REQUIRE(static_cast<std::int64_t>(near.size()) == g.degree(i));
      }
    }
  }

  constexpr auto where = "diffx::domain::graph::sparse_graph";
  auto const refused = [](std::int64_t n, std::vector<edge> e) {
    return test::message_of([&] { sparse_graph(n, std::move(e)); });
  };
  CHECK(test::says(test::message_of([] {
                     sparse_graph::with_room(std::vector<std::int64_t>{1, -1});
                   }),
                   where, "room[1]", "-1", "at least 0"));
  CHECK(test::says(refused(0, {}), where, "nodes", "0", "in [1, 2^31)"));
  CHECK(test::says(refused(3, {{0, 3}}), where, "edges[0]", "3", "a node, below 3"));
  CHECK(test::says(refused(3, {{0, 1}, {-1, 1}}), where, "edges[1]", "-1", "a node"));
  CHECK(test::says(refused(3, {{1, 1}}), where, "edges[0]", "1", "no self loop"));
  CHECK(refused(3, {{0, 2}, {2, 0}}).find("the edge {0, 2} stands there twice") !=
        std::string::npos);
}
