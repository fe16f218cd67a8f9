// Blocks of classes on the device: the passes compile and link; where there is a device, its draws
// are compared with the host's.

#include <diffx/exec/cuda.cuh>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace {

/// Logits from the class, the position and the branch, wherever the executor works.
template <class Prediction>
struct table {
  static constexpr int branches = 2;
  Prediction prediction{};
  int width;

  struct op {
    std::int32_t const* x;
    float* out;
    int width;
    float shift;
    DIFFX_HD void operator()(std::int64_t i) const {
      std::int64_t const position = i / width, v = i - position * width;
      std::int64_t const mixed = (x[position] * 7 + v * 5 + position * 3) % 13;
      out[i] = 0.3f * static_cast<float>(mixed) + shift * static_cast<float>(v);
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<std::int32_t const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    exec.for_each_sample(out.size(),
                         op{x.data, out.data, width, 0.01f * static_cast<float>(q.branch)});
  }
};

/// The same numbers as log-ratios in the second branch.
template <class Prediction>
struct table_of_ratios : table<Prediction> {
  static constexpr bool log_ratios = true;
};

void ok(cudaError_t status) { REQUIRE(status == cudaSuccess); }

template <class Prediction, template <class> class Network = table, class Sampler>
void compare(Sampler const& s, int width) {
  constexpr std::int64_t batch = 64, positions = 33;
  auto const grid = diffx::grid::uniform_t(s.process, 6);
  Network<Prediction> network;
  network.width = width;
  std::vector<std::int32_t> host(batch * positions), back(batch * positions);
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<std::int32_t>{host.data(), batch, positions, 0});
  diffx::exec::cuda exec{};
  ok(cudaStreamCreate(&exec.stream));
  std::int32_t* x = nullptr;
  ok(cudaMalloc(reinterpret_cast<void**>(&x), back.size() * sizeof(std::int32_t)));
  diffx::batch_view<std::int32_t> const view{x, batch, positions, 0};
  auto const size = static_cast<std::size_t>(s.workspace_size(exec, network, view));
  void* memory = nullptr;
  ok(cudaMalloc(&memory, size));
  auto run = s.start(exec, network, grid, view, std::span(static_cast<std::byte*>(memory), size));
  run.finish();
  exec.wait();
  ok(cudaMemcpy(back.data(), x, back.size() * sizeof(std::int32_t), cudaMemcpyDeviceToHost));
  std::int64_t differ = 0;
  for (std::size_t i = 0; i < back.size(); ++i) differ += host[i] != back[i] ? 1 : 0;
  // Equal words; a host build without fused multiply-add may round a border to the other side, and
  // a class that differs changes what the network says of its position afterwards.
  CHECK(differ <= static_cast<std::int64_t>(back.size()) / 500);
  ok(cudaFree(x));
  ok(cudaFree(memory));
  ok(cudaStreamDestroy(exec.stream));
}

}  // namespace

TEST_CASE("host and device draw the same classes") {
  using diffx::prediction::x0_cavity;
  using diffx::prediction::x0_posterior;
  diffx::solver::ancestral const ancestral;
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(300), ancestral}, 300);
  compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(5), ancestral}, 5);
  compare<x0_cavity<>>(diffx::sampler{diffx::process::uniform<>(5), ancestral}, 5);
  compare<x0_posterior<>>(
      diffx::sampler{diffx::process::absorbing<>(9), ancestral, diffx::guidance::cfg{2.0}}, 9);
  diffx::guidance::d_cfg const tempered{2.0};
  compare<x0_posterior<>>(diffx::sampler{diffx::process::absorbing<>(300), ancestral, tempered},
                          300);
  compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(5), ancestral, tempered}, 5);
  compare<x0_cavity<>, table_of_ratios>(
      diffx::sampler{diffx::process::uniform<>(5), ancestral, diffx::guidance::d_cbg{1.5}}, 5);
}

TEST_CASE("host and device decode the same text") {
  namespace decode = diffx::decode;
  using diffx::prediction::x0_posterior;
  diffx::process::absorbing<> const masks(300);
  diffx::solver::decode<decode::neg_entropy, decode::entropy_bound> bound;
  bound.propose.top_k = 20;
  bound.propose.top_p = 0.9;
  bound.propose.min_p = 0.01;
  bound.block = 8;
  bound.end_of_text = 3;
  compare<x0_posterior<>>(diffx::sampler{masks, bound}, 300);
  diffx::solver::decode<decode::margin, decode::dynamic> shares;
  shares.commit.steps = 6;
  shares.order_temperature = 0.5;
  compare<x0_posterior<>>(diffx::sampler{masks, shares}, 300);
  diffx::solver::decode<decode::probability, decode::pace> replaced;
  replaced.commit.steps = 6;
  compare<x0_posterior<>>(diffx::sampler{diffx::process::uniform<>(5), replaced}, 5);
}
