#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/run.hpp>
#include <diffx/timetable.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace diffx::analysis {

/// How much of given graphs comes back.
struct graph_recovery {
  double nodes = 0.0;  // share of all nodes, and of all pairs, that have their class again
  double pairs = 0.0;
  double exact = 0.0;  // share of graphs whose every node and pair has
  int nfe = 0;
};

/// Noises graphs to the level where step `first_step` of the timetable begins and samples from
/// there: the reconstruction by which a code of graphs is judged, with a network that is told the
/// code of graph first_sample + b. Step 0 is generation from the code alone.
///
/// Nodes are compared place by place. From pure noise no place is told from another, unless the
/// code tells them apart: compare measures that do not depend on the order there.
///
/// Source    discrete diffusion autoencoders of graphs, Wesego 2025, arXiv:2501.13133.
/// Requires  host memory; a sampler of nodes and pairs of classes, such as recipe::digress.
/// Errors    no graph, a first step that the timetable has not: throws diffx::error.
template <class Sampler, class Exec, class Denoiser, class Noise = noise::counted>
graph_recovery reconstructed(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                             timetable const& grid,
                             std::span<domain::graph::labelled_graph const> graphs, int first_step,
                             Noise const& noise = {}) {
  static_assert(Exec::on_host, "diffx: reconstructed() compares graphs in host memory.");
  domain::graph::graph_batch batch(graphs);
  options<Noise> o{noise};
  o.start = start::noised;
  o.first_step = first_step;
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  graph_recovery out;
  out.nfe = sampler.sample(exec, denoiser, grid, batch.state(), o).nfe;
  auto const same = [](std::vector<std::int32_t> const& a, std::vector<std::int32_t> const& b) {
    std::int64_t n = 0;
    for (std::size_t k = 0; k < a.size(); ++k) n += a[k] == b[k] ? 1 : 0;
    return n;
  };
  double nodes = 0.0, pairs = 0.0;
  for (std::size_t b = 0; b < graphs.size(); ++b) {
    auto const got = batch[b];
    auto const& want = graphs[b];
    out.nodes += static_cast<double>(same(got.nodes, want.nodes));
    out.pairs += static_cast<double>(same(got.pairs, want.pairs));
    out.exact += got.nodes == want.nodes && got.pairs == want.pairs ? 1.0 : 0.0;
    nodes += static_cast<double>(want.nodes.size());
    pairs += static_cast<double>(want.pairs.size());
  }
  out.nodes /= nodes;
  out.pairs = pairs > 0.0 ? out.pairs / pairs : 1.0;
  out.exact /= static_cast<double>(graphs.size());
  return out;
}

}  // namespace diffx::analysis
