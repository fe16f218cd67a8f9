// Graphs up to the order of their nodes, and graphs that can be drawn in the plane: counted against
// the numbers that are known (OEIS A000088, A001349, A003094, A066537).

#include <diffx/domain/graph/isomorphism.hpp>
#include <diffx/domain/graph/planarity.hpp>
#include <diffx/noise/counted.hpp>

#include "support/message.hpp"
#include <algorithm>
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

labelled_graph graph_of(std::int64_t n, std::uint32_t code) {
  labelled_graph g(n);
  for (std::size_t k = 0; k < g.pairs.size(); ++k) {
    g.pairs[k] = static_cast<std::int32_t>(code >> k & 1);
  }
  return g;
}
std::uint32_t codes(std::int64_t n) { return 1u << pair_count(n); }

std::vector<std::int64_t> some_order(std::int64_t n, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  noise::counted const noise{seed};
  for (std::int64_t k = n; k-- > 1;) {
    auto const m = noise.words({}, 0, k).word[0] % static_cast<std::uint32_t>(k + 1);
    std::swap(order[static_cast<std::size_t>(k)], order[m]);
  }
  return order;
}

/// Every edge is cut in two by a node in its middle.
labelled_graph subdivided(labelled_graph const& g) {
  labelled_graph out(g.size() + g.edges());
  std::int64_t next = g.size();
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    out.pair(i, next) = out.pair(j, next) = 1;
    ++next;
  });
  return out;
}

labelled_graph complete(std::int64_t n) {
  labelled_graph g(n);
  std::fill(g.pairs.begin(), g.pairs.end(), 1);
  return g;
}
labelled_graph utilities() {
  labelled_graph g(6);
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 3; j < 6; ++j) g.pair(i, j) = 1;
  }
  return g;
}
/// A grid of so many rows and columns, triangles drawn into its squares.
labelled_graph triangles(std::int64_t rows, std::int64_t columns) {
  labelled_graph g(rows * columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      std::int64_t const at = r * columns + c;
      if (c + 1 < columns) g.pair(at, at + 1) = 1;
      if (r + 1 < rows) g.pair(at, at + columns) = 1;
      if (c + 1 < columns && r + 1 < rows) g.pair(at, at + columns + 1) = 1;
    }
  }
  return g;
}

}  // namespace

TEST_CASE("isomorphism: the numbers of graphs, of connected and of planar ones") {
  std::size_t const all[] = {1, 2, 4, 11, 34, 156}, connected[] = {1, 1, 2, 6, 21, 112};
  std::size_t const planar[] = {1, 1, 2, 6, 20, 99};       // and connected
  std::size_t const drawn[] = {1, 2, 8, 64, 1023, 32071};  // planar, nodes told apart
  for (std::int64_t n = 1; n <= 6; ++n) {
    CAPTURE(n);
    auto const at = static_cast<std::size_t>(n - 1);
    graph_set classes, joined, flat;
    std::size_t labelled = 0;
    for (std::uint32_t code = 0; code < codes(n); ++code) {
      auto const g = graph_of(n, code);
      classes.add(g);
      bool const is = is_planar(g);
      labelled += is ? 1 : 0;
      if (is_connected(g)) joined.add(g);
      if (is_connected(g) && is) flat.add(g);
    }
    CHECK(classes.graphs().size() == all[at]);
    CHECK(std::accumulate(classes.counts().begin(), classes.counts().end(), std::int64_t{0}) ==
          static_cast<std::int64_t>(codes(n)));
    CHECK(joined.graphs().size() == connected[at]);
    CHECK(flat.graphs().size() == planar[at]);
    CHECK(labelled == drawn[at]);
  }
}

