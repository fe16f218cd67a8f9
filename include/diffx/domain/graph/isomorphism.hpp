#pragma once

#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/error.hpp>
#include <diffx/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

namespace isomorphism_detail {

using colours = std::vector<std::uint64_t>;

/// Colour refinement: a node's colour says its class, and what classes of pairs lead to which
/// colours, as often as there are nodes. Nodes that a relabelling exchanges have one colour.
inline colours refined(labelled_graph const& g) {
  auto const n = g.nodes.size();
  colours c(n);
  for (std::size_t i = 0; i < n; ++i)
    c[i] = random::derive_seed(1, static_cast<std::uint64_t>(g.nodes[i]));
  std::size_t different = 0;
  for (std::size_t round = 0; round < n; ++round) {
    colours next(n);
    for (std::size_t i = 0; i < n; ++i) {
      colours around;
      for (std::size_t j = 0; j < n; ++j) {
        auto const joins = g.pair(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j));
        if (joins != 0)
          around.push_back(random::derive_seed(c[j], static_cast<std::uint64_t>(joins)));
      }
      std::sort(around.begin(), around.end());
      next[i] = c[i];
      for (auto const v : around) next[i] = random::derive_seed(next[i], v);
    }
    c = std::move(next);
    auto sorted = c;
    std::sort(sorted.begin(), sorted.end());
    auto const now =
        static_cast<std::size_t>(std::unique(sorted.begin(), sorted.end()) - sorted.begin());
    if (now == different) break;  // no colour was split
    different = now;
  }
  return c;
}

}  // namespace isomorphism_detail

/// Equal for graphs that differ in the order of their nodes alone, and for few others.
///
/// Source    Weisfeiler & Leman 1968.
inline std::uint64_t structure_hash(labelled_graph const& g) {
  auto c = isomorphism_detail::refined(g);
  std::sort(c.begin(), c.end());
  std::uint64_t h = static_cast<std::uint64_t>(g.size());
  for (auto const v : c) h = random::derive_seed(h, v);
  return h;
}

/// Whether two graphs differ in the order of their nodes alone: classes of nodes and pairs count.
/// Exact, by search among nodes of one colour; graphs of tens of nodes that are all alike (strongly
/// regular ones) may take long.
inline bool isomorphic(labelled_graph const& a, labelled_graph const& b) {
  if (a.size() != b.size() || a.edges() != b.edges()) return false;
  auto const of_a = isomorphism_detail::refined(a), of_b = isomorphism_detail::refined(b);
  auto sorted_a = of_a, sorted_b = of_b;
  std::sort(sorted_a.begin(), sorted_a.end());
  std::sort(sorted_b.begin(), sorted_b.end());
  if (sorted_a != sorted_b) return false;
  // The rarest colours first.
  std::map<std::uint64_t, std::size_t> often;
  for (auto const c : of_a) ++often[c];
  std::vector<std::int64_t> order(a.nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
    return often[of_a[static_cast<std::size_t>(i)]] < often[of_a[static_cast<std::size_t>(j)]];
  });
  std::vector<std::int64_t> image;
  std::vector<bool> taken(b.nodes.size(), false);
  auto const extend = [&](auto const& self) -> bool {
    if (image.size() == order.size()) return true;
    std::int64_t const i = order[image.size()];
    for (std::int64_t j = 0; j < b.size(); ++j) {
      auto const at = static_cast<std::size_t>(j);
      if (taken[at] || of_b[at] != of_a[static_cast<std::size_t>(i)]) continue;
      bool fits = a.nodes[static_cast<std::size_t>(i)] == b.nodes[at];
      for (std::size_t k = 0; k < image.size() && fits; ++k) {
        fits = a.pair(i, order[k]) == b.pair(j, image[k]);
      }
      if (!fits) continue;
      image.push_back(j);
      taken[at] = true;
      if (self(self)) return true;
      image.pop_back();
      taken[at] = false;
    }
    return false;
  };
  return extend(extend);
}

/// Graphs up to the order of their nodes, with how often each was added.
class graph_set {
 public:
  /// Its number, from 0 in the order of their first coming.
  std::size_t add(labelled_graph const& g) {
    auto& alike = places_[structure_hash(g)];
    for (std::size_t const k : alike) {
      if (isomorphic(graphs_[k], g)) {
        ++counts_[k];
        return k;
      }
    }
    alike.push_back(graphs_.size());
    graphs_.push_back(g);
    counts_.push_back(1);
    return graphs_.size() - 1;
  }
  bool contains(labelled_graph const& g) const {
    auto const found = places_.find(structure_hash(g));
    return found != places_.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [&](std::size_t k) { return isomorphic(graphs_[k], g); });
  }
  std::vector<labelled_graph> const& graphs() const noexcept { return graphs_; }
  std::vector<std::int64_t> const& counts() const noexcept { return counts_; }

 private:
  std::map<std::uint64_t, std::vector<std::size_t>> places_;
  std::vector<labelled_graph> graphs_;
  std::vector<std::int64_t> counts_;
};

/// Shares of generated graphs: that pass a check of yours, of these that differ from each other,
/// and of all that pass, differ and are not among those of the training.
struct novelty {
  double valid = 0.0, unique = 0.0, novel = 0.0;
};

/// Errors    no graph: throws diffx::error.
template <class Check>
novelty novelty_of(std::span<labelled_graph const> generated,
                   std::span<labelled_graph const> training, Check const& is_valid) {
  constexpr std::string_view where = "diffx::domain::graph::novelty_of";
  detail::require(!generated.empty(), where, "generated.size()", 0, "at least 1");
  graph_set known, seen;
  for (auto const& g : training) known.add(g);
  double valid = 0.0;
  for (auto const& g : generated) {
    if (!is_valid(g)) continue;
    valid += 1.0;
    seen.add(g);
  }
  double novel = 0.0;
  for (auto const& g : seen.graphs()) novel += known.contains(g) ? 0.0 : 1.0;
  double const n = static_cast<double>(generated.size());
  double const different = static_cast<double>(seen.graphs().size());
  return {valid / n, valid > 0.0 ? different / valid : 0.0, novel / n};
}

}  // namespace diffx::domain::graph
