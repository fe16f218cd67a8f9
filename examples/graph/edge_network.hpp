#pragma once

#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/domain/graph/degree_guided.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace example {

namespace eigen = diffx::denoiser::eigen;
namespace graph = diffx::domain::graph;

/// The network of examples/graph/train/edge.py: embeddings of nodes from the graph as it is before
/// the step, and a score of every pair from those of its two.
///
///     h    = input(node)                                               [7 -> 32]
///     h   += back_l(silu(mix_l(h, sum of h over neighbours / sqrt(1 + degree))))     l = 0, 1, 2
///     logit = score(silu(pair(h_a + h_b, h_a h_b, common))) - log(active nodes)
///
/// node: log1p of the degree, of the target and of what is missing; its share; active or not;
/// alpha_bar; log of the number of active nodes. common, of the neighbours that both have: log1p of
/// their number, the sum of 1 / log(2 + degree), and their share of the fewer neighbours of the
/// two.
///
/// Only nodes within three edges of an active one are looked at. Products are of tiles of one size,
/// so that a logit does not depend on the pairs beside it.
///
/// Requires  calls from one thread at a time.
class edge_network {
 public:
  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  explicit edge_network(Source const& source)
      : input_(source, "input", node_inputs, width),
        pair_(source, "pair", 2 * width + pair_inputs, hidden),
        score_(source, "score", hidden, 1) {
    for (int l = 0; l < layers; ++l) {
      mix_.emplace_back(source, "mix." + std::to_string(l), 2 * width, hidden);
      back_.emplace_back(source, "back." + std::to_string(l), hidden, width);
    }
  }

  void operator()(graph::edge_query const& q, std::span<graph::edge const> pairs,
                  std::span<float> logits) {
    embed(q);
    auto const h = h_.get(width, static_cast<eigen::index>(seen_.size()));
    eigen::matrix_map z = z_.get(2 * width + pair_inputs, tile);
    eigen::matrix_map inside = inside_.get(hidden, tile);
    eigen::matrix_map said = said_.get(1, tile);
    auto const count = std::log(static_cast<float>(q.active.size()));
    for (std::size_t first = 0; first < pairs.size(); first += tile) {
      auto const now = std::min<std::size_t>(tile, pairs.size() - first);
      z.setZero();
      for (std::size_t k = 0; k < now; ++k) {
        auto const [a, b] = pairs[first + k];
        auto const h_a = h.col(row(a)), h_b = h.col(row(b));
        auto column = z.col(static_cast<eigen::index>(k));
        column.segment(0, width) = h_a + h_b;
        column.segment(width, width) = h_a.cwiseProduct(h_b);
        auto const common = common_neighbours(q.graph, a, b);
        for (int c = 0; c < pair_inputs; ++c) {
          column(2 * width + c) = common[static_cast<std::size_t>(c)];
        }
      }
      pair_(z, inside);
      eigen::silu(inside.array());
      score_(inside, said);
      for (std::size_t k = 0; k < now; ++k) {
        logits[first + k] = said(0, static_cast<eigen::index>(k)) - count;
      }
    }
  }

 private:
  static constexpr int width = 32, hidden = 64, layers = 3, node_inputs = 7, pair_inputs = 3;
  static constexpr int tile = 32;

  eigen::index row(std::int64_t node) const { return row_[static_cast<std::size_t>(node)]; }

  /// Calls f(first, columns) for every tile of the first `count` nodes that are looked at.
  template <class F>
  static void for_each_tile(eigen::index count, F&& f) {
    for (eigen::index first = 0; first < count; first += tile) {
      f(first, std::min<eigen::index>(tile, count - first));
    }
  }

