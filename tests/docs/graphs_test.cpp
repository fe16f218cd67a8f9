// The programs of docs/graphs.md.

#include <diffx/analysis/graph_statistics.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/graph/degree_guided.hpp>
#include <diffx/domain/graph/edge_removal.hpp>
#include <diffx/domain/graph/features.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/distorted.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/digress.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/solver/defog.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <iostream>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

using namespace diffx;

namespace {

/// Says the same of every node and of every pair.
struct some_net {
  void run(batch_view<std::int32_t const> const&, batch_view<std::int32_t const> const&, double,
           batch_view<float> const& nodes, batch_view<float> const& pairs) const {
    for (std::int64_t i = 0; i < nodes.size(); ++i) nodes.data[i] = static_cast<float>(i % 3);
    for (std::int64_t i = 0; i < pairs.size(); ++i)
      pairs.data[i] = static_cast<float>(i % 2) - 1.0f;
  }
};

/// Joins nodes that are to have many edges.
struct some_scorer {
  void run(domain::graph::sparse_graph const&, std::span<std::int64_t const> target,
           std::span<std::uint8_t const>, double, std::span<domain::graph::edge const> asked,
           std::span<float> logits) const {
    for (std::size_t k = 0; k < asked.size(); ++k) {
      logits[k] = 0.2f * static_cast<float>(target[static_cast<std::size_t>(asked[k].low)]) - 1.0f;
    }
  }
};

long long edges_of(domain::graph::labelled_graph const& g) { return g.edges(); }

}  // namespace

TEST_CASE("the page of graphs") {
  some_net const net;
  std::vector<domain::graph::labelled_graph> graphs;
  for (std::int64_t n = 4; n < 8; ++n) {
    domain::graph::labelled_graph g(n);
    for (std::int64_t i = 0; i < n; ++i) g.pair(i, (i + 1) % n) = 1;
    g.nodes[0] = 1;
    g.nodes[1] = 2;
    graphs.push_back(g);
  }
  auto const held_out = graphs;

  namespace graph = domain::graph;
  auto const law = graph::marginals_of(graphs, 3, 2);  // of classes of nodes and of pairs
  auto const s = recipe::digress(law.nodes, law.pairs, 100);

  graph::graph_batch batch({9, 12, 7});  // sizes to sample; draw_sizes() takes them from data
  options<> o{noise::counted{1}};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  using said = prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>>;
  auto const network =
      denoiser::predicts<said>([&](auto const&, auto const& x, query const& q, auto const& answer) {
        net.run(std::get<0>(x), std::get<1>(x), q.at.t, std::get<0>(answer), std::get<1>(answer));
      });
  s.sample(exec::threads{}, network, grid::uniform_t(std::get<0>(s.process.parts), 101),
           batch.state(), o);
  for (graph::labelled_graph const& g : batch.graphs()) std::printf("%lld edges\n", edges_of(g));
  for (auto const& g : batch.graphs()) {
    CHECK(g.edges() > 0);
    CHECK(g.edges() < graph::pair_count(g.size()));
  }
  CHECK(batch.graphs()[2].size() == 7);

  process::marginal<schedule::mask_power> const nodes(law.nodes), pairs(law.pairs);
  solver::defog const stirred{.eta = 5.0};
  sampler const flow{process::product{std::tuple{nodes, pairs}},
                     solver::product{std::tuple{stirred, stirred}}};
  auto const clock = grid::distorted(nodes, 50, grid::distortion::polydec);
  flow.sample(exec::threads{}, network, clock, batch.state(), o);
  for (auto const& g : batch.graphs()) CHECK(g.edges() > 0);

  auto const far = analysis::distances_of(held_out, batch.graphs());
  std::printf("degree %.4f, clustering %.4f, orbit %.4f, spectrum %.4f\n", far.degree,
              far.clustering, far.orbit, far.spectrum);
  CHECK(far.degree > 0.0);
}

TEST_CASE("the page of graphs: large ones") {
  namespace graph = domain::graph;
  some_scorer const scorer;
  graph::sparse_graph const network_of_roads(6, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {1, 4}});
  std::vector<std::int64_t> const degrees = network_of_roads.degrees();
  auto const made = graph::degree_guided{}.sample(
      graph::edge_removal::cosine(128),
      [&](graph::edge_query const& q, std::span<graph::edge const> asked, std::span<float> logits) {
        scorer.run(q.graph, q.target, q.is_active, q.alpha_bar, asked, logits);
      },
      degrees, noise::counted{7});
  std::cout << made.pairs_scored << " pairs scored, " << made.nodes_short << " nodes fall short\n";
  CHECK(!made.graph.edges().empty());
}
