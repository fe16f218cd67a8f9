// Tiles of rows that a block of threads takes through a whole loop.

#include <diffx/denoiser/row_local.hpp>
#include <diffx/exec/cuda_graph.cuh>
#include <diffx/guidance/cfg.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sample_by_rows.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

/// Tiles and whole passes run the same code on the device: not a bit may differ.
template <class Sampler, class Network>
void same_samples(Sampler const& s, Network const& network, std::int64_t batch,
                  std::int64_t features) {
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 9));
  diffx::options<> const o{diffx::noise::counted{11}};
  auto const want = test::sampled_on_device<float>(s, network, grid, batch, features, o);
  test::stream const on;
  test::device_array<float> const x(want.size());
  diffx::batch_view<float> const view{x.data(), batch, features};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(diffx::sample_by_rows_size(s, network, grid, view, o)));
  auto const once = [&](auto const& exec) {
    diffx::sample_by_rows(s, exec, network, grid, view, memory.span(), o);
  };
  once(on.exec());
  on.exec().wait();
  CHECK(x.back() == want);
  test::ok(cudaMemset(x.data(), 0, want.size() * sizeof(float)));
  diffx::exec::cuda_graph const recorded(on.exec().stream, once);
  recorded.replay(on.exec().stream);
  on.exec().wait();
  CHECK(x.back() == want);
}

TEST_CASE("tiles of rows give the same samples on the device") {
  auto const net = diffx::denoiser::row_local<test::wave::op>(test::wave{});
  for (std::int64_t const features : {8, 33, 64}) {
    same_samples(diffx::sampler{diffx::process::vp{}, diffx::solver::dpmpp_2m{}}, net, 3000,
                 features);
    same_samples(diffx::sampler{diffx::process::vp{}, diffx::solver::ddim{.eta = 1.0},
                                diffx::guidance::cfg{2.0}},
                 net, 3000, features);
    same_samples(diffx::sampler{diffx::process::vp{}, diffx::solver::heun{}}, net, 3000, features);
  }
}

}  // namespace