  /// Embeddings of the active nodes, from those of their neighbours a layer before.
  void embed(graph::edge_query const& q) {
    for (auto const i : seen_) row_[static_cast<std::size_t>(i)] = -1;
    seen_.clear();
    row_.resize(q.target.size(), -1);
    auto const see = [&](std::int32_t i) {
      if (row(i) >= 0) return;
      row_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(seen_.size());
      seen_.push_back(i);
    };
    for (auto const i : q.active) see(i);
    // within[l]: so many of the nodes seen are at most l edges from an active one.
    std::array<eigen::index, layers + 1> within{};
    within[0] = static_cast<eigen::index>(seen_.size());
    for (std::size_t l = 1, k = 0; l <= layers; ++l) {
      for (std::size_t const end = seen_.size(); k < end; ++k) {
        for (auto const j : q.graph.neighbours(seen_[k])) see(j);
      }
      within[l] = static_cast<eigen::index>(seen_.size());
    }
    auto h = h_.get(width, within[layers]);
    eigen::matrix_map z = z_.get(2 * width + pair_inputs, tile);
    eigen::matrix_map inside = inside_.get(hidden, tile);
    auto told = z.topRows(node_inputs);
    auto both = z.topRows(2 * width);
    eigen::matrix_map out = said_.get(width, tile);
    for_each_tile(within[layers], [&](eigen::index first, eigen::index columns) {
      z.setZero();
      for (eigen::index k = 0; k < columns; ++k) tell(q, first + k, told.col(k));
      input_(told, out);
      h.middleCols(first, columns) = out.leftCols(columns);
    });
    for (int l = 0; l < layers; ++l) {
      auto const before = h_.get(width, within[layers]);
      auto after = next_.get(width, within[layers]);
      for_each_tile(within[static_cast<std::size_t>(layers - 1 - l)], [&](eigen::index first,
                                                                          eigen::index columns) {
        z.setZero();
        for (eigen::index k = 0; k < columns; ++k) {
          auto const near = q.graph.neighbours(seen_[static_cast<std::size_t>(first + k)]);
          both.col(k).head(width) = before.col(first + k);
          auto sum = both.col(k).tail(width);
          for (auto const j : near) sum += before.col(row(j));
          sum *= 1.0f / std::sqrt(1.0f + static_cast<float>(near.size()));
        }
        mix_[static_cast<std::size_t>(l)](both, inside);
        eigen::silu(inside.array());
        back_[static_cast<std::size_t>(l)](inside, out);
        after.middleCols(first, columns) =
            before.middleCols(first, columns) + out.leftCols(columns);
      });
      std::swap(h_, next_);
    }
  }

  template <class Column>
  void tell(graph::edge_query const& q, eigen::index k, Column&& to) const {
    auto const i = seen_[static_cast<std::size_t>(k)];
    auto const at = static_cast<std::size_t>(i);
    auto const degree = static_cast<float>(q.graph.degree(i));
    auto const target = static_cast<float>(q.target[at]);
    float const missing = std::max(target - degree, 0.0f);
    to(0) = std::log1p(degree);
    to(1) = std::log1p(target);
    to(2) = std::log1p(missing);
    to(3) = missing / std::max(target, 1.0f);
    to(4) = static_cast<float>(q.is_active[at]);
    to(5) = static_cast<float>(q.alpha_bar);
    to(6) = std::log(static_cast<float>(q.active.size()));
  }

  static std::array<float, pair_inputs> common_neighbours(graph::sparse_graph const& g,
                                                          std::int32_t a, std::int32_t b) {
    if (g.degree(a) > g.degree(b)) std::swap(a, b);
    auto const few = g.neighbours(a), many = g.neighbours(b);
    float count = 0.0f, rare = 0.0f;
    auto at = many.begin();
    for (auto const j : few) {
      at = std::lower_bound(at, many.end(), j);
      if (at == many.end()) break;
      if (*at != j) continue;
      count += 1.0f;
      rare += 1.0f / std::log(2.0f + static_cast<float>(g.degree(j)));
    }
    return {std::log1p(count), rare, count / std::max(static_cast<float>(few.size()), 1.0f)};
  }

  eigen::linear input_, pair_, score_;
  std::vector<eigen::linear> mix_, back_;
  std::vector<std::int32_t> row_, seen_;  // of every node its column of h, or -1; the nodes of them
  eigen::buffer h_, next_;                // [width, nodes seen]
  eigen::buffer z_, inside_, said_;
};

}  // namespace example
