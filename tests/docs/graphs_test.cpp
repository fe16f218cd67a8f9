// The programs of docs/graphs.md.

#include <diffx/analysis/graph_statistics.hpp>
#include <diffx/denoiser/eigen/graph_transformer.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/predicts.hpp>
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
#include <tuple>
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

TEST_CASE("the page of graphs: a trained network") {
  std::string const weights = std::string(DIFFX_EXAMPLES_DIR) + "/models/graph_planar.safetensors";
  domain::graph::graph_batch batch({6, 8});

  denoiser::eigen::graph_transformer const transformer{denoiser::eigen::safetensors(weights)};
  auto const network = transformer.of_sizes(batch.sizes());

  auto const s = recipe::digress({1.0}, {0.55, 0.45}, 20);
  options<> o{noise::counted{1}};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  s.sample(exec::threads{}, network, grid::uniform_t(std::get<0>(s.process.parts), 21),
           batch.state(), o);
  for (auto const& g : batch.graphs()) CHECK(g.edges() > 3);
}
