#pragma once

#include <diffx/denoiser/symmetric_eigen.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace diffx::domain::graph {

/// Cycles through every node, and in the whole graph.
struct cycle_counts {
  std::vector<std::array<double, 3>> node;  // of length 3, 4 and 5
  std::array<double, 4> total{};            // of length 3, 4, 5 and 6
};

namespace features_detail {

using matrix = std::vector<double>;  // [n, n]

inline matrix product(matrix const& a, matrix const& b, std::size_t n) {
  matrix out(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      if (a[i * n + k] == 0.0) continue;
      for (std::size_t j = 0; j < n; ++j) out[i * n + j] += a[i * n + k] * b[k * n + j];
    }
  }
  return out;
}

}  // namespace features_detail

/// Counts from powers of the adjacency matrix A, with d the degrees and u = diag A^2, v = diag A^4:
///
///     c3 = diag(A^3) / 2
///     c4 = (v - d (d - 1) - A d) / 2
///     c5 = (diag(A^5) - 2 d diag(A^3) - A diag(A^3) + diag(A^3)) / 2
///     12 C6 = tr A^6 - 3 sum diag(A^3)^2 + 9 sum A (A^2)^2 - 6 u v + 6 tr A^4 - 4 tr A^3
///             + 4 sum u^3 + 3 sum A^3 - 12 sum u^2 + 4 tr A^2
///
/// The published c5 counts walks around triangles as well: it is the number of cycles only where
/// there is no triangle. It stays, since networks were trained with it.
///
/// Source    Vignac et al. 2023 (DiGress), arXiv:2209.14734, Appendix B.
inline cycle_counts count_cycles(labelled_graph const& g) {
  auto const n = static_cast<std::size_t>(g.size());
  features_detail::matrix a(n * n, 0.0);
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    a[static_cast<std::size_t>(i) * n + static_cast<std::size_t>(j)] = 1.0;
    a[static_cast<std::size_t>(j) * n + static_cast<std::size_t>(i)] = 1.0;
  });
  auto const a2 = features_detail::product(a, a, n), a3 = features_detail::product(a2, a, n);
  auto const a4 = features_detail::product(a3, a, n), a5 = features_detail::product(a4, a, n);
  auto const a6 = features_detail::product(a5, a, n);
  cycle_counts out;
  out.node.resize(n);
  double six = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    double const d = a2[i * n + i], t = a3[i * n + i], v = a4[i * n + i];
    double neighbour_degrees = 0.0, neighbour_triangles = 0.0, row = 0.0, squares = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
      neighbour_degrees += a[i * n + j] * a2[j * n + j];
      neighbour_triangles += a[i * n + j] * a3[j * n + j];
      row += a3[i * n + j];
      squares += a[i * n + j] * a2[i * n + j] * a2[i * n + j];
    }
    auto& c = out.node[i];
    c[0] = t / 2.0;
    c[1] = (v - d * (d - 1.0) - neighbour_degrees) / 2.0;
    c[2] = (a5[i * n + i] - 2.0 * d * t - neighbour_triangles + t) / 2.0;
    for (std::size_t k = 0; k < 3; ++k) out.total[k] += c[k] / static_cast<double>(k + 3);
    six += a6[i * n + i] - 3.0 * t * t + 9.0 * squares - 6.0 * d * v + 6.0 * v - 4.0 * t +
           4.0 * d * d * d + 3.0 * row - 12.0 * d * d + 4.0 * d;
  }
  out.total[3] = six / 12.0;
  return out;
}

