#pragma once

#include <diffx/domain/graph/sparse_graph.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

/// What large graphs are compared by: numbers that cost about as much as walking along the edges.
namespace diffx::analysis {

/// Of every node, the triangles that it is part of. Time: the sum over the edges of both degrees.
inline std::vector<std::int64_t> triangles_at(domain::graph::sparse_graph const& g) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(g.nodes()), 0);
  g.for_each_edge([&](std::int64_t i, std::int64_t j) {
    auto const a = g.neighbours(i), b = g.neighbours(j);
    // Every triangle once, at the edge of its two lowest nodes.
    auto x = std::upper_bound(a.begin(), a.end(), static_cast<std::int32_t>(j));
    auto y = std::upper_bound(b.begin(), b.end(), static_cast<std::int32_t>(j));
    while (x != a.end() && y != b.end()) {
      if (*x < *y) {
        ++x;
      } else if (*y < *x) {
        ++y;
      } else {
        ++out[static_cast<std::size_t>(i)];
        ++out[static_cast<std::size_t>(j)];
        ++out[static_cast<std::size_t>(*x)];
        ++x;
        ++y;
      }
    }
  });
  return out;
}

/// The nodes of the largest connected part, in the order in which they are met from its lowest.
inline std::vector<std::int32_t> largest_part(domain::graph::sparse_graph const& g) {
  std::vector<bool> seen(static_cast<std::size_t>(g.nodes()), false);
  std::vector<std::int32_t> part, largest;
  for (std::int64_t first = 0; first < g.nodes(); ++first) {
    if (seen[static_cast<std::size_t>(first)]) continue;
    part.assign(1, static_cast<std::int32_t>(first));
    seen[static_cast<std::size_t>(first)] = true;
    for (std::size_t k = 0; k < part.size(); ++k) {
      for (auto const j : g.neighbours(part[k])) {
        if (seen[static_cast<std::size_t>(j)]) continue;
        seen[static_cast<std::size_t>(j)] = true;
        part.push_back(j);
      }
    }
    if (part.size() > largest.size()) largest.swap(part);
  }
  return largest;
}

/// The largest eigenvalue of the adjacency matrix, by powers of it plus 1 on the vector of ones.
inline double spectral_radius(domain::graph::sparse_graph const& g) {
  auto const n = static_cast<std::size_t>(g.nodes());
  std::vector<double> x(n, 1.0 / std::sqrt(static_cast<double>(n))), y(n);
  double found = 0.0;
  for (int i = 0; i < 10'000; ++i) {
    double along = 0.0, square = 0.0;
    for (std::size_t k = 0; k < n; ++k) {
      y[k] = x[k];  // of +-r in graphs of two sides it prefers the positive
      for (auto const j : g.neighbours(static_cast<std::int64_t>(k))) {
        y[k] += x[static_cast<std::size_t>(j)];
      }
      along += x[k] * y[k];
      square += y[k] * y[k];
    }
    double const before = std::exchange(found, along - 1.0);
    for (std::size_t k = 0; k < n; ++k) x[k] = y[k] / std::sqrt(square);
    if (i > 0 && std::fabs(found - before) <= 1e-12 * (1.0 + found)) break;
  }
  return found;
}

struct network_summary {
  std::int64_t edges = 0;
  std::int64_t largest_degree = 0;
  std::int64_t triangles = 0;
  double transitivity = 0.0;   // of paths of three nodes, the share whose ends are joined
  double clustering = 0.0;     // mean over the nodes of the share of pairs of neighbours joined
  double assortativity = 0.0;  // correlation of the degrees at both ends of edges; 0 if all equal
  double largest_part = 0.0;   // share of the nodes
  double path_length = 0.0;    // mean over pairs of nodes of the largest part
  double spectral_radius = 0.0;
};

/// Distances are measured from at most `sources` nodes of the largest part.
///
/// Source    Newman 2002, arXiv:cond-mat/0205405 (assortativity).
inline network_summary summary_of(domain::graph::sparse_graph const& g,
                                  std::int64_t sources = 1000) {
  network_summary out;
  out.edges = g.edge_count();
  auto const corners = triangles_at(g);
  double paths = 0.0, ends = 0.0;
  for (std::int64_t i = 0; i < g.nodes(); ++i) {
    double const d = static_cast<double>(g.degree(i)), pairs = 0.5 * d * (d - 1.0);
    out.largest_degree = std::max(out.largest_degree, g.degree(i));
    auto const here = static_cast<double>(corners[static_cast<std::size_t>(i)]);
    paths += pairs;
    ends += here;
    out.clustering += pairs > 0.0 ? here / pairs : 0.0;
  }
  out.triangles = static_cast<std::int64_t>(ends) / 3;
  out.transitivity = paths > 0.0 ? ends / paths : 0.0;
  out.clustering /= static_cast<double>(g.nodes());

  // Every edge counts in both directions, so both ends have one mean.
  double sum = 0.0, square = 0.0, product = 0.0;
  g.for_each_edge([&](std::int64_t i, std::int64_t j) {
    double const a = static_cast<double>(g.degree(i)), b = static_cast<double>(g.degree(j));
    sum += a + b;
    square += a * a + b * b;
    product += 2.0 * a * b;
  });
  double const count = 2.0 * static_cast<double>(out.edges);
  double const variance = count * square - sum * sum;
  if (variance > 0.0) out.assortativity = (count * product - sum * sum) / variance;

  auto const part = largest_part(g);
  out.largest_part = static_cast<double>(part.size()) / static_cast<double>(g.nodes());
  auto const size = static_cast<std::int64_t>(part.size());
  std::int64_t const from = std::min(sources, size);
  std::vector<std::int32_t> far(static_cast<std::size_t>(g.nodes())), reached;
  double total = 0.0;
  for (std::int64_t s = 0; s < from; ++s) {
    std::fill(far.begin(), far.end(), -1);
    reached.assign(1, part[static_cast<std::size_t>(s * size / from)]);
    far[static_cast<std::size_t>(reached[0])] = 0;
    for (std::size_t k = 0; k < reached.size(); ++k) {
      auto const here = far[static_cast<std::size_t>(reached[k])];
      total += here;
      for (auto const j : g.neighbours(reached[k])) {
        auto& there = far[static_cast<std::size_t>(j)];
        if (there >= 0) continue;
        there = here + 1;
        reached.push_back(j);
      }
    }
  }
  if (size > 1 && from > 0) {
    out.path_length = total / (static_cast<double>(from) * static_cast<double>(size - 1));
  }
  out.spectral_radius = spectral_radius(g);
  return out;
}

}  // namespace diffx::analysis
