#pragma once

#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace diffx::domain::graph {

/// The orders of the bonds of every node, summed: the class of a pair is its order, 0 to 3.
inline std::vector<std::int64_t> bonds_of(labelled_graph const& g) {
  std::vector<std::int64_t> sum(g.nodes.size(), 0);
  g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t order) {
    sum[static_cast<std::size_t>(i)] += order;
    sum[static_cast<std::size_t>(j)] += order;
  });
  return sum;
}

/// Whether no atom of a molecule without charges has more bonds than it can have: of class c at
/// most valence[c], hydrogens taking what is left.
///
/// Errors    a class of a node that has no valence: throws diffx::error.
inline bool valences_fit(labelled_graph const& g, std::span<int const> valence) {
  auto const bonds = bonds_of(g);
  for (std::size_t i = 0; i < bonds.size(); ++i) {
    auto const atom = g.nodes[i];
    detail::require(atom >= 0 && static_cast<std::size_t>(atom) < valence.size(),
                    "diffx::domain::graph::valences_fit", "class of node " + std::to_string(i),
                    static_cast<long long>(atom), "in [0, " + std::to_string(valence.size()) + ")");
    if (bonds[i] > valence[static_cast<std::size_t>(atom)]) return false;
  }
  return true;
}

}  // namespace diffx::domain::graph