/// The component of every node, numbered from 0 in the order of their first nodes.
inline std::vector<std::int64_t> components(labelled_graph const& g) {
  std::vector<std::int64_t> of(g.nodes.size(), -1);
  std::int64_t count = 0;
  for (std::size_t first = 0; first < of.size(); ++first) {
    if (of[first] >= 0) continue;
    std::vector<std::int64_t> open{static_cast<std::int64_t>(first)};
    of[first] = count;
    while (!open.empty()) {
      std::int64_t const i = open.back();
      open.pop_back();
      for (std::int64_t j = 0; j < g.size(); ++j) {
        if (!g.joined(i, j) || of[static_cast<std::size_t>(j)] >= 0) continue;
        of[static_cast<std::size_t>(j)] = count;
        open.push_back(j);
      }
    }
    ++count;
  }
  return of;
}

inline std::int64_t component_count(labelled_graph const& g) {
  auto const of = components(g);
  return of.empty() ? 0 : *std::max_element(of.begin(), of.end()) + 1;
}

/// The eigenvalues of the Laplacian D - A, the smallest first.
inline std::vector<double> laplacian_spectrum(labelled_graph const& g) {
  auto const n = static_cast<std::size_t>(g.size());
  auto const degree = g.degrees();
  std::vector<double> l(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) l[i * n + i] = static_cast<double>(degree[i]);
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
    l[static_cast<std::size_t>(i) * n + static_cast<std::size_t>(j)] = -1.0;
    l[static_cast<std::size_t>(j) * n + static_cast<std::size_t>(i)] = -1.0;
  });
  auto values = denoiser::eigen_decompose(std::move(l), n).values;
  std::sort(values.begin(), values.end());
  return values;
}

/// What networks of graphs are shown beside the graph: every feature is computed anew from the
/// noised graph at every step.
struct graph_features {
  std::vector<std::array<double, 3>> node;  // cycles of length 3, 4, 5 through it, / 10, at most 1
  std::array<double, 11> graph{};  // n / most_nodes; cycles of length 3 to 6, / 10, at most 1;
                                   // components; the 5 smallest eigenvalues of D - A above 0, / n
};

/// The published network was trained with graphs padded to `padded_to` nodes, whose eigenvalues
/// that are not there read 2 padded_to / n for as many nodes as there are beyond n, then 2. By
/// default they are 2, so that a graph looks the same however much it is padded.
///
/// Source    Vignac et al. 2023 (DiGress), arXiv:2209.14734.
/// Errors    no node, most_nodes < n, padded_to < n (but 0): throws diffx::error.
inline graph_features features_of(labelled_graph const& g, std::int64_t most_nodes,
                                  std::int64_t padded_to = 0) {
  constexpr std::string_view where = "diffx::domain::graph::features_of";
  detail::require(g.size() >= 1, where, "nodes of the graph", 0, "at least 1");
  detail::require(most_nodes >= g.size(), where, "most_nodes", static_cast<long long>(most_nodes),
                  "at least the nodes of the graph, " + std::to_string(g.size()));
  detail::require(padded_to == 0 || padded_to >= g.size(), where, "padded_to",
                  static_cast<long long>(padded_to), "0, or at least the nodes of the graph");
  auto const shown = [](double count) { return std::min(count / 10.0, 1.0); };
  double const n = static_cast<double>(g.size());
  cycle_counts const cycles = count_cycles(g);
  graph_features out;
  for (auto const& c : cycles.node) out.node.push_back({shown(c[0]), shown(c[1]), shown(c[2])});
  out.graph[0] = n / static_cast<double>(most_nodes);
  for (std::size_t k = 0; k < 4; ++k) out.graph[1 + k] = shown(cycles.total[k]);
  auto const zeros = component_count(g);
  out.graph[5] = static_cast<double>(zeros);
  auto const values = laplacian_spectrum(g);
  for (std::int64_t k = 0; k < 5; ++k) {
    std::int64_t const at = zeros + k;
    double const padding = at < padded_to ? 2.0 * static_cast<double>(padded_to) / n : 2.0;
    out.graph[static_cast<std::size_t>(6 + k)] =
        at < g.size() ? values[static_cast<std::size_t>(at)] / n : padding;
  }
  return out;
}

}  // namespace diffx::domain::graph
