// More elements than 32 bits count: the last ones of a row are what they are in a short row.

#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/levels.hpp"
#include "device_networks.cuh"
#include "on_device.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

TEST_CASE("2^31 + 7 elements on the device") {
  constexpr std::int64_t features = (std::int64_t{1} << 31) + 7;
  constexpr int tail = 11;
  std::size_t free = 0, total = 0;
  test::ok(cudaMemGetInfo(&free, &total));
  constexpr std::size_t needed = 3 * sizeof(float) * static_cast<std::size_t>(features);
  if (free < needed) {
    MESSAGE("not run: the device has ", free >> 20, " MiB free, and this takes ", needed >> 20);
    return;
  }
  using namespace diffx;
  sampler const s{test::vp_process{}, solver::ddim{}};
  timetable const grid(test::uniform_lambda(-3.0, 3.0, 3));
  test::wave const network;
  options const o{noise::counted{11}};
  test::stream const on;
  test::device_array<float> const x(static_cast<std::size_t>(features));
  batch_view<float> const view{x.data(), 1, features, 0};
  test::device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, view, o)));
  auto run = s.start(on.exec(), network, grid, view, memory.span(), o);
  run.finish();
  std::vector<float> back(tail);
  on.exec().read_back(back.data(), x.data() + features - tail, tail * sizeof(float));

  // Every element goes its own way, so a short row that starts with the same variates ends alike.
  // Noise is drawn in groups of four.
  constexpr std::int64_t first = features - tail, group = first / 4 * 4;
  std::vector<float> host(tail + first - group);
  noise::counted{11}.fill({noise::prior_step, 0, 0, 1.0, 1.0}, 0, group,
                          static_cast<int>(host.size()), host.data());
  host.erase(host.begin(), host.begin() + (first - group));
  auto given = o;
  given.start = start::given;
  s.sample(exec::host{}, network, grid, batch_view<float>{host.data(), 1, tail, 0}, given);
  CHECK(test::largest_difference(host, back) <= 4 * 2 * 6e-8);
}
