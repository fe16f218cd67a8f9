#pragma once

#include <diffx/domain/graph/features.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

namespace planarity_detail {

using node_list = std::vector<std::int64_t>;
using adjacency = std::vector<node_list>;
using edge_ends = std::pair<std::int64_t, std::int64_t>;

/// The edges of every block: of every largest part that no single node takes apart.
inline std::vector<std::vector<edge_ends>> blocks(adjacency const& near) {
  auto const n = static_cast<std::int64_t>(near.size());
  std::vector<std::vector<edge_ends>> out;
  std::vector<std::int64_t> depth(near.size(), -1), low(near.size(), 0);
  std::vector<edge_ends> open;
  auto const visit = [&](auto const& self, std::int64_t v, std::int64_t parent) -> void {
    auto const at = static_cast<std::size_t>(v);
    low[at] = depth[at];
    for (std::int64_t const w : near[at]) {
      auto const to = static_cast<std::size_t>(w);
      if (w == parent) continue;
      if (depth[to] >= 0) {
        if (depth[to] < depth[at]) open.emplace_back(v, w);
        low[at] = std::min(low[at], depth[to]);
        continue;
      }
      open.emplace_back(v, w);
      depth[to] = depth[at] + 1;
      self(self, w, v);
      low[at] = std::min(low[at], low[to]);
      if (low[to] < depth[at]) continue;
      std::vector<edge_ends> block;
      for (;;) {
        block.push_back(open.back());
        open.pop_back();
        if (block.back() == edge_ends{v, w}) break;
      }
      out.push_back(std::move(block));
    }
  };
  for (std::int64_t v = 0; v < n; ++v) {
    if (depth[static_cast<std::size_t>(v)] >= 0) continue;
    depth[static_cast<std::size_t>(v)] = 0;
    visit(visit, v, -1);
  }
  return out;
}

/// One block, drawn path by path: what is not drawn yet falls into fragments, each hangs on drawn
/// nodes, and a fragment goes into a face that has all of these; one that fits a single face first.
class block_drawing {
 public:
  explicit block_drawing(std::vector<edge_ends> const& edges) {
    std::int64_t n = 0;
    for (auto const& [v, w] : edges) n = std::max({n, v + 1, w + 1});
    near_.resize(static_cast<std::size_t>(n));
    for (auto const& [v, w] : edges) {
      near_[static_cast<std::size_t>(v)].push_back(w);
      near_[static_cast<std::size_t>(w)].push_back(v);
    }
    drawn_.resize(near_.size());
    edges_ = edges.size();
  }

  bool is_planar() {
    auto nodes = std::size_t{0};
    for (auto const& list : near_) nodes += list.empty() ? 0 : 1;
    if (nodes < 5) return true;
    if (edges_ > 3 * nodes - 6) return false;
    node_list const cycle = some_cycle();
    faces_ = {cycle, cycle};
    std::size_t left = edges_ - cycle.size();
    draw_path(cycle);
    draw_edge(cycle.back(), cycle.front());
    while (left > 0) {
      std::size_t fewest = faces_.size() + 1, in = 0;
      fragment chosen;
      for (fragment& f : fragments()) {
        std::size_t fitting = 0, face = 0;
        for (std::size_t k = 0; k < faces_.size(); ++k) {
          if (!holds(faces_[k], f.ends)) continue;
          ++fitting;
          face = k;
        }
        if (fitting == 0) return false;
        if (fitting < fewest) {
          fewest = fitting;
          in = face;
          chosen = std::move(f);
        }
      }
      node_list const path = path_through(chosen);
      draw_path(path);
      left -= path.size() - 1;
      split(in, path);
    }
    return true;
  }

 private:
  struct fragment {
    node_list ends;    // drawn nodes that it hangs on
    node_list inside;  // none: a single edge
  };

  bool is_drawn(std::int64_t v) const { return !drawn_[static_cast<std::size_t>(v)].empty(); }
  bool is_drawn(std::int64_t v, std::int64_t w) const {
    auto const& list = drawn_[static_cast<std::size_t>(v)];
    return std::find(list.begin(), list.end(), w) != list.end();
  }
  void draw_edge(std::int64_t v, std::int64_t w) {
    drawn_[static_cast<std::size_t>(v)].push_back(w);
    drawn_[static_cast<std::size_t>(w)].push_back(v);
  }
  void draw_path(node_list const& path) {
    for (std::size_t k = 1; k < path.size(); ++k) draw_edge(path[k - 1], path[k]);
  }
  static bool holds(node_list const& face, node_list const& ends) {
    return std::all_of(ends.begin(), ends.end(), [&](std::int64_t v) {
      return std::find(face.begin(), face.end(), v) != face.end();
    });
  }

