#pragma once

#include <diffx/analysis/histogram_mmd.hpp>
#include <diffx/denoiser/symmetric_eigen.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

/// What graphs are compared by: a histogram of every graph, and how far two sets of graphs are.
/// Classes of edges do not count, only whether two nodes are joined.
namespace diffx::analysis {

namespace graph_detail {

using graph = domain::graph::labelled_graph;
using neighbour_lists = std::vector<std::vector<std::int64_t>>;  // sorted

inline neighbour_lists neighbours_of(graph const& g) {
  neighbour_lists out(g.nodes.size());
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    out[static_cast<std::size_t>(i)].push_back(j);
    out[static_cast<std::size_t>(j)].push_back(i);
  });
  for (auto& list : out) std::sort(list.begin(), list.end());
  return out;
}

/// The bin of x in [low, high], the upper end included in the last.
inline std::size_t bin_of(double x, double low, double high, std::size_t bins) noexcept {
  double const place = (x - low) / (high - low) * static_cast<double>(bins);
  return place < 0.0 ? 0 : std::min(static_cast<std::size_t>(place), bins - 1);
}

}  // namespace graph_detail

/// Nodes of degree 0, 1, ...
inline histogram degree_histogram(domain::graph::labelled_graph const& g) {
  histogram out(1, 0.0);
  for (auto const d : g.degrees()) {
    if (static_cast<std::size_t>(d) >= out.size()) out.resize(static_cast<std::size_t>(d) + 1, 0.0);
    out[static_cast<std::size_t>(d)] += 1.0;
  }
  return out;
}

/// Of every node, the share of pairs of its neighbours that are joined; 0 for fewer than two.
inline std::vector<double> clustering_coefficients(domain::graph::labelled_graph const& g) {
  std::vector<double> out;
  for (auto const& near : graph_detail::neighbours_of(g)) {
    double joined = 0.0;
    for (std::size_t a = 0; a < near.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) joined += g.joined(near[a], near[b]) ? 1.0 : 0.0;
    }
    double const pairs =
        0.5 * static_cast<double>(near.size()) * (static_cast<double>(near.size()) - 1.0);
    out.push_back(pairs > 0.0 ? joined / pairs : 0.0);
  }
  return out;
}

/// Clustering coefficients in `bins` equal bins of [0, 1].
inline histogram clustering_histogram(domain::graph::labelled_graph const& g,
                                      std::size_t bins = 100) {
  histogram out(bins, 0.0);
  for (double const c : clustering_coefficients(g)) {
    out[graph_detail::bin_of(c, 0.0, 1.0, bins)] += 1.0;
  }
  return out;
}

/// Eigenvalues of the normalised Laplacian 1 - D^(-1/2) A D^(-1/2), of which a node without an edge
/// has a row of zeros, in `bins` equal bins of [-1e-5, 2].
inline histogram spectrum_histogram(domain::graph::labelled_graph const& g,
                                    std::size_t bins = 200) {
  auto const n = static_cast<std::size_t>(g.size());
  auto const degree = g.degrees();
  std::vector<double> l(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) l[i * n + i] = degree[i] > 0 ? 1.0 : 0.0;
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    auto const a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(j);
    double const v =
        -1.0 / std::sqrt(static_cast<double>(degree[a]) * static_cast<double>(degree[b]));
    l[a * n + b] = v;
    l[b * n + a] = v;
  });
  histogram out(bins, 0.0);
  for (double const v : denoiser::eigen_decompose(std::move(l), n).values) {
    out[graph_detail::bin_of(v, -1e-5, 2.0, bins)] += 1.0;
  }
  return out;
}

