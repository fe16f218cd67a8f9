#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/counted.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// Graphs of different sizes as the state of a run: classes of nodes [batch, n] and of unordered
/// pairs [batch, n (n - 1) / 2], n the largest size. Every edge is stored and drawn once, so it is
/// symmetric by construction.
///
///     domain::graph::graph_batch graphs({9, 7, 12});
///     o.fixed = {graphs.fixed_nodes(), graphs.fixed_pairs()};
///     s.sample(exec, network, grid, graphs.state(), o);
///     domain::graph::labelled_graph const first = graphs[0];
///
/// What is beyond a graph's size is class 0 and stays (options.fixed). A graph is the same however
/// much it is padded: places do not depend on n.
///
/// Errors    no graph, a size below 1, a class outside those that are allowed: throws
///           diffx::error.
class graph_batch {
 public:
  /// Sizes to sample, all classes 0.
  explicit graph_batch(std::vector<std::int64_t> sizes, std::int64_t padded_to = 0)
      : sizes_(std::move(sizes)), most_(padded_to) {
    detail::require(!sizes_.empty(), where, "sizes.size()", 0, "at least 1");
    std::int64_t largest = 0;
    for (std::size_t b = 0; b < sizes_.size(); ++b) {
      detail::require(sizes_[b] >= 1, where, "sizes[" + std::to_string(b) + "]",
                      static_cast<long long>(sizes_[b]), "at least 1");
      largest = std::max(largest, sizes_[b]);
    }
    if (most_ == 0) most_ = largest;
    detail::require(most_ >= largest, where, "padded_to", static_cast<long long>(most_),
                    "at least the largest size, " + std::to_string(largest));
    nodes_.assign(sizes_.size() * static_cast<std::size_t>(most_), 0);
    pairs_.assign(sizes_.size() * static_cast<std::size_t>(pair_count(most_)), 0);
    fixed_nodes_.assign(nodes_.size(), 0);
    fixed_pairs_.assign(pairs_.size(), 0);
    for (std::size_t b = 0; b < sizes_.size(); ++b) {
      auto const node = fixed_nodes_.begin() + at_node(b);
      auto const pair = fixed_pairs_.begin() + at_pair(b);
      std::fill(node + sizes_[b], node + most_, std::uint8_t{1});
      std::fill(pair + pair_count(sizes_[b]), pair + pair_count(most_), std::uint8_t{1});
    }
  }

  /// Graphs that are given.
  explicit graph_batch(std::span<labelled_graph const> graphs, std::int64_t padded_to = 0)
      : graph_batch(sizes_of(graphs), padded_to) {
    for (std::size_t b = 0; b < graphs.size(); ++b) set(b, graphs[b]);
  }

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(sizes_.size()); }
  std::int64_t most_nodes() const noexcept { return most_; }
  std::vector<std::int64_t> const& sizes() const noexcept { return sizes_; }

  batch_view<std::int32_t> nodes() noexcept { return {nodes_.data(), size(), most_}; }
  batch_view<std::int32_t> pairs() noexcept { return {pairs_.data(), size(), pair_count(most_)}; }
  /// The two blocks of a process::product of nodes and pairs.
  auto state() noexcept { return std::tuple{nodes(), pairs()}; }
  std::uint8_t const* fixed_nodes() const noexcept { return fixed_nodes_.data(); }
  std::uint8_t const* fixed_pairs() const noexcept { return fixed_pairs_.data(); }

  labelled_graph operator[](std::size_t b) const {
    labelled_graph g(sizes_[b]);
    std::copy_n(nodes_.begin() + at_node(b), g.nodes.size(), g.nodes.begin());
    std::copy_n(pairs_.begin() + at_pair(b), g.pairs.size(), g.pairs.begin());
    return g;
  }
  std::vector<labelled_graph> graphs() const {
    std::vector<labelled_graph> out;
    for (std::size_t b = 0; b < sizes_.size(); ++b) out.push_back((*this)[b]);
    return out;
  }

  /// Puts a graph of the size of graph b there.
  void set(std::size_t b, labelled_graph const& g) {
    detail::require(b < sizes_.size(), where, "graph", static_cast<long long>(b),
                    "in [0, " + std::to_string(sizes_.size()) + ")");
    detail::require(g.size() == sizes_[b], where, "size of graph " + std::to_string(b),
                    static_cast<long long>(g.size()), std::to_string(sizes_[b]));
    std::copy(g.nodes.begin(), g.nodes.end(), nodes_.begin() + at_node(b));
    std::copy(g.pairs.begin(), g.pairs.end(), pairs_.begin() + at_pair(b));
  }

  /// Keeps part of a graph while the rest is sampled: a node that is kept and every pair of two
  /// such nodes stay as they are.
  void keep(std::size_t b, std::span<std::int64_t const> kept) {
    detail::require(b < sizes_.size(), where, "graph", static_cast<long long>(b),
                    "in [0, " + std::to_string(sizes_.size()) + ")");
    for (std::size_t k = 0; k < kept.size(); ++k) {
      detail::require(kept[k] >= 0 && kept[k] < sizes_[b], where, "kept[" + std::to_string(k) + "]",
                      static_cast<long long>(kept[k]), "a node of the graph");
      fixed_nodes_[static_cast<std::size_t>(at_node(b) + kept[k])] = 1;
      for (std::size_t m = 0; m < k; ++m) {
        if (kept[m] == kept[k]) continue;
        fixed_pairs_[static_cast<std::size_t>(at_pair(b) + pair_index(kept[m], kept[k]))] = 1;
      }
    }
  }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::graph_batch";

  static std::vector<std::int64_t> sizes_of(std::span<labelled_graph const> graphs) {
    std::vector<std::int64_t> out;
    for (auto const& g : graphs) out.push_back(g.size());
    return out;
  }
  std::int64_t at_node(std::size_t b) const noexcept {
    return static_cast<std::int64_t>(b) * most_;
  }
  std::int64_t at_pair(std::size_t b) const noexcept {
    return static_cast<std::int64_t>(b) * pair_count(most_);
  }

  std::vector<std::int64_t> sizes_;
  std::int64_t most_;
  std::vector<std::int32_t> nodes_, pairs_;
  std::vector<std::uint8_t> fixed_nodes_, fixed_pairs_;
};

