#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace diffx::domain::graph {

/// Graphs of different sizes as numbers, for processes of noise that is added: nodes [batch, n *
/// width], one-hot if they have classes, and one number for every unordered pair, its class,
/// [batch, n (n - 1) / 2], n the largest size. So an adjacency matrix is symmetric and has no
/// diagonal by construction, and its noise is drawn once a pair.
///
///     domain::graph::graph_numbers<float> graphs({9, 7, 12}, 4);
///     s.sample(exec, network, grid, graphs.state(), o);
///     domain::graph::labelled_graph const first = graphs.quantised(0, 4);
///
/// What is beyond a graph's size is sampled with the rest and read by nobody: a network must not
/// look at it, and then a graph is the same however much it is padded.
///
/// Errors    no graph, a size or width below 1, a class out of range, a number that is NaN: throws
///           diffx::error.
template <class T>
class graph_numbers {
 public:
  graph_numbers(std::vector<std::int64_t> sizes, std::int64_t node_width,
                std::int64_t padded_to = 0)
      : sizes_(std::move(sizes)), width_(node_width), most_(padded_to) {
    detail::require(!sizes_.empty(), where, "sizes.size()", 0, "at least 1");
    detail::require(width_ >= 1, where, "node_width", static_cast<long long>(width_), "at least 1");
    std::int64_t largest = 0;
    for (std::size_t b = 0; b < sizes_.size(); ++b) {
      detail::require(sizes_[b] >= 1, where, "sizes[" + std::to_string(b) + "]",
                      static_cast<long long>(sizes_[b]), "at least 1");
      largest = std::max(largest, sizes_[b]);
    }
    if (most_ == 0) most_ = largest;
    detail::require(most_ >= largest, where, "padded_to", static_cast<long long>(most_),
                    "at least the largest size, " + std::to_string(largest));
    nodes_.assign(sizes_.size() * static_cast<std::size_t>(most_ * width_), T(0));
    pairs_.assign(sizes_.size() * static_cast<std::size_t>(pair_count(most_)), T(0));
  }

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(sizes_.size()); }
  std::int64_t most_nodes() const noexcept { return most_; }
  std::int64_t node_width() const noexcept { return width_; }
  std::vector<std::int64_t> const& sizes() const noexcept { return sizes_; }

  batch_view<T> nodes() noexcept { return {nodes_.data(), size(), most_ * width_}; }
  batch_view<T> pairs() noexcept { return {pairs_.data(), size(), pair_count(most_)}; }
  /// The two blocks of a process::product of nodes and pairs.
  auto state() noexcept { return std::tuple{nodes(), pairs()}; }

  /// Puts a graph of the size of graph b there.
  void set(std::size_t b, labelled_graph const& g) {
    check(b);
    detail::require(g.size() == sizes_[b], where, "size of graph " + std::to_string(b),
                    static_cast<long long>(g.size()), std::to_string(sizes_[b]));
    T* const node = nodes().row(static_cast<std::int64_t>(b));
    for (std::int64_t i = 0; i < g.size(); ++i) {
      auto const c = g.nodes[static_cast<std::size_t>(i)];
      detail::require(c >= 0 && c < width_, where, "class of node " + std::to_string(i),
                      static_cast<long long>(c), "in [0, " + std::to_string(width_) + ")");
      for (std::int64_t k = 0; k < width_; ++k) node[i * width_ + k] = k == c ? T(1) : T(0);
    }
    T* const pair = pairs().row(static_cast<std::int64_t>(b));
    for (std::size_t p = 0; p < g.pairs.size(); ++p) pair[p] = static_cast<T>(g.pairs[p]);
  }

  /// The classes that graph b is nearest to: of a node the largest of its numbers, of a pair the
  /// nearest whole number, half up, from 0 to pair_classes - 1.
  labelled_graph quantised(std::size_t b, int pair_classes) const {
    check(b);
    detail::require(pair_classes >= 2, where, "pair_classes", pair_classes, "at least 2");
    labelled_graph g(sizes_[b]);
    auto const number = [&](T v, char const* what, std::int64_t at) {
      if (std::isnan(v)) {
        detail::fail(std::string(where) + ": the number of " + what + " " + std::to_string(at) +
                     " of graph " + std::to_string(b) + " is NaN");
      }
      return static_cast<double>(v);
    };
    T const* const node = nodes_.data() + static_cast<std::int64_t>(b) * most_ * width_;
    for (std::int64_t i = 0; i < g.size(); ++i) {
      for (std::int64_t k = 1; k < width_; ++k) {
        auto& best = g.nodes[static_cast<std::size_t>(i)];
        if (number(node[i * width_ + k], "node", i) > number(node[i * width_ + best], "node", i)) {
          best = static_cast<std::int32_t>(k);
        }
      }
    }
    T const* const pair = pairs_.data() + static_cast<std::int64_t>(b) * pair_count(most_);
    for (std::size_t p = 0; p < g.pairs.size(); ++p) {
      double const v = number(pair[p], "pair", static_cast<std::int64_t>(p));
      double const most = pair_classes - 1.0;
      g.pairs[p] = static_cast<std::int32_t>(std::clamp(std::floor(v + 0.5), 0.0, most));
    }
    return g;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::graph::graph_numbers";

  void check(std::size_t b) const {
    detail::require(b < sizes_.size(), where, "graph", static_cast<long long>(b),
                    "in [0, " + std::to_string(sizes_.size()) + ")");
  }

  std::vector<std::int64_t> sizes_;
  std::int64_t width_, most_;
  std::vector<T> nodes_, pairs_;
};

}  // namespace diffx::domain::graph
