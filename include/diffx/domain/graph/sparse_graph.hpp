#pragma once

#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// A pair of nodes, low < high.
struct edge {
  std::int32_t low, high;
  auto operator<=>(edge const&) const = default;
};

/// An undirected graph of many nodes: its edges and who is whose neighbour. 16 bytes an edge and 8
/// a node; while it changes, 16 an edge and 8 a node more.
///
/// Errors    no node, more than 2^31 - 1, an end of an edge that is no node, an edge from a node to
///           itself, an edge twice: throws diffx::error.
class sparse_graph {
 public:
  explicit sparse_graph(std::int64_t nodes) : sparse_graph(nodes, {}) {}
  sparse_graph(std::int64_t nodes, std::vector<edge> edges)
      : nodes_(nodes), edges_(std::move(edges)) {
    detail::require(nodes >= 1 && nodes < (std::int64_t{1} << 31), where, "nodes",
                    static_cast<long long>(nodes), "in [1, 2^31)");
    for (std::size_t e = 0; e < edges_.size(); ++e) {
      edge& each = edges_[e];
      if (each.low > each.high) std::swap(each.low, each.high);
      std::string const name = "edges[" + std::to_string(e) + "]";
      detail::require(each.low >= 0, where, name, each.low, "a node");
      detail::require(each.high < nodes, where, name, each.high,
                      "a node, below " + std::to_string(nodes));
      detail::require(each.low != each.high, where, name, each.low, "no self loop");
    }
    std::sort(edges_.begin(), edges_.end());
    auto const twice = std::adjacent_find(edges_.begin(), edges_.end());
    if (twice != edges_.end()) {
      detail::fail(std::string(where) + ": the edge {" + std::to_string(twice->low) + ", " +
                   std::to_string(twice->high) + "} stands there twice");
    }
    index();
  }

  std::int64_t nodes() const noexcept { return nodes_; }
  /// Sorted.
  std::vector<edge> const& edges() const noexcept { return edges_; }
  std::int64_t degree(std::int64_t i) const noexcept {
    auto const at = static_cast<std::size_t>(i);
    return offset_[at + 1] - offset_[at];
  }
  std::vector<std::int64_t> degrees() const {
    std::vector<std::int64_t> out(static_cast<std::size_t>(nodes_));
    for (std::int64_t i = 0; i < nodes_; ++i) out[static_cast<std::size_t>(i)] = degree(i);
    return out;
  }
  /// Sorted.
  std::span<std::int32_t const> neighbours(std::int64_t i) const noexcept {
    return std::span(neighbour_)
        .subspan(static_cast<std::size_t>(offset_[static_cast<std::size_t>(i)]),
                 static_cast<std::size_t>(degree(i)));
  }
  bool joined(std::int64_t i, std::int64_t j) const noexcept {
    auto const near = neighbours(i);
    return std::binary_search(near.begin(), near.end(), static_cast<std::int32_t>(j));
  }

  /// Takes edges away and adds others, both sorted: those of the graph, those that it has not.
  void change(std::span<edge const> removed, std::span<edge const> added) {
    std::vector<edge> kept, next;
    kept.reserve(edges_.size());
    std::set_difference(edges_.begin(), edges_.end(), removed.begin(), removed.end(),
                        std::back_inserter(kept));
    next.reserve(kept.size() + added.size());
    std::merge(kept.begin(), kept.end(), added.begin(), added.end(), std::back_inserter(next));
    edges_ = std::move(next);
    index();
  }

  labelled_graph labelled() const {
    labelled_graph g(nodes_);
    for (edge const& e : edges_) g.pair(e.low, e.high) = 1;
    return g;
  }

  bool operator==(sparse_graph const& other) const {
    return nodes_ == other.nodes_ && edges_ == other.edges_;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::sparse_graph";

  void index() {
    offset_.assign(static_cast<std::size_t>(nodes_) + 1, 0);
    for (edge const& e : edges_) {
      ++offset_[static_cast<std::size_t>(e.low) + 1];
      ++offset_[static_cast<std::size_t>(e.high) + 1];
    }
    for (std::size_t i = 1; i < offset_.size(); ++i) offset_[i] += offset_[i - 1];
    neighbour_.resize(2 * edges_.size());
    auto next = offset_;
    // Sorted edges: a node meets its lower neighbours first, each list in order.
    for (edge const& e : edges_) {
      neighbour_[static_cast<std::size_t>(next[static_cast<std::size_t>(e.high)]++)] = e.low;
    }
    for (edge const& e : edges_) {
      neighbour_[static_cast<std::size_t>(next[static_cast<std::size_t>(e.low)]++)] = e.high;
    }
  }

  std::int64_t nodes_;
  std::vector<edge> edges_;
  std::vector<std::int64_t> offset_;
  std::vector<std::int32_t> neighbour_;
};

inline sparse_graph sparse(labelled_graph const& g) {
  std::vector<edge> edges;
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    edges.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(j)});
  });
  return sparse_graph(g.size(), std::move(edges));
}

}  // namespace diffx::domain::graph
