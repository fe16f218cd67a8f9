// The programs of docs/graphs_sparse.md.

#include <diffx/analysis/sparse_graph_statistics.hpp>
#include <diffx/domain/graph/degree_guided.hpp>
#include <diffx/domain/graph/edge_removal.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <iostream>
#include <span>
#include <vector>

using namespace diffx;

namespace {

/// Joins nodes that are to have many edges.
struct some_scorer {
  void run(domain::graph::sparse_graph const&, std::span<std::int64_t const> target,
           std::span<std::int32_t const>, double, std::span<domain::graph::edge const> asked,
           std::span<float> logits) const {
    for (std::size_t k = 0; k < asked.size(); ++k) {
      logits[k] = 0.2f * static_cast<float>(target[static_cast<std::size_t>(asked[k].low)]) - 1.0f;
    }
  }
};

}  // namespace

TEST_CASE("the page of large graphs") {
  some_scorer const scorer;
  namespace graph = domain::graph;
  graph::sparse_graph const network_of_roads(6, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {1, 4}});

  std::vector<std::int64_t> const degrees = network_of_roads.degrees();
  auto const network = [&](graph::edge_query const& q, std::span<graph::edge const> asked,
                           std::span<float> logits) {
    scorer.run(q.graph, q.target, q.active, q.alpha_bar, asked, logits);
  };
  auto const made = graph::degree_guided{}.sample(graph::edge_removal::cosine(128), network,
                                                  degrees, noise::counted{7});
  std::cout << made.pairs_scored << " pairs scored, " << made.ends_short << " edges missing, "
            << made.ends_over << " too many\n";
  CHECK(made.graph.edge_count() > 0);

  auto const process = graph::edge_removal::even(graph::steps_for(degrees));
  std::cout << graph::expected_pairs(process, degrees) << " pairs to be scored\n";
  CHECK(process.steps() == 1);

  graph::degree_guided const strict{.over = graph::surplus::refused};
  auto const exact = strict.sample(process, network, degrees, noise::counted{7});
  CHECK(exact.nodes_over == 0);

  auto const far = analysis::summary_of(exact.graph);
  std::printf("%lld triangles, clustering %.3f, assortativity %.3f\n",
              static_cast<long long>(far.triangles), far.clustering, far.assortativity);
  CHECK(far.edges == exact.graph.edge_count());
}
