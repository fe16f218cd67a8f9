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

/// An undirected graph of many nodes: who is whose neighbour. 8 bytes an edge and 16 a node; edges
/// that come find their place in the lists of their two nodes, so that a change costs as much as
/// the lists that it touches. A list that outgrows its room is moved to the end with half as much
/// more.
///
/// Errors    of construction: no node, more than 2^31 - 1, an end of an edge that is no node, an
///           edge from a node to itself, an edge twice, a negative room: throws diffx::error.
class sparse_graph {
 public:
  explicit sparse_graph(std::int64_t nodes) : sparse_graph(nodes, {}) {}
  sparse_graph(std::int64_t nodes, std::vector<edge> edges)
      : lists_(checked(nodes)), edges_(static_cast<std::int64_t>(edges.size())) {
    for (std::size_t e = 0; e < edges.size(); ++e) {
      edge& each = edges[e];
      if (each.low > each.high) std::swap(each.low, each.high);
      std::string const name = "edges[" + std::to_string(e) + "]";
      detail::require(each.low >= 0, where, name, each.low, "a node");
      detail::require(each.high < nodes, where, name, each.high,
                      "a node, below " + std::to_string(nodes));
      detail::require(each.low != each.high, where, name, each.low, "no self loop");
    }
    std::sort(edges.begin(), edges.end());
    auto const twice = std::adjacent_find(edges.begin(), edges.end());
    if (twice != edges.end()) {
      detail::fail(std::string(where) + ": the edge {" + std::to_string(twice->low) + ", " +
                   std::to_string(twice->high) + "} stands there twice");
    }
    for (edge const& e : edges) {
      ++list_of(e.low).room;
      ++list_of(e.high).room;
    }
    make_room();
    // Sorted edges: a node meets its lower neighbours first, each list in order.
    for (edge const& e : edges) append(e.high, e.low);
    for (edge const& e : edges) append(e.low, e.high);
  }

  /// No edge, and node i has room for room[i] of them; where more come, they are given more.
  static sparse_graph with_room(std::span<std::int64_t const> room) {
    sparse_graph g(static_cast<std::int64_t>(room.size()));
    for (std::size_t i = 0; i < room.size(); ++i) {
      detail::require(room[i] >= 0, where, "room[" + std::to_string(i) + "]",
                      static_cast<long long>(room[i]), "at least 0");
      g.lists_[i].room = static_cast<std::int32_t>(std::min(room[i], g.nodes() - 1));
    }
    g.make_room();
    return g;
  }

  std::int64_t nodes() const noexcept { return static_cast<std::int64_t>(lists_.size()); }
  std::int64_t edge_count() const noexcept { return edges_; }
  std::int64_t degree(std::int64_t i) const noexcept { return list_of(i).size; }
  std::vector<std::int64_t> degrees() const {
    std::vector<std::int64_t> out;
    out.reserve(lists_.size());
    for (list const& each : lists_) out.push_back(each.size);
    return out;
  }
  /// Sorted.
  std::span<std::int32_t const> neighbours(std::int64_t i) const noexcept {
    list const& near = list_of(i);
    return {neighbour_.data() + near.begin, static_cast<std::size_t>(near.size)};
  }
  bool joined(std::int64_t i, std::int64_t j) const noexcept {
    if (degree(j) < degree(i)) std::swap(i, j);
    auto const near = neighbours(i);
    return std::binary_search(near.begin(), near.end(), static_cast<std::int32_t>(j));
  }

