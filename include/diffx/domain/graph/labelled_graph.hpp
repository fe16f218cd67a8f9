#pragma once

#include <diffx/domain/graph/pairs.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// An undirected graph without self loops, with a class on every node and on every pair of nodes;
/// class 0 of a pair is no edge.
struct labelled_graph {
  std::vector<std::int32_t> nodes;
  std::vector<std::int32_t> pairs;  // by pair_index

  labelled_graph() = default;
  /// No edges, all nodes of class 0.
  explicit labelled_graph(std::int64_t n)
      : nodes(static_cast<std::size_t>(n), 0), pairs(static_cast<std::size_t>(pair_count(n)), 0) {}

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(nodes.size()); }
  std::int32_t pair(std::int64_t i, std::int64_t j) const noexcept {
    return i == j ? 0 : pairs[static_cast<std::size_t>(pair_index(i, j))];
  }
  std::int32_t& pair(std::int64_t i, std::int64_t j) noexcept {
    return pairs[static_cast<std::size_t>(pair_index(i, j))];
  }
  bool joined(std::int64_t i, std::int64_t j) const noexcept { return pair(i, j) != 0; }

  std::int64_t edges() const noexcept {
    std::int64_t n = 0;
    for (auto const c : pairs) n += c != 0 ? 1 : 0;
    return n;
  }
  std::vector<std::int64_t> degrees() const {
    std::vector<std::int64_t> d(nodes.size(), 0);
    for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
      ++d[static_cast<std::size_t>(i)];
      ++d[static_cast<std::size_t>(j)];
    });
    return d;
  }

  /// Calls f(i, j, class), i < j.
  template <class F>
  void for_each_edge(F const& f) const {
    std::size_t at = 0;
    for (std::int64_t j = 1; j < size(); ++j) {
      for (std::int64_t i = 0; i < j; ++i, ++at) {
        if (pairs[at] != 0) f(i, j, pairs[at]);
      }
    }
  }

  bool operator==(labelled_graph const&) const = default;
};

/// From a matrix [n, n] of the classes of pairs.
///
/// Errors    no node, a matrix of another size, an edge from a node to itself, an entry that
///           differs from the one across the diagonal, a class below 0: throws diffx::error.
inline labelled_graph from_adjacency(std::vector<std::int32_t> nodes,
                                     std::span<std::int32_t const> matrix) {
  constexpr std::string_view where = "diffx::domain::graph::from_adjacency";
  auto const n = static_cast<std::int64_t>(nodes.size());
  detail::require(n >= 1, where, "nodes.size()", static_cast<long long>(n), "at least 1");
  detail::require(matrix.size() == nodes.size() * nodes.size(), where, "matrix.size()",
                  static_cast<long long>(matrix.size()), "nodes.size() squared");
  labelled_graph g(n);
  g.nodes = std::move(nodes);
  auto const name = [](std::int64_t i, std::int64_t j) {
    return "matrix[" + std::to_string(i) + ", " + std::to_string(j) + "]";
  };
  for (std::int64_t i = 0; i < n; ++i) {
    detail::require(g.nodes[static_cast<std::size_t>(i)] >= 0, where,
                    "nodes[" + std::to_string(i) + "]",
                    static_cast<long long>(g.nodes[static_cast<std::size_t>(i)]), "at least 0");
    auto const at = [&](std::int64_t r, std::int64_t c) {
      return matrix[static_cast<std::size_t>(r * n + c)];
    };
    detail::require(at(i, i) == 0, where, name(i, i), static_cast<long long>(at(i, i)),
                    "0 (no self loops)");
    for (std::int64_t j = 0; j < i; ++j) {
      detail::require(at(i, j) >= 0, where, name(i, j), static_cast<long long>(at(i, j)),
                      "at least 0");
      detail::require(at(i, j) == at(j, i), where, name(i, j), static_cast<long long>(at(i, j)),
                      name(j, i) + " = " + std::to_string(at(j, i)) + " (symmetric)");
      g.pair(i, j) = at(i, j);
    }
  }
  return g;
}

/// From a list of edges of class 1, in either direction.
///
/// Errors    no node, a node outside [0, n), an edge from a node to itself, an edge twice: throws
///           diffx::error.
inline labelled_graph from_edges(std::int64_t n,
                                 std::span<std::pair<std::int64_t, std::int64_t> const> edges) {
  constexpr std::string_view where = "diffx::domain::graph::from_edges";
  detail::require(n >= 1, where, "n", static_cast<long long>(n), "at least 1");
  labelled_graph g(n);
  for (std::size_t e = 0; e < edges.size(); ++e) {
    auto const [i, j] = edges[e];
    std::string const name = "edges[" + std::to_string(e) + "]";
    for (std::int64_t const end : {i, j}) {
      detail::require(end >= 0 && end < n, where, name, static_cast<long long>(end),
                      "a node, in [0, " + std::to_string(n) + ")");
    }
    detail::require(i != j, where, name, static_cast<long long>(i), "no self loop");
    detail::require(g.pair(i, j) == 0, where, name, static_cast<long long>(i),
                    "an edge that is not there yet");
    g.pair(i, j) = 1;
  }
  return g;
}

/// The same graph with its nodes in another order: node k is node order[k] of `g`.
///
/// Errors    an order that is no permutation: throws diffx::error.
inline labelled_graph permuted(labelled_graph const& g, std::span<std::int64_t const> order) {
  constexpr std::string_view where = "diffx::domain::graph::permuted";
  detail::require(order.size() == g.nodes.size(), where, "order.size()",
                  static_cast<long long>(order.size()), "the nodes of the graph");
  std::vector<bool> seen(order.size(), false);
  for (std::size_t k = 0; k < order.size(); ++k) {
    bool const is_node = order[k] >= 0 && order[k] < g.size();
    detail::require(is_node && !seen[static_cast<std::size_t>(order[k])], where,
                    "order[" + std::to_string(k) + "]", static_cast<long long>(order[k]),
                    "every node once");
    seen[static_cast<std::size_t>(order[k])] = true;
  }
  labelled_graph out(g.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    out.nodes[k] = g.nodes[static_cast<std::size_t>(order[k])];
    for (std::size_t m = 0; m < k; ++m) {
      out.pair(static_cast<std::int64_t>(m), static_cast<std::int64_t>(k)) =
          g.pair(order[m], order[k]);
    }
  }
  return out;
}

}  // namespace diffx::domain::graph