TEST_CASE("isomorphism: classes of nodes and pairs count, the order does not") {
  labelled_graph g = triangles(3, 3);
  g.nodes = {0, 1, 2, 0, 1, 2, 0, 1, 2};
  g.pair(0, 1) = 2;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    auto const h = permuted(g, some_order(9, seed));
    CHECK(isomorphic(g, h));
    CHECK(structure_hash(g) == structure_hash(h));
  }
  auto other = g;
  other.nodes[4] = 2;
  CHECK_FALSE(isomorphic(g, other));
  other = g;
  other.pair(0, 1) = 1;
  other.pair(1, 2) = 2;
  CHECK_FALSE(isomorphic(g, other));
  CHECK_FALSE(isomorphic(g, triangles(2, 4)));
  // Two triangles and a ring of six look alike node by node.
  labelled_graph apart(6), ring(6);
  for (std::int64_t i = 0; i < 6; ++i) ring.pair(i, (i + 1) % 6) = 1;
  for (std::int64_t i = 0; i < 6; i += 3) {
    apart.pair(i, i + 1) = apart.pair(i + 1, i + 2) = apart.pair(i, i + 2) = 1;
  }
  CHECK(structure_hash(apart) == structure_hash(ring));
  CHECK_FALSE(isomorphic(apart, ring));
  // A cube whose edges of class 2 are parallel, and one in which they are not: equal node by node.
  labelled_graph parallel(8), crossed(8);
  for (std::int64_t i = 0; i < 8; ++i) {
    for (std::int64_t const bit : {1, 2, 4})
      parallel.pair(i, i ^ bit) = crossed.pair(i, i ^ bit) = 1;
  }
  for (std::int64_t i = 0; i < 8; ++i) {
    parallel.pair(i, i ^ 1) = 2;
    crossed.pair(i, i ^ (i < 4 ? 1 : 2)) = 2;
  }
  CHECK(structure_hash(parallel) == structure_hash(crossed));
  CHECK_FALSE(isomorphic(parallel, crossed));
  CHECK(isomorphic(crossed, permuted(crossed, some_order(8, 9))));
  graph_set set;
  CHECK(set.add(ring) == 0);
  CHECK(set.add(apart) == 1);
  CHECK(set.add(permuted(ring, some_order(6, 3))) == 0);
  CHECK(set.counts() == std::vector<std::int64_t>{2, 1});
  CHECK(set.contains(permuted(apart, some_order(6, 4))));
  CHECK_FALSE(set.contains(complete(6)));
}

TEST_CASE("planarity: graphs that are known") {
  CHECK_FALSE(is_planar(complete(5)));
  CHECK_FALSE(is_planar(utilities()));
  for (int k = 1; k <= 3; ++k) {
    auto five = complete(5), three = utilities();
    for (int m = 0; m < k; ++m) {
      five = subdivided(five);
      three = subdivided(three);
    }
    CHECK_FALSE(is_planar(permuted(five, some_order(five.size(), 5))));
    CHECK_FALSE(is_planar(permuted(three, some_order(three.size(), 6))));
    // Without one edge they are planar.
    for (std::size_t e = 0; e < five.pairs.size(); e += 7) {
      auto less = five;
      if (less.pairs[e] == 0) continue;
      less.pairs[e] = 0;
      CHECK(is_planar(less));
    }
  }
  auto const flat = triangles(7, 8);
  CHECK(is_planar(flat));
  CHECK(is_planar(permuted(flat, some_order(56, 7))));
  auto crossed = flat;
  crossed.pair(0, 55) = crossed.pair(7, 48) = 1;  // two far corners each
  CHECK_FALSE(is_planar(crossed));
  // A planar part beside another that is not.
  labelled_graph both(16);
  complete(5).for_each_edge(
      [&](std::int64_t i, std::int64_t j, std::int32_t) { both.pair(i, j) = 1; });
  both.pair(5, 6) = both.pair(4, 5) = 1;
  CHECK_FALSE(is_planar(both));
}

TEST_CASE("novelty: shares of what is valid, different and new") {
  std::vector<labelled_graph> const training{complete(4)};
  std::vector<labelled_graph> const made{complete(4), triangles(2, 2),
                                         permuted(triangles(2, 2), some_order(4, 2)), complete(5),
                                         labelled_graph(3)};
  auto const n =
      novelty_of(made, training, [](auto const& g) { return is_planar(g) && is_connected(g); });
  CHECK(n.valid == 0.6);
  CHECK(n.unique == doctest::Approx(2.0 / 3.0));
  CHECK(n.novel == 0.2);
  CHECK(novelty_of(made, training, [](auto const&) { return false; }).unique == 0.0);
  CHECK(test::says(
      test::message_of([&] { novelty_of({}, training, [](auto const&) { return true; }); }),
      "diffx::domain::graph::novelty_of", "generated.size()", "0", "at least 1"));
}
