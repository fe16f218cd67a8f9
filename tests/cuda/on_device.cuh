#pragma once

// A run on the device, its samples copied back.

#include <diffx/exec/cuda.cuh>
#include <diffx/sampler.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace test {

inline void ok(cudaError_t status) { REQUIRE(status == cudaSuccess); }

template <class T, class Sampler, class Network>
std::vector<T> sampled_on_device(Sampler const& s, Network const& network,
                                 diffx::timetable const& grid, std::int64_t batch,
                                 std::int64_t features) {
  std::vector<T> back(static_cast<std::size_t>(batch * features));
  diffx::exec::cuda exec{};
  ok(cudaStreamCreate(&exec.stream));
  T* x = nullptr;
  ok(cudaMalloc(reinterpret_cast<void**>(&x), back.size() * sizeof(T)));
  diffx::batch_view<T> const view{x, batch, features, 0};
  auto const size = static_cast<std::size_t>(s.workspace_size(exec, network, view));
  void* memory = nullptr;
  ok(cudaMalloc(&memory, size));
  auto run = s.start(exec, network, grid, view, std::span(static_cast<std::byte*>(memory), size));
  run.finish();
  exec.wait();
  ok(cudaMemcpy(back.data(), x, back.size() * sizeof(T), cudaMemcpyDeviceToHost));
  ok(cudaFree(x));
  ok(cudaFree(memory));
  ok(cudaStreamDestroy(exec.stream));
  return back;
}

}  // namespace test
