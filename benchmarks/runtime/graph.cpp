// Graphs. Dense: a step of DiGress on unordered pairs of nodes; the limit is a copy, on the same
// threads in the same process, of the bytes that it has to read and write. Sparse: whole runs of
// degree_guided with a network that costs next to nothing; what is counted are the pairs that a
// network would be asked about, beside those of a dense sampler, and the most bytes that the run
// held at a time, its process and report among them.

#include <diffx/domain/graph/degree_guided.hpp>
#include <diffx/domain/graph/edge_removal.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/digress.hpp>

#include "support.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>
#include <numeric>
#include <span>
#include <tuple>
#include <vector>

using namespace diffx;
namespace graph = domain::graph;

namespace {

std::int64_t bytes_held = 0, bytes_most = 0;  // of the sparse runs, which are one thread's

}  // namespace

// Counts the bytes of this thread's vectors; aligned memory is not among them.
void* operator new(std::size_t n) {
  void* const p = std::malloc(n == 0 ? 1 : n);
  if (p == nullptr) throw std::bad_alloc();
  std::int64_t const held = __atomic_add_fetch(
      &bytes_held, static_cast<std::int64_t>(malloc_usable_size(p)), __ATOMIC_RELAXED);
  if (held > bytes_most) bytes_most = held;
  return p;
}
void operator delete(void* p) noexcept {
  if (p == nullptr) return;
  __atomic_sub_fetch(&bytes_held, static_cast<std::int64_t>(malloc_usable_size(p)),
                     __ATOMIC_RELAXED);
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

namespace {

exec::threads const two(2);
constexpr int node_classes = 4;

using no_op =
    bench::no_op<1, prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>>>;

/// One step from noise on a grid of ten.
void dense_step(benchmark::State& state) {
  std::int64_t const batch = state.range(0), n = state.range(1);
  auto const pair_classes = static_cast<std::size_t>(state.range(2));
  std::vector<double> pairs(pair_classes, 0.2 / (static_cast<double>(pair_classes) - 1.0));
  pairs[0] = 0.8;
  auto const s = recipe::digress(std::vector<double>(node_classes, 0.25), pairs, 9);
  graph::graph_batch graphs(std::vector<std::int64_t>(static_cast<std::size_t>(batch), n));
  auto const grid = grid::uniform_t(std::get<0>(s.process.parts), 10);
  auto const x = graphs.state();
  no_op const network;
  detail::workspace const memory(s.workspace_size(two, network, x));
  auto const outputs = bench::random_values<float>(
      static_cast<std::int64_t>(memory.span().size() / sizeof(float)), 1);
  std::memcpy(memory.span().data(), outputs.data(), outputs.size() * sizeof(float));
  auto const [total, best] = bench::time_steps(state, [&](std::uint64_t seed) {
    return s.start(two, network, grid, x, memory.span(), options{noise::counted{seed}});
  });
  std::int64_t edges = 0;
  for (auto const& g : graphs.graphs()) edges += g.edges();
  if (edges == 0) {
    state.SkipWithError("no graph has an edge");
    return;
  }
  double const mean = total / static_cast<double>(state.iterations());
  double const drawn = static_cast<double>(batch * graph::pair_count(n));
  double const nodes = static_cast<double>(batch * n);
  double const bytes =
      drawn * (8.0 + 4.0 * static_cast<double>(pair_classes)) + nodes * (8.0 + 4.0 * node_classes);
  double const limit = bytes / bench::copy_bandwidth(two, static_cast<std::int64_t>(bytes) / 2);
  state.counters["bytes_floor"] = bytes;
  state.counters["limit_ratio"] = limit / mean;
  state.counters["limit_ratio_best"] = limit / best;
  state.counters["ns_per_pair"] = 1e9 * mean / (drawn + nodes);
}

/// A whole run over nodes of such an average degree, in so many steps; 0: as many as steps_for
/// says.
void sparse_run(benchmark::State& state) {
  std::int64_t const n = state.range(0), average = state.range(1);
  std::vector<std::int64_t> degrees;
  for (std::int64_t i = 0; i < n; ++i) degrees.push_back(1 + i % (2 * average - 1));
  auto const ends_of = [&] {
    return std::accumulate(degrees.begin(), degrees.end(), std::int64_t{0});
  };
  if (ends_of() % 2 != 0) ++degrees[0];
  double const ends = static_cast<double>(ends_of());
  int const steps =
      state.range(2) > 0 ? static_cast<int>(state.range(2)) : graph::steps_for(degrees);
  // An active node has one edge to give, as a rule, and any other active node may be at its end.
  auto const network = [](graph::edge_query const& q, std::span<graph::edge const> pairs,
                          std::span<float> logits) {
    double const others = static_cast<double>(q.active.size()) - 2.0;
    std::fill_n(logits.begin(), pairs.size(),
                static_cast<float>(-std::log(std::max(others, 1e-3))));
  };
  std::uint64_t seed = 0;
  std::int64_t most = 0;
  graph::edge_report made{graph::sparse_graph(1)};
  for (auto _ : state) {
    made = {graph::sparse_graph(1)};
    std::int64_t const before = bytes_most = bytes_held;
    auto const process = graph::edge_removal::even(steps);
    made = graph::degree_guided{}.sample(process, network, degrees, noise::counted{++seed});
    most = std::max(most, bytes_most - before);
  }
  double const dense = static_cast<double>(graph::pair_count(n)) * steps;
  state.counters["steps"] = steps;
  state.counters["edges"] = static_cast<double>(made.graph.edge_count());
  state.counters["edges_wanted"] = 0.5 * ends;
  state.counters["nodes_short"] = static_cast<double>(made.nodes_short);
  state.counters["nodes_over"] = static_cast<double>(made.nodes_over);
  state.counters["ends_over"] = static_cast<double>(made.ends_over);
  state.counters["pairs_scored"] = static_cast<double>(made.pairs_scored);
  state.counters["pairs_per_edge"] = 2.0 * static_cast<double>(made.pairs_scored) / ends;
  state.counters["share_of_dense"] = static_cast<double>(made.pairs_scored) / dense;
  state.counters["calls"] = static_cast<double>(made.evaluations);
  state.counters["bytes_most"] = static_cast<double>(most);
}

void shapes(benchmark::internal::Benchmark* b) {
  for (std::int64_t const classes : {2, 5}) {
    b->Args({64, 32, classes});
    b->Args({64, 128, classes});
    b->Args({1, 512, classes});
  }
}

}  // namespace

BENCHMARK(dense_step)->Name("graph/step")->Apply(shapes)->UseManualTime();
BENCHMARK(sparse_run)
    ->Name("graph/sparse")
    ->Args({1'000, 10, 128})
    ->Args({10'000, 10, 128})
    ->Args({10'000, 10, 1024})
    ->Args({100'000, 10, 1024})
    ->Args({1'000, 10, 0})
    ->Args({10'000, 10, 0})
    ->Args({100'000, 10, 0})
    ->Args({100'000, 20, 0})
    ->Args({1'000'000, 10, 0})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

BENCHMARK_MAIN();