  node_list some_cycle() const {
    // Of a block: walk on, never back, until a node comes again.
    node_list path;
    for (std::size_t v = 0; path.empty(); ++v) {
      if (!near_[v].empty()) path.push_back(static_cast<std::int64_t>(v));
    }
    std::int64_t before = -1;
    for (;;) {
      auto const& list = near_[static_cast<std::size_t>(path.back())];
      std::int64_t const next = list[0] != before ? list[0] : list[1];
      before = path.back();
      auto const again = std::find(path.begin(), path.end(), next);
      if (again != path.end()) return {again, path.end()};
      path.push_back(next);
    }
  }

  std::vector<fragment> fragments() const {
    std::vector<fragment> out;
    std::vector<bool> seen(near_.size(), false);
    for (std::int64_t v = 0; v < static_cast<std::int64_t>(near_.size()); ++v) {
      if (is_drawn(v)) {
        for (std::int64_t const w : near_[static_cast<std::size_t>(v)]) {
          if (w > v && is_drawn(w) && !is_drawn(v, w)) out.push_back({{v, w}, {}});
        }
        continue;
      }
      if (seen[static_cast<std::size_t>(v)] || near_[static_cast<std::size_t>(v)].empty()) continue;
      fragment f;
      node_list open{v};
      seen[static_cast<std::size_t>(v)] = true;
      while (!open.empty()) {
        std::int64_t const at = open.back();
        open.pop_back();
        f.inside.push_back(at);
        for (std::int64_t const w : near_[static_cast<std::size_t>(at)]) {
          if (seen[static_cast<std::size_t>(w)]) continue;
          if (is_drawn(w)) {
            if (std::find(f.ends.begin(), f.ends.end(), w) == f.ends.end()) f.ends.push_back(w);
            continue;
          }
          seen[static_cast<std::size_t>(w)] = true;
          open.push_back(w);
        }
      }
      out.push_back(std::move(f));
    }
    return out;
  }

  /// From one of its ends to another, through it.
  node_list path_through(fragment const& f) const {
    if (f.inside.empty()) return f.ends;
    std::int64_t const from = f.ends[0];
    std::vector<std::int64_t> came(near_.size(), -1);
    node_list open;
    auto const is_inside = [&](std::int64_t v) {
      return std::find(f.inside.begin(), f.inside.end(), v) != f.inside.end();
    };
    for (std::int64_t const w : near_[static_cast<std::size_t>(from)]) {
      if (!is_inside(w)) continue;
      came[static_cast<std::size_t>(w)] = from;
      open.push_back(w);
    }
    for (std::size_t k = 0; k < open.size(); ++k) {
      for (std::int64_t const w : near_[static_cast<std::size_t>(open[k])]) {
        if (w == from || came[static_cast<std::size_t>(w)] >= 0) continue;
        if (!is_inside(w)) {  // another end
          node_list path{w};
          for (std::int64_t at = open[k]; at != from; at = came[static_cast<std::size_t>(at)]) {
            path.push_back(at);
          }
          path.push_back(from);
          return path;
        }
        came[static_cast<std::size_t>(w)] = open[k];
        open.push_back(w);
      }
    }
    return {};  // a block has no fragment that hangs on one node
  }

  /// Cuts a face in two along a path between two of its nodes.
  void split(std::size_t k, node_list const& path) {
    node_list const face = faces_[k];
    auto const first = std::find(face.begin(), face.end(), path.front()) - face.begin();
    auto const last = std::find(face.begin(), face.end(), path.back()) - face.begin();
    auto const size = static_cast<std::ptrdiff_t>(face.size());
    node_list one, other;
    for (auto at = first;; at = (at + 1) % size) {
      one.push_back(face[static_cast<std::size_t>(at)]);
      if (at == last) break;
    }
    for (auto at = last;; at = (at + 1) % size) {
      other.push_back(face[static_cast<std::size_t>(at)]);
      if (at == first) break;
    }
    node_list const inner(path.begin() + 1, path.end() - 1);
    one.insert(one.end(), inner.rbegin(), inner.rend());
    other.insert(other.end(), inner.begin(), inner.end());
    faces_[k] = std::move(one);
    faces_.push_back(std::move(other));
  }

  adjacency near_, drawn_;
  std::vector<node_list> faces_;
  std::size_t edges_ = 0;
};

}  // namespace planarity_detail

/// Whether a graph can be drawn in the plane without crossings. Time grows as the cube of the
/// nodes.
///
/// Source    Demoucron, Malgrange & Pertuiset 1964.
inline bool is_planar(labelled_graph const& g) {
  planarity_detail::adjacency near(g.nodes.size());
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    near[static_cast<std::size_t>(i)].push_back(j);
    near[static_cast<std::size_t>(j)].push_back(i);
  });
  for (auto const& block : planarity_detail::blocks(near)) {
    if (!planarity_detail::block_drawing(block).is_planar()) return false;
  }
  return true;
}

inline bool is_connected(labelled_graph const& g) { return component_count(g) == 1; }

}  // namespace diffx::domain::graph