/// Of every node, how often it stands at each of the 15 places of the connected graphs of two to
/// four nodes, as induced subgraphs: 0 edge; path of three, 1 end, 2 middle; 3 triangle; path of
/// four, 4 end, 5 inside; star, 6 leaf, 7 centre; 8 square; triangle with a tail, 9 tail, 10 far
/// from it, 11 at it; square with a diagonal, 12 off it, 13 on it; 14 complete graph.
///
/// Every connected set of nodes is met once, so time grows with their number.
///
/// Source    Hocevar & Demsar 2014 (the numbering); Wernicke 2006 (the enumeration).
inline std::vector<std::array<double, 15>> orbit_counts(domain::graph::labelled_graph const& g) {
  auto const near = graph_detail::neighbours_of(g);
  std::vector<std::array<double, 15>> out(near.size());
  std::vector<std::int64_t> set;
  auto const count = [&] {
    std::array<int, 4> degree{};
    int edges = 0;
    for (std::size_t a = 0; a < set.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (!g.joined(set[a], set[b])) continue;
        ++degree[a];
        ++degree[b];
        ++edges;
      }
    }
    int const most = *std::max_element(degree.begin(), degree.end());
    for (std::size_t a = 0; a < set.size(); ++a) {
      int const d = degree[a];
      int orbit = 0;
      if (set.size() == 3) {
        orbit = edges == 3 ? 3 : d;  // 1 end, 2 middle
      } else if (set.size() == 4) {
        if (edges == 3) orbit = most == 3 ? (d == 3 ? 7 : 6) : 3 + d;
        if (edges == 4) orbit = most == 2 ? 8 : 8 + d;
        if (edges == 5) orbit = 10 + d;
        if (edges == 6) orbit = 14;
      }
      out[static_cast<std::size_t>(set[a])][static_cast<std::size_t>(orbit)] += 1.0;
    }
  };
  // Grows a set by nodes beyond its first that are new to its neighbourhood.
  auto const grow = [&](auto const& self, std::vector<std::int64_t> open) -> void {
    if (set.size() > 1) count();
    if (set.size() == 4) return;
    while (!open.empty()) {
      std::int64_t const next = open.back();
      open.pop_back();
      auto wider = open;
      for (std::int64_t const candidate : near[static_cast<std::size_t>(next)]) {
        if (candidate <= set.front()) continue;
        bool seen = false;
        for (std::int64_t const member : set) {
          seen = seen || g.joined(candidate, member);
        }
        if (!seen) wider.push_back(candidate);
      }
      set.push_back(next);
      self(self, std::move(wider));
      set.pop_back();
    }
  };
  for (std::int64_t first = 0; first < g.size(); ++first) {
    set.assign(1, first);
    std::vector<std::int64_t> open;
    for (std::int64_t const j : near[static_cast<std::size_t>(first)]) {
      if (j > first) open.push_back(j);
    }
    grow(grow, std::move(open));
  }
  return out;
}

/// The mean over the nodes, of a graph of no node zeros.
inline histogram orbit_means(domain::graph::labelled_graph const& g) {
  histogram out(15, 0.0);
  for (auto const& counts : orbit_counts(g)) {
    for (std::size_t k = 0; k < counts.size(); ++k) out[k] += counts[k];
  }
  for (double& v : out) v /= static_cast<double>(std::max<std::size_t>(g.nodes.size(), 1));
  return out;
}

/// Squared MMD of two sets of graphs with the Gaussian kernel of the total variation.
struct graph_distances {
  double degree;      // sigma 1
  double clustering;  // 100 bins, sigma 0.1
  double orbit;       // means of counts, sigma 30
  double spectrum;    // 200 bins, sigma 1
};

/// Source    Liao et al. 2019 (GRAN), arXiv:1910.00760.
/// Errors    no graph in a set, a graph of no node: throws diffx::error.
inline graph_distances distances_of(std::span<domain::graph::labelled_graph const> a,
                                    std::span<domain::graph::labelled_graph const> b) {
  constexpr std::string_view where = "diffx::analysis::distances_of";
  auto const each = [&](auto set, auto const& measure) {
    std::vector<histogram> out;
    for (auto const& g : set) {
      detail::require(g.size() >= 1, where, "nodes of a graph", 0, "at least 1");
      out.push_back(measure(g));
    }
    return out;
  };
  auto const distance = [&](auto const& measure, double sigma, bool counted = false) {
    auto const p = each(a, measure), q = each(b, measure);
    return mmd_tv(p, q, sigma, counted);
  };
  return {distance([](auto const& g) { return degree_histogram(g); }, 1.0),
          distance([](auto const& g) { return clustering_histogram(g); }, 0.1),
          distance([](auto const& g) { return orbit_means(g); }, 30.0, true),
          distance([](auto const& g) { return spectrum_histogram(g); }, 1.0)};
}

}  // namespace diffx::analysis
