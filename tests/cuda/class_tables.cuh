#pragma once

// Runs of classes on the host and on the device, for the same network and the same words.

#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/sampler.hpp>

#include "on_device.cuh"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace test {

/// Logits from the class, the position and the branch, wherever the executor works.
template <class Prediction>
struct table {
  static constexpr int branches = 2;
  using logit = typename Prediction::value_type;
  Prediction prediction{};
  int width;

  struct op {
    std::int32_t const* x;
    logit* out;
    int width;
    logit shift;
    DIFFX_HD void operator()(std::int64_t i) const {
      std::int64_t const position = i / width, v = i - position * width;
      std::int64_t const mixed = (x[position] * 7 + v * 5 + position * 3) % 13;
      out[i] = logit(0.3) * static_cast<logit>(mixed) + shift * static_cast<logit>(v);
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<std::int32_t const> x, diffx::query const& q,
                  diffx::batch_view<logit> out) const {
    exec.for_each_sample(out.size(),
                         op{x.data, out.data, width, logit(0.01) * static_cast<logit>(q.branch)});
  }
};

/// The same numbers as log-ratios in the second branch.
template <class Prediction>
struct table_of_ratios : table<Prediction> {
  static constexpr bool log_ratios = true;
};

template <class Prediction, template <class> class Network = table, class Sampler>
void compare(Sampler const& s, int width, std::int64_t batch = 64) {
  constexpr std::int64_t positions = 33;
  auto const grid = diffx::grid::uniform_t(s.process, 6);
  Network<Prediction> network;
  network.width = width;
  std::vector<std::int32_t> host(static_cast<std::size_t>(batch * positions));
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<std::int32_t>{host.data(), batch, positions, 0});
  auto const back = sampled_on_device<std::int32_t>(s, network, grid, batch, positions);
  std::int64_t differ = 0;
  for (std::size_t i = 0; i < back.size(); ++i) differ += host[i] != back[i] ? 1 : 0;
  // Equal words; a host build without fused multiply-add may round a border to the other side, and
  // a class that differs changes what the network says of its position afterwards.
  CHECK(differ <= static_cast<std::int64_t>(back.size()) / 500);
}

}  // namespace test
