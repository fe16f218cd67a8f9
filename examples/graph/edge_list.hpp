#pragma once

#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/graph/sparse_graph.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

namespace example {

namespace graph = diffx::domain::graph;

/// A graph from a text of whole numbers: nodes, edges, and the two nodes of every edge.
inline graph::sparse_graph read_edges(std::string const& path) {
  constexpr std::string_view where = "read_edges";
  std::string const text = diffx::detail::read_whole_file(where, path);
  char const* at = text.data();
  char const* const end = at + text.size();
  auto const number = [&] {
    while (at != end && (*at == ' ' || *at == '\n' || *at == '\r')) ++at;
    std::int32_t value = 0;
    auto const [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{}) {
      diffx::detail::fail("'" + path + "': byte " + std::to_string(at - text.data()) +
                          " begins no whole number below 2^31");
    }
    at = next;
    return value;
  };
  std::int32_t const nodes = number(), count = number();
  diffx::detail::require(count >= 1, where, "edges of '" + path + "'", count, "at least 1");
  std::vector<graph::edge> edges;
  for (std::int32_t e = 0; e < count; ++e) {
    std::int32_t const low = number(), high = number();
    edges.push_back({low, high});
  }
  while (at != end && (*at == ' ' || *at == '\n' || *at == '\r')) ++at;
  if (at != end) {
    diffx::detail::fail("'" + path + "': goes on after its " + std::to_string(count) + " edges");
  }
  return graph::sparse_graph(nodes, std::move(edges));
}

/// A graph of the same degrees, else at random: `times` as many attempts as there are edges to let
/// two edges {a, b}, {c, d} become {a, d}, {c, b}, made where that gives no loop and no edge twice.
inline graph::sparse_graph rewired(graph::sparse_graph const& g, diffx::noise::counted const& noise,
                                   std::int64_t times = 20) {
  auto edges = g.edges();
  auto const key = [](std::int32_t a, std::int32_t b) {
    return static_cast<std::uint64_t>(std::min(a, b)) << 32 |
           static_cast<std::uint32_t>(std::max(a, b));
  };
  std::unordered_set<std::uint64_t> there;
  for (auto const& e : edges) there.insert(key(e.low, e.high));
  auto const count = static_cast<std::uint64_t>(edges.size());
  for (std::int64_t i = 0; i < times * g.edge_count(); ++i) {
    auto const w = noise.words({}, 0, i);
    auto& one = edges[w.word[0] * count >> 32];
    auto& two = edges[w.word[1] * count >> 32];
    std::int32_t const a = one.low, b = one.high;
    std::int32_t const c = w.word[2] & 1 ? two.low : two.high;
    std::int32_t const d = w.word[2] & 1 ? two.high : two.low;
    if (a == d || c == b || there.contains(key(a, d)) || there.contains(key(c, b))) continue;
    there.erase(key(a, b));
    there.erase(key(c, d));
    there.insert(key(a, d));
    there.insert(key(c, b));
    one = {a, d};
    two = {c, b};
  }
  return graph::sparse_graph(g.nodes(), std::move(edges));
}

/// The edges that both have.
inline std::int64_t edges_in_common(graph::sparse_graph const& a, graph::sparse_graph const& b) {
  std::int64_t count = 0;
  a.for_each_edge([&](std::int64_t i, std::int64_t j) { count += b.joined(i, j) ? 1 : 0; });
  return count;
}

}  // namespace example
