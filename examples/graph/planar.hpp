#pragma once

// The connected planar graphs of a few nodes, all of them, and the network that knows their law.

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/domain/graph/pairs.hpp>
#include <diffx/domain/graph/planarity.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace example {

namespace graph = diffx::domain::graph;

/// Every connected planar graph of n nodes that are told apart; 2^(n (n - 1) / 2) graphs are looked
/// at.
inline std::vector<graph::labelled_graph> connected_planar_graphs(std::int64_t n) {
  diffx::detail::require(n >= 2 && n <= 6, "connected_planar_graphs", "n",
                         static_cast<long long>(n), "in [2, 6]");
  std::vector<graph::labelled_graph> out;
  for (std::uint32_t code = 0; code < 1u << graph::pair_count(n); ++code) {
    graph::labelled_graph g(n);
    for (std::size_t k = 0; k < g.pairs.size(); ++k) {
      g.pairs[k] = static_cast<std::int32_t>(code >> k & 1);
    }
    if (graph::is_connected(g) && graph::is_planar(g)) out.push_back(std::move(g));
  }
  return out;
}

/// What a perfectly trained network would say where the data are these graphs, all equally likely:
/// the posterior of every pair given the noised graph. Nodes have one class.
class exact_network {
 public:
  diffx::prediction::product<diffx::prediction::x0_posterior<>, diffx::prediction::x0_posterior<>>
      prediction{};

  exact_network(std::vector<graph::labelled_graph> const& data, std::vector<double> pair_law)
      : pairs_(data.front().pairs.size()), law_(std::move(pair_law)) {
    for (auto const& g : data) {
      std::uint32_t code = 0;
      for (std::size_t k = 0; k < pairs_; ++k) {
        code |= static_cast<std::uint32_t>(g.pairs[k]) << k;
      }
      codes_.push_back(code);
    }
  }

  template <class Exec>
  void operator()(Exec const& exec,
                  std::tuple<diffx::batch_view<std::int32_t const>,
                             diffx::batch_view<std::int32_t const>> const& x,
                  diffx::query const& q,
                  std::tuple<diffx::batch_view<float>, diffx::batch_view<float>> const& out) const {
    double const alpha = q.at.alpha, lost = q.at.sigma;
    // q(x_t = now | x_0 = was) of a pair.
    double factor[2][2];
    for (int now = 0; now < 2; ++now) {
      for (int was = 0; was < 2; ++was) {
        factor[now][was] = (now == was ? alpha : 0.0) + lost * law_[static_cast<std::size_t>(now)];
      }
    }
    auto const& shown = std::get<1>(x);
    auto const& nodes = std::get<0>(out);
    auto const& logits = std::get<1>(out);
    exec.for_each_sample(shown.batch, [&, this](std::int64_t b) {
      std::vector<double> one(pairs_, 0.0);
      double total = 0.0;
      for (std::uint32_t const code : codes_) {
        double share = 1.0;
        for (std::size_t k = 0; k < pairs_; ++k) share *= factor[shown.row(b)[k]][code >> k & 1];
        total += share;
        for (std::size_t k = 0; k < pairs_; ++k) one[k] += (code >> k & 1) != 0 ? share : 0.0;
      }
      for (std::int64_t i = 0; i < nodes.features; ++i) nodes.row(b)[i] = 0.0f;
      for (std::size_t k = 0; k < pairs_; ++k) {
        double const p = one[k] / total;
        logits.row(b)[2 * k] = static_cast<float>(std::log(1.0 - p));
        logits.row(b)[2 * k + 1] = static_cast<float>(std::log(p));
      }
    });
  }

 private:
  std::size_t pairs_;
  std::vector<double> law_;
  std::vector<std::uint32_t> codes_;
};

}  // namespace example
