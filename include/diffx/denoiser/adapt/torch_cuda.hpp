#pragma once

#include <diffx/denoiser/adapt/torch.hpp>

#include <cuda_runtime_api.h>

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <concepts>

/// denoiser::from_torch on a CUDA stream: the model sees the run's state on the device without a
/// copy, works on the stream of the run, and its answer is copied into the run's buffer there. The
/// host waits for nothing.
///
/// A header of its own, since the headers of c10/cuda are there in every LibTorch, but only one
/// that was built with CUDA can compile and link them.
///
/// nvcc does not take LibTorch's headers as C++20, so the loop stands in a .cu and the network in a
/// .cpp, with a function of plain types between them:
///
///     // network.cpp
///     void call(cudaStream_t stream, batch_view<float const> x, query const& q,
///               batch_view<float> out) {
///       static auto const network = denoiser::from_torch<prediction::eps, 2>(
///           module_on_the_device(), {3, 32, 32});
///       network(denoiser::torch_stream{stream}, x, q, out);
///     }
///
///     // loop.cu
///     denoiser::predicts<prediction::eps, 2> const network{
///         [](auto const& exec, batch_view<float const> x, query const& q, batch_view<float> out) {
///           call(exec.stream, x, q, out);
///         }};
///
/// Source    LibTorch, c10/cuda/CUDAStream.h, getStreamFromExternal().
/// Requires  views and the model's weights on the current device, to which the stream belongs. Of
///           labels of several samples the first call uploads all and waits for that. Calls share
///           these, so one object serves one thread at a time. No recording by exec::cuda_graph:
///           LibTorch frees the memory of what it computed, which a replay would write to again.
/// Errors    as from_torch; a view of another device is refused by LibTorch with c10::Error.
namespace diffx::denoiser {

/// The stream of a call that comes from a .cu.
struct torch_stream {
  static constexpr bool on_host = false;
  cudaStream_t stream;
};

namespace detail {

template <class Exec>
requires(!Exec::on_host) && requires(Exec const& exec) {
  { exec.stream } -> std::convertible_to<cudaStream_t>;
}
class torch_place<Exec> {
  static_assert(
      !requires { Exec::records; },
      "diffx::denoiser::from_torch: LibTorch frees what it computes with, so a graph "
      "cannot replay it. Run the loop on a stream: exec::cuda.");

 public:
  ::torch::Device device;

  explicit torch_place(Exec const& exec)
      : device(::torch::kCUDA, c10::cuda::current_device()),
        guard_(c10::cuda::getStreamFromExternal(exec.stream, device.index())) {}

 private:
  c10::cuda::CUDAStreamGuard guard_;  // the caller's stream is current until the call returns
};

}  // namespace detail
}  // namespace diffx::denoiser
