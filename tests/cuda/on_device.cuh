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

/// Values on the device, until the end of the scope.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t size) : size_(size) {
    ok(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)));
  }
  explicit device_array(std::vector<T> const& values) : device_array(values.size()) {
    ok(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~device_array() { cudaFree(data_); }
  device_array(device_array const&) = delete;
  device_array& operator=(device_array const&) = delete;

  T* data() const noexcept { return data_; }
  std::span<T> span() const noexcept { return {data_, size_}; }
  std::vector<T> back() const {
    std::vector<T> values(size_);
    ok(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

/// A stream, until the end of the scope.
class stream {
 public:
  stream() { ok(cudaStreamCreate(&exec_.stream)); }
  ~stream() { cudaStreamDestroy(exec_.stream); }
  stream(stream const&) = delete;
  stream& operator=(stream const&) = delete;

  diffx::exec::cuda const& exec() const noexcept { return exec_; }

 private:
  diffx::exec::cuda exec_{};
};

/// Drives a run with nothing but its own steps.
struct to_the_end {
  template <class Run>
  void operator()(Run& run) const {
    run.finish();
  }
};

template <class T, class Sampler, class Network, class Noise = diffx::noise::counted,
          class Drive = to_the_end>
std::vector<T> sampled_on_device(Sampler const& s, Network const& network,
                                 diffx::timetable const& grid, std::int64_t batch,
                                 std::int64_t features, diffx::options<Noise> const& o = {},
                                 Drive const& drive = {}) {
  stream const on;
  device_array<T> const x(static_cast<std::size_t>(batch * features));
  diffx::batch_view<T> const view{x.data(), batch, features, 0};
  device_array<std::byte> const memory(
      static_cast<std::size_t>(s.workspace_size(on.exec(), network, view, o)));
  auto run = s.start(on.exec(), network, grid, view, memory.span(), o);
  drive(run);
  on.exec().wait();
  return x.back();
}

}  // namespace test
