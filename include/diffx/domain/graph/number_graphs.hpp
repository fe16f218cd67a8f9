#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// The class of a number: the nearest of 0, 1, ..., classes - 1, halves upwards.
///
/// Errors    none: NaN is class 0.
inline std::int32_t quantised(double value, int classes) noexcept {
  double const nearest = std::floor(value + 0.5);
  if (!(nearest > 0.0)) return 0;
  return nearest < classes - 1 ? static_cast<std::int32_t>(nearest) : classes - 1;
}

/// Graphs of different sizes as numbers, the state of a run: features of nodes [batch, n d] and one
/// number of every unordered pair [batch, n (n - 1) / 2], n the largest size. The adjacency is
/// symmetric and has no diagonal, and neither has its noise: a pair's noise is one normal.
///
///     domain::graph::number_graphs graphs({9, 7, 12}, 4);
///     o.fixed = {graphs.fixed_nodes(), graphs.fixed_pairs()};
///     s.sample(exec, network, grid, graphs.state(), o);
///     domain::graph::labelled_graph const first = graphs.quantised(0, 4);
///
/// What is beyond a graph's size is 0 and stays. A graph is the same however much it is padded.
///
/// Errors    those of graph_batch; features < 1: throws diffx::error.
class number_graphs {
 public:
  explicit number_graphs(std::vector<std::int64_t> sizes, std::int64_t features = 1,
                         std::int64_t padded_to = 0)
      : shape_(std::move(sizes), padded_to), features_(features) {
    detail::require(features >= 1, where, "features", static_cast<long long>(features),
                    "at least 1");
    auto const count = static_cast<std::size_t>(shape_.nodes().size());
    nodes_.assign(count * static_cast<std::size_t>(features), 0.0F);
    pairs_.assign(static_cast<std::size_t>(shape_.pairs().size()), 0.0F);
    fixed_nodes_.reserve(nodes_.size());
    for (std::size_t i = 0; i < count; ++i) {
      fixed_nodes_.insert(fixed_nodes_.end(), static_cast<std::size_t>(features),
                          shape_.fixed_nodes()[i]);
    }
  }

  std::int64_t size() const noexcept { return shape_.size(); }
  std::int64_t features() const noexcept { return features_; }
  std::int64_t most_nodes() const noexcept { return shape_.most_nodes(); }
  std::vector<std::int64_t> const& sizes() const noexcept { return shape_.sizes(); }

  batch_view<float> nodes() noexcept { return {nodes_.data(), size(), most_nodes() * features_}; }
  batch_view<float> pairs() noexcept { return {pairs_.data(), size(), pair_count(most_nodes())}; }
  /// The two blocks of a process::product of nodes and pairs.
  auto state() noexcept { return std::tuple{nodes(), pairs()}; }
  std::uint8_t const* fixed_nodes() const noexcept { return fixed_nodes_.data(); }
  std::uint8_t const* fixed_pairs() const noexcept { return shape_.fixed_pairs(); }

  std::span<float const> node(std::size_t b, std::int64_t i) const {
    check(b);
    detail::require(i >= 0 && i < sizes()[b], where, "node", static_cast<long long>(i),
                    "a node of the graph");
    auto const row = static_cast<std::int64_t>(b) * most_nodes() + i;
    return {nodes_.data() + row * features_, static_cast<std::size_t>(features_)};
  }

  /// Graph b in classes: of a pair the nearest of 0 ... pair_classes - 1, of a node its largest
  /// feature, or of a single one the nearest of 0 ... node_classes - 1.
  labelled_graph quantised(std::size_t b, int pair_classes, int node_classes = 1) const {
    check(b);
    detail::require(pair_classes >= 1, where, "pair_classes", pair_classes, "at least 1");
    detail::require(node_classes >= 1, where, "node_classes", node_classes, "at least 1");
    labelled_graph g(sizes()[b]);
    for (std::int64_t i = 0; i < g.size(); ++i) {
      auto const f = node(b, i);
      g.nodes[static_cast<std::size_t>(i)] =
          features_ == 1
              ? graph::quantised(f[0], node_classes)
              : static_cast<std::int32_t>(std::max_element(f.begin(), f.end()) - f.begin());
    }
    float const* const row =
        pairs_.data() + static_cast<std::int64_t>(b) * pair_count(most_nodes());
    for (std::size_t k = 0; k < g.pairs.size(); ++k) {
      g.pairs[k] = graph::quantised(row[k], pair_classes);
    }
    return g;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::number_graphs";

  void check(std::size_t b) const {
    detail::require(b < sizes().size(), where, "graph", static_cast<long long>(b),
                    "in [0, " + std::to_string(sizes().size()) + ")");
  }

  graph_batch shape_;  // sizes and masks
  std::int64_t features_;
  std::vector<float> nodes_, pairs_;
  std::vector<std::uint8_t> fixed_nodes_;
};

}  // namespace diffx::domain::graph
