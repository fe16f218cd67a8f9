#pragma once

#include <diffx/config.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/table_bytes.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace diffx::exec {

namespace detail {

inline constexpr int cuda_group = 4;  // elements per thread: one 16-byte access in float
inline constexpr int cuda_block = 256;

template <class Op>
__global__ void __launch_bounds__(cuda_block)
    tile_kernel(std::int64_t features, std::int64_t groups_per_row, std::int64_t groups, Op op) {
  std::int64_t const stride = static_cast<std::int64_t>(gridDim.x) * cuda_block;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * cuda_block + threadIdx.x;
       i < groups; i += stride) {
    std::int64_t const sample = i / groups_per_row;
    std::int64_t const first = (i - sample * groups_per_row) * cuda_group;
    std::int64_t const left = features - first;
    op(sample, first, static_cast<int>(left < cuda_group ? left : cuda_group));
  }
}

/// 1: registers enough for a thread come before threads, or what outlives a call of a division goes
/// to the stack.
template <class Op>
__global__ void __launch_bounds__(cuda_block, 1) sample_kernel(std::int64_t batch, Op op) {
  std::int64_t const i = static_cast<std::int64_t>(blockIdx.x) * cuda_block + threadIdx.x;
  if (i < batch) op(i);
}

/// The threads of a block, for detail::team_row and detail::sample_sums.
struct block_team {
  static constexpr int lanes = 16;

  __device__ int lane() const noexcept { return static_cast<int>(threadIdx.x) % lanes; }
  __device__ int group() const noexcept { return static_cast<int>(threadIdx.x) / lanes; }
  __device__ int groups() const noexcept { return cuda_block / lanes; }
  __device__ int rank() const noexcept { return static_cast<int>(threadIdx.x); }
  __device__ int size() const noexcept { return cuda_block; }
  __device__ bool leads() const noexcept { return threadIdx.x == 0; }
  __device__ void wait() const noexcept { __syncthreads(); }
  __device__ void count(std::uint32_t& bin) const noexcept { atomicAdd(&bin, 1u); }
  template <class T>
  __device__ void gather(T mine, T (&all)[lanes]) const noexcept {
    for (int j = 0; j < lanes; ++j) all[j] = __shfl_sync(0xFFFFFFFFu, mine, j, lanes);
  }
  __device__ double halved(double v) const noexcept {
    for (int half = lanes / 2; half > 0; half /= 2) v += __shfl_xor_sync(0xFFFFFFFFu, v, half);
    return v;
  }
};

/// One row a block.
template <class Op>
__global__ void __launch_bounds__(cuda_block, Op::tables_type::teams)
    row_kernel(std::int64_t rows, Op op) {
  __shared__ typename Op::tables_type tables;
  for (std::int64_t i = blockIdx.x; i < rows; i += gridDim.x) op(i, block_team{}, tables);
}

inline void check(cudaError_t status, char const* what) {
  if (status == cudaSuccess) return;
  // The runtime would repeat it at the next launch, which is not to blame.
  static_cast<void>(cudaGetLastError());
  diffx::detail::fail(std::string("diffx::exec::cuda: ") + what + ": " + cudaGetErrorName(status) +
                      " (" + cudaGetErrorString(status) + ")");
}

}  // namespace detail

/// One CUDA stream. Enqueues, never allocates, and waits only where a name says so; there is no
/// default stream. exec::cuda_graph records a whole loop.
///
/// Memory that a run touches must be reachable from the device. Element functions are named
/// function objects, so neither --extended-lambda nor --expt-relaxed-constexpr is needed.
///
/// Errors    a failed launch throws diffx::error with the runtime's name and text for it, and so
///           does wait() with what failed on the device; run::step() says how far the run came.
///           An earlier error that the caller left unread is reported by the next launch. Logits
///           that are no distribution and classes that a process has not stop the kernel with
///           cudaErrorAssert; the reason is on stderr.
struct cuda {
  static constexpr bool on_host = false;

  cudaStream_t stream;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    std::int64_t const groups_per_row = (features + detail::cuda_group - 1) / detail::cuda_group;
    std::int64_t const groups = batch * groups_per_row;
    if (groups == 0) return;
    detail::tile_kernel<<<grid(groups), detail::cuda_block, 0, stream>>>(features, groups_per_row,
                                                                         groups, op);
    detail::check(cudaGetLastError(), "launch of a pass");
  }

  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    if (batch == 0) return;
    detail::sample_kernel<<<grid(batch), detail::cuda_block, 0, stream>>>(batch, op);
    detail::check(cudaGetLastError(), "launch of a pass over samples");
  }

  /// op(row, team, tables) for every row, by all threads of a block: detail::team_row.
  template <class Op>
  void for_each_row(std::int64_t rows, Op const& op) const {
    if (rows == 0) return;
    constexpr std::int64_t most = 2147483647;
    detail::row_kernel<<<static_cast<unsigned>(rows < most ? rows : most), detail::cuda_block, 0,
                         stream>>>(rows, op);
    detail::check(cudaGetLastError(), "launch of rows");
  }

  /// Host memory, which may change once this returns, into device memory: the tables of a process
  /// and its steps. It travels as arguments of kernels, 4 KB each, since a copy from pageable
  /// memory may wait for the stream, and a recorded one would read that memory at every replay.
  void upload(void* to, void const* from, std::size_t bytes) const {
    detail::for_each_piece(to, from, bytes, [&](std::int64_t n, auto const& piece) {
      detail::sample_kernel<<<grid(n), detail::cuda_block, 0, stream>>>(n, piece);
      detail::check(cudaGetLastError(), "launch of a table's upload");
    });
  }

  /// From device memory into device memory: what a fork of a run asks for.
  void copy(void* to, void const* from, std::size_t bytes) const {
    detail::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "copy");
  }

  /// Waits for the stream, and reports what failed on the device since.
  void wait() const { detail::check(cudaStreamSynchronize(stream), "wait"); }

  /// Waits for bytes of device memory: what a checkpoint and a solver that chooses its steps by the
  /// state ask for.
  void read_back(void* to, void const* from, std::size_t bytes) const {
    detail::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "read back");
    wait();
  }

 private:
  static unsigned grid(std::int64_t items) {
    std::int64_t const blocks = (items + detail::cuda_block - 1) / detail::cuda_block;
    constexpr std::int64_t most = 2147483647;
    return static_cast<unsigned>(blocks < most ? blocks : most);
  }
};

}  // namespace diffx::exec
