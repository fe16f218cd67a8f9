// A loop recorded once: its replays are the samples of the loop on a stream, seed by seed.

#include <diffx/exec/cuda_graph.cuh>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/noise/counted_from.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "../support/levels.hpp"
#include "class_tables.cuh"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

using diffx::exec::cuda_graph;
using diffx::exec::cuda_recorder;
using diffx::noise::counted_from;

template <class T, class Sampler, class Network>
void check_replays(Sampler const& s, Network const& network, diffx::timetable const& grid,
                   std::size_t nodes) {
  constexpr std::int64_t batch = 5, features = 1003;
  test::stream const on;
  cudaStream_t const stream = on.exec().stream;
  test::device_array<T> const x(static_cast<std::size_t>(batch * features));
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, view)));
  test::device_array<std::uint64_t> const seed(1);
  diffx::options<counted_from> const o{{seed.data()}};
  cuda_graph const loop(stream, [&](cuda_recorder const& exec) {
    s.start(exec, network, grid, view, memory.span(), o).finish();
  });
  CHECK(loop.nodes() == nodes);
  std::vector<std::vector<T>> seen;
  for (std::uint64_t const value : {17, 18, 17}) {
    test::ok(cudaMemcpyAsync(seed.data(), &value, sizeof value, cudaMemcpyHostToDevice, stream));
    loop.replay(stream);
    on.exec().wait();
    seen.push_back(x.back());
    CHECK(seen.back() ==
          test::sampled_on_device<T>(s, network, grid, batch, features,
                                     diffx::options<>{diffx::noise::counted{value}}));
  }
  CHECK(seen[0] == seen[2]);
  CHECK(seen[0] != seen[1]);
}

}  // namespace

TEST_CASE("a recorded loop gives the stream's samples for every seed that is written") {
  test::vp_process const p;
  diffx::timetable const levels(test::uniform_lambda(-3.0, 3.0, 11));
  // Two launches for the prior, then the network's and one pass each step.
  check_replays<float>(diffx::sampler{p, diffx::solver::ddim{.eta = 1.0}}, test::wave{}, levels,
                       2 + 10 * 2);
  check_replays<float>(diffx::sampler{p, diffx::solver::dpmpp_2m{}, diffx::guidance::cfg{2.0}},
                       test::wave{}, levels, 2 + 10 * 3);
  check_replays<float>(diffx::sampler{p, diffx::solver::ddim{},
                                      diffx::guidance::rescale{diffx::guidance::cfg{2.0}, 0.7}},
                       test::wave{}, levels, 2 + 10 * 4);
  diffx::sampler const masks{diffx::process::absorbing<>(300), diffx::solver::ancestral{}};
  test::table<diffx::prediction::x0_posterior<>> network;
  network.width = 300;
  check_replays<std::int32_t>(masks, network, diffx::grid::uniform_t(masks.process, 6), 1 + 6 * 2);
}

TEST_CASE("a solver that reads the state back runs on a stream") {
  diffx::sampler const s{test::vp_process{}, diffx::solver::adaptive_dopri54{}};
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 3));
  constexpr std::int64_t batch = 5, features = 103;
  std::vector<float> host(batch * features);
  s.sample(diffx::exec::host{}, test::wave{}, grid,
           diffx::batch_view<float>{host.data(), batch, features, 0});
  // The same steps but for rounding, which a step length passes on.
  CHECK(test::largest_difference(
            host, test::sampled_on_device<float>(s, test::wave{}, grid, batch, features)) <= 1e-4);
}
