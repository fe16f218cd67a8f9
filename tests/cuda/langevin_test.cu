// Langevin steps on the device: lengths of samples and of the level.

#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/langevin_corrector.hpp>
#include <diffx/solver/s4.hpp>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

template <class Sampler>
void compare(Sampler const& s) {
  constexpr std::int64_t batch = 5, features = 1003;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 11));
  test::wave const network;
  std::vector<float> host(batch * features);
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<float>{host.data(), batch, features, 0});
  auto const back = test::sampled_on_device<float>(s, network, grid, batch, features);
  // Host builds without fused multiply-add round every product: C N eps with C = 4, N = 10.
  CHECK(test::largest_difference(host, back) <= 8 * 10 * 6e-8);
}

}  // namespace

TEST_CASE("host and device take the same Langevin steps") {
  using diffx::langevin_norms;
  test::vp_process const p;
  for (auto const norms : {langevin_norms::sample, langevin_norms::level}) {
    compare(diffx::sampler{p, diffx::solver::langevin_corrector<>{0.1, {}, norms}});
    compare(diffx::sampler{p, diffx::solver::s4{.snr = 0.1, .norms = norms}});
  }
}