  /// Calls f(low, high) for every edge, in order.
  template <class F>
  void for_each_edge(F&& f) const {
    for (std::int64_t i = 0; i < nodes(); ++i) {
      auto const near = neighbours(i);
      for (auto j = std::upper_bound(near.begin(), near.end(), static_cast<std::int32_t>(i));
           j != near.end(); ++j) {
        f(i, std::int64_t{*j});
      }
    }
  }
  /// Sorted.
  std::vector<edge> edges() const {
    std::vector<edge> out;
    out.reserve(static_cast<std::size_t>(edges_));
    for_each_edge([&](std::int64_t i, std::int64_t j) {
      out.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(j)});
    });
    return out;
  }

  /// Takes edges away and adds others, in any order: those of the graph, those that it has not,
  /// which is not checked.
  void change(std::span<edge const> removed, std::span<edge const> added) {
    for_each_end(removed, [this](std::int64_t i, auto gone, auto end) {
      list& near = list_of(i);
      std::int32_t* const first = neighbour_.data() + near.begin;
      std::int32_t* to = first;
      for (std::int32_t const* from = first; from != first + near.size; ++from) {
        if (gone != end && other_end(*gone) == *from) {
          ++gone;
        } else {
          *to++ = *from;
        }
      }
      near.size = static_cast<std::int32_t>(to - first);
    });
    for_each_end(added, [this](std::int64_t i, auto fresh, auto end) {
      auto const more = static_cast<std::int32_t>(end - fresh);
      if (list_of(i).size + more > list_of(i).room) widen(i, list_of(i).size + more);
      list& near = list_of(i);
      std::int32_t* const first = neighbour_.data() + near.begin;
      // From the largest down, so that what is there moves up once.
      std::int32_t* from = first + near.size;
      for (std::int32_t* to = from + more; end != fresh;) {
        std::int32_t const next = other_end(*(end - 1));
        if (from != first && *(from - 1) > next) {
          *--to = *--from;
        } else {
          *--to = next;
          --end;
        }
      }
      near.size += more;
    });
    edges_ += static_cast<std::int64_t>(added.size()) - static_cast<std::int64_t>(removed.size());
  }

  labelled_graph labelled() const {
    labelled_graph g(nodes());
    for_each_edge([&](std::int64_t i, std::int64_t j) { g.pair(i, j) = 1; });
    return g;
  }

  bool operator==(sparse_graph const& other) const {
    if (nodes() != other.nodes() || edges_ != other.edges_) return false;
    for (std::int64_t i = 0; i < nodes(); ++i) {
      auto const a = neighbours(i), b = other.neighbours(i);
      if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) return false;
    }
    return true;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::sparse_graph";

  struct list {
    std::int64_t begin = 0;
    std::int32_t size = 0, room = 0;
  };

  static std::size_t checked(std::int64_t nodes) {
    detail::require(nodes >= 1 && nodes < (std::int64_t{1} << 31), where, "nodes",
                    static_cast<long long>(nodes), "in [1, 2^31)");
    return static_cast<std::size_t>(nodes);
  }
  list& list_of(std::int64_t i) noexcept { return lists_[static_cast<std::size_t>(i)]; }
  list const& list_of(std::int64_t i) const noexcept { return lists_[static_cast<std::size_t>(i)]; }

  void make_room() {
    std::int64_t total = 0;
    for (list& each : lists_) {
      each.begin = total;
      total += each.room;
    }
    neighbour_.resize(static_cast<std::size_t>(total));
  }
  void append(std::int32_t i, std::int32_t j) {
    list& near = list_of(i);
    neighbour_[static_cast<std::size_t>(near.begin + near.size++)] = j;
  }
  void widen(std::int64_t i, std::int32_t size) {
    list& near = list_of(i);
    auto const begin = static_cast<std::int64_t>(neighbour_.size());
    near.room = static_cast<std::int32_t>(
        std::min<std::int64_t>(std::int64_t{size} + size / 2, nodes() - 1));
    neighbour_.resize(neighbour_.size() + static_cast<std::size_t>(near.room));
    std::copy_n(neighbour_.data() + near.begin, near.size, neighbour_.data() + begin);
    near.begin = begin;
  }

  /// Calls f(node, first, last) for every node at an end of these edges with its other ends there.
  template <class F>
  void for_each_end(std::span<edge const> changed, F&& f) {
    ends_.clear();
    for (edge const& e : changed) {
      ends_.push_back(static_cast<std::uint64_t>(e.low) << 32 | static_cast<std::uint32_t>(e.high));
      ends_.push_back(static_cast<std::uint64_t>(e.high) << 32 | static_cast<std::uint32_t>(e.low));
    }
    std::sort(ends_.begin(), ends_.end());
    for (auto first = ends_.begin(); first != ends_.end();) {
      auto last = first;
      while (last != ends_.end() && *last >> 32 == *first >> 32) ++last;
      f(static_cast<std::int64_t>(*first >> 32), first, last);
      first = last;
    }
  }
  static std::int32_t other_end(std::uint64_t end) noexcept {
    return static_cast<std::int32_t>(end & 0xFFFFFFFF);
  }

  std::vector<list> lists_;
  std::vector<std::int32_t> neighbour_;
  std::int64_t edges_ = 0;
  std::vector<std::uint64_t> ends_;  // of change(), kept so that it does not allocate
};

inline sparse_graph sparse(labelled_graph const& g) {
  std::vector<edge> edges;
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    edges.push_back({static_cast<std::int32_t>(i), static_cast<std::int32_t>(j)});
  });
  return sparse_graph(g.size(), std::move(edges));
}

}  // namespace diffx::domain::graph
