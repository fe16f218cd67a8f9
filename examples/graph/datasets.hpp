#pragma once

// The sets of graphs of this example: where they come from, and what a right one is.

#include <diffx/denoiser/symmetric_eigen.hpp>
#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/graph/graph6.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/domain/graph/planarity.hpp>
#include <diffx/domain/graph/valence.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace example {

namespace graph = diffx::domain::graph;

inline constexpr std::array<std::string_view, 9> atoms{"C", "N",  "O",  "F", "P",
                                                       "S", "Cl", "Br", "I"};
inline constexpr std::array<int, 9> most_bonds{4, 3, 2, 1, 5, 6, 1, 1, 1};
inline constexpr std::string_view bonds = "-=#";

/// A molecule as a line: its heavy atoms, then its bonds by the places of their atoms, "C C O 0-1
/// 1=2".
inline graph::labelled_graph molecule(std::string const& line) {
  auto const fail = [&](std::string const& why) {
    diffx::detail::fail("example::molecule: '" + line + "': " + why);
  };
  std::istringstream in(line);
  std::vector<std::int32_t> nodes;
  std::string token;
  bool more = static_cast<bool>(in >> token);
  for (; more && (token[0] < '0' || token[0] > '9'); more = static_cast<bool>(in >> token)) {
    std::size_t k = 0;
    while (k < atoms.size() && atoms[k] != token) ++k;
    if (k == atoms.size()) fail("no atom is called " + token);
    nodes.push_back(static_cast<std::int32_t>(k));
  }
  if (nodes.empty()) fail("no atom");
  graph::labelled_graph g(static_cast<std::int64_t>(nodes.size()));
  g.nodes = std::move(nodes);
  for (; more; more = static_cast<bool>(in >> token)) {
    char const* const end = token.data() + token.size();
    std::int64_t i = -1, j = -1;
    auto const first = std::from_chars(token.data(), end, i);
    auto const order = first.ptr == end ? std::string_view::npos : bonds.find(*first.ptr);
    if (first.ec != std::errc{} || order == std::string_view::npos) fail("no bond is " + token);
    auto const last = std::from_chars(first.ptr + 1, end, j);
    bool const fits = i >= 0 && j >= 0 && i < g.size() && j < g.size() && i != j;
    if (last.ec != std::errc{} || last.ptr != end || !fits || g.joined(i, j)) {
      fail("no bond is " + token);
    }
    g.pair(i, j) = static_cast<std::int32_t>(order) + 1;
  }
  return g;
}

inline bool valences_fit(graph::labelled_graph const& g) {
  return graph::valences_fit(g, most_bonds);
}

/// Whether a graph is two communities as its data are: the signs of the eigenvector of the second
/// eigenvalue of its Laplacian split it into halves, in which the share of joined pairs is 0.7 up
/// to chance (five deviations), with at most twice as many edges between them as in the data.
inline bool is_two_communities(graph::labelled_graph const& g) {
  if (!graph::is_connected(g) || g.size() < 4) return false;
  auto const n = static_cast<std::size_t>(g.size());
  std::vector<double> laplacian(n * n, 0.0);
  g.for_each_edge([&](std::int64_t a, std::int64_t b, std::int32_t) {
    auto const i = static_cast<std::size_t>(a), j = static_cast<std::size_t>(b);
    laplacian[i * n + j] = laplacian[j * n + i] = -1.0;
    laplacian[i * n + i] += 1.0;
    laplacian[j * n + j] += 1.0;
  });
  auto const e = diffx::denoiser::eigen_decompose(std::move(laplacian), n);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::nth_element(order.begin(), order.begin() + 1, order.end(),
                   [&](std::size_t a, std::size_t b) { return e.values[a] < e.values[b]; });
  auto const side = [&](std::size_t i) {
    return e.vectors[order[1] * n + i] > 0.0 ? std::size_t{1} : std::size_t{0};
  };
  std::size_t sizes[2] = {0, 0};
  for (std::size_t i = 0; i < n; ++i) ++sizes[side(i)];
  if (sizes[0] > sizes[1] + 1 || sizes[1] > sizes[0] + 1) return false;
  double within[2] = {0.0, 0.0}, between = 0.0;
  g.for_each_edge([&](std::int64_t a, std::int64_t b, std::int32_t) {
    std::size_t const i = side(static_cast<std::size_t>(a)), j = side(static_cast<std::size_t>(b));
    (i == j ? within[i] : between) += 1.0;
  });
  for (std::size_t k = 0; k < 2; ++k) {
    double const pairs = 0.5 * static_cast<double>(sizes[k] * (sizes[k] - 1));
    if (std::fabs(within[k] / pairs - 0.7) > 5.0 * std::sqrt(0.21 / pairs)) return false;
  }
  return between <= 2.0 * std::max(1.0, std::nearbyint(static_cast<double>(n) / 20.0));
}

/// A property that a graph must have.
struct property {
  char const* name;
  bool (*holds)(graph::labelled_graph const&);
};

/// Graphs of one kind, and those of them that no network saw.
struct dataset {
  std::string name;
  int node_classes = 1, pair_classes = 2;
  std::vector<property> properties;  // of a right graph
  std::vector<graph::labelled_graph> training, held_out;

  bool is_right(graph::labelled_graph const& g) const {
    return std::all_of(properties.begin(), properties.end(),
                       [&](property const& p) { return p.holds(g); });
  }
};

/// Every tenth line of its file is held out, as examples/graph/train/train.py does it.
inline dataset read_dataset(std::string const& folder, std::string const& name) {
  bool const molecules = name == "molecules";
  dataset out;
  out.name = name;
  if (molecules) {
    out.node_classes = static_cast<int>(atoms.size());
    out.pair_classes = 1 + static_cast<int>(bonds.size());
    out.properties = {{"connected", graph::is_connected}, {"no valence exceeded", valences_fit}};
  } else if (name == "planar") {
    out.properties = {{"connected", graph::is_connected}, {"planar", graph::is_planar}};
  } else {
    out.properties = {{"two communities", is_two_communities}};
  }
  std::istringstream file(diffx::detail::read_whole_file(
      "diffx_graph", folder + "/" + name + (molecules ? ".txt" : ".g6")));
  std::string line;
  for (int k = 0; std::getline(file, line); ++k) {
    auto& part = k % 10 == 9 ? out.held_out : out.training;
    part.push_back(molecules ? molecule(line) : graph::from_graph6(line));
  }
  if (out.held_out.empty()) diffx::detail::fail("diffx_graph: too few graphs of " + name);
  return out;
}

}  // namespace example