/// Refuses classes that the processes of nodes and pairs do not have.
inline void check_classes(labelled_graph const& g, int node_classes, int pair_classes) {
  constexpr std::string_view where = "diffx::domain::graph::check_classes";
  detail::require(g.size() >= 1, where, "nodes of the graph", 0, "at least 1");
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    detail::require(g.nodes[i] >= 0 && g.nodes[i] < node_classes, where,
                    "class of node " + std::to_string(i), static_cast<long long>(g.nodes[i]),
                    "in [0, " + std::to_string(node_classes) + ")");
  }
  for (std::size_t k = 0; k < g.pairs.size(); ++k) {
    node_pair const p = pair_at(static_cast<std::int64_t>(k));
    detail::require(g.pairs[k] >= 0 && g.pairs[k] < pair_classes, where,
                    "class of pair {" + std::to_string(p.low) + ", " + std::to_string(p.high) + "}",
                    static_cast<long long>(g.pairs[k]),
                    "in [0, " + std::to_string(pair_classes) + ")");
  }
}

/// How often every class occurs: the limit laws of processes that forget into the marginals of the
/// data, each summing to 1, pairs without an edge included.
struct class_marginals {
  std::vector<double> nodes, pairs;
};

/// Errors    no graph, no pair, a class out of range: throws diffx::error.
inline class_marginals marginals_of(std::span<labelled_graph const> graphs, int node_classes,
                                    int pair_classes) {
  constexpr std::string_view where = "diffx::domain::graph::marginals_of";
  detail::require(!graphs.empty(), where, "graphs.size()", 0, "at least 1");
  class_marginals out{std::vector<double>(static_cast<std::size_t>(node_classes), 0.0),
                      std::vector<double>(static_cast<std::size_t>(pair_classes), 0.0)};
  double nodes = 0.0, pairs = 0.0;
  for (auto const& g : graphs) {
    check_classes(g, node_classes, pair_classes);
    nodes += static_cast<double>(g.nodes.size());
    pairs += static_cast<double>(g.pairs.size());
    for (auto const c : g.nodes) out.nodes[static_cast<std::size_t>(c)] += 1.0;
    for (auto const c : g.pairs) out.pairs[static_cast<std::size_t>(c)] += 1.0;
  }
  detail::require(pairs > 0.0, where, "pairs of nodes", 0, "at least 1");
  for (double& p : out.nodes) p /= nodes;
  for (double& p : out.pairs) p /= pairs;
  return out;
}

/// Sizes drawn from those of given graphs, as often as they occur there.
///
/// Errors    no size, count < 1: throws diffx::error.
inline std::vector<std::int64_t> draw_sizes(std::span<std::int64_t const> observed,
                                            std::int64_t count, noise::counted const& noise) {
  constexpr std::string_view where = "diffx::domain::graph::draw_sizes";
  detail::require(!observed.empty(), where, "observed.size()", 0, "at least 1");
  detail::require(count >= 1, where, "count", static_cast<long long>(count), "at least 1");
  std::vector<std::int64_t> out;
  for (std::int64_t b = 0; b < count; ++b) {
    auto const w = noise.words({0, 0}, b, 0);
    double const u = detail::unit_uniform(w.word[0], w.word[1]);
    out.push_back(observed[static_cast<std::size_t>(u * static_cast<double>(observed.size()))]);
  }
  return out;
}

}  // namespace diffx::domain::graph
