#pragma once

#include <diffx/denoiser/cublas/layers.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/cuda.cuh>

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace diffx::denoiser::cublas {

/// How products multiply: in float, or with inputs rounded to 10 bits of fraction on tensor cores
/// (relative error 1e-3 of a factor), several times as fast.
enum class precision { fp32, tf32 };

namespace detail {

inline void check(cublasStatus_t status, std::string const& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  diffx::detail::fail("diffx::denoiser::cublas: " + what + ": " + cublasGetStatusName(status) +
                      " (" + cublasGetStatusString(status) + ")");
}

}  // namespace detail

/// A cuBLAS handle with the caller's workspace: what the networks of this folder multiply with, on
/// the stream of the call. Link CUDA::cublas besides diffx::cuda.
///
///     exec::cuda const exec{stream};
///     denoiser::cublas::handle const blas(workspace);
///     denoiser::cublas::mlp const network(blas, size, weights, 256, denoiser::labels{},
///                                         prediction::eps{});
///
/// The workspace is device memory of the caller's, aligned to 256 bytes: cuBLAS recommends 32 MiB
/// for compute capability 9.0, 4 MiB before it. So no call allocates, and a graph can record it.
/// Call a network once before recording: cuBLAS loads its kernels when they are first used.
///
/// Source    cuBLAS Library, cublasSetWorkspace(), cublasGemmEx(), cublasGemmStridedBatchedEx().
/// Requires  one stream at a time for a handle, its copies and the networks that have one: they
///           share the workspace. The workspace outlives them.
/// Errors    what cuBLAS and CUDA report: throws diffx::error with their name and text for it.
class handle {
 public:
  explicit handle(std::span<std::byte> workspace, precision p = precision::fp32)
      : workspace_(workspace),
        compute_(p == precision::fp32 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32) {
    cublasHandle_t made = nullptr;
    detail::check(cublasCreate(&made), "making a handle");
    handle_.reset(made, [](cublasHandle_t h) { static_cast<void>(cublasDestroy(h)); });
  }

  /// Device memory, until the end of its owner.
  template <class T>
  class memory {
   public:
    explicit memory(std::int64_t count) : memory(static_cast<std::size_t>(count)) {}
    explicit memory(std::vector<T> const& values) : memory(values.size()) {
      if (values.empty()) return;
      // The copy of a host's memory may return before it has arrived.
      exec::detail::check(cudaMemcpyAsync(data(), values.data(), values.size() * sizeof(T),
                                          cudaMemcpyHostToDevice, cudaStreamLegacy),
                          "upload");
      exec::detail::check(cudaStreamSynchronize(cudaStreamLegacy), "wait for an upload");
    }

    T* data() const noexcept { return data_.get(); }

   private:
    struct release {
      void operator()(T* data) const noexcept { static_cast<void>(cudaFree(data)); }
    };
    explicit memory(std::size_t count) {
      if (count == 0) return;
      void* data = nullptr;
      exec::detail::check(
          cudaMalloc(&data, count * sizeof(T)),
          ("allocation of " + std::to_string(count * sizeof(T)) + " bytes").c_str());
      data_.reset(static_cast<T*>(data));
    }

    std::unique_ptr<T[], release> data_;
  };

  /// To be called before the products of a call.
  template <class Exec>
  void begin(Exec const& exec) const {
    static_assert(
        requires { exec.stream; },
        "diffx::denoiser::cublas: these networks work on a CUDA stream. Use exec::cuda.");
    detail::check(cublasSetStream(handle_.get(), exec.stream), "setting the stream");
    // A handle that is told its stream goes back to a workspace of its own.
    detail::check(cublasSetWorkspace(handle_.get(), workspace_.data(), workspace_.size()),
                  "setting the workspace");
  }

  /// On the stream that `begin` was told.
  template <class Exec>
  void multiply(Exec const&, product const& p) const {
    cublasOperation_t const a = p.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    int const m = size(p.m), n = size(p.n), k = size(p.k);
    int const lda = size(p.lda), ldb = size(p.ldb), ldc = size(p.ldc);
    float const alpha = 1.0f;
    cublasStatus_t const status =
        p.count == 1 ? cublasGemmEx(handle_.get(), a, CUBLAS_OP_N, m, n, k, &alpha, p.a, CUDA_R_32F,
                                    lda, p.b, CUDA_R_32F, ldb, &p.beta, p.c, CUDA_R_32F, ldc,
                                    compute_, CUBLAS_GEMM_DEFAULT)
                     : cublasGemmStridedBatchedEx(
                           handle_.get(), a, CUBLAS_OP_N, m, n, k, &alpha, p.a, CUDA_R_32F, lda,
                           p.a_step, p.b, CUDA_R_32F, ldb, p.b_step, &p.beta, p.c, CUDA_R_32F, ldc,
                           p.c_step, size(p.count), compute_, CUBLAS_GEMM_DEFAULT);
    if (status == CUBLAS_STATUS_SUCCESS) return;
    detail::check(status, "product of [" + std::to_string(p.m) + ", " + std::to_string(p.k) +
                              "] and [" + std::to_string(p.k) + ", " + std::to_string(p.n) + "]" +
                              (p.count == 1 ? "" : ", " + std::to_string(p.count) + " of them"));
  }

 private:
  /// cuBLAS counts in int.
  static int size(std::int64_t value) {
    diffx::detail::require(value <= std::numeric_limits<int>::max(), "diffx::denoiser::cublas",
                           "extent of a product", value, "below 2^31: use a smaller batch");
    return static_cast<int>(value);
  }

  std::shared_ptr<cublasContext> handle_;
  std::span<std::byte> workspace_;
  cublasComputeType_t compute_;
};

}  // namespace diffx::denoiser::cublas
