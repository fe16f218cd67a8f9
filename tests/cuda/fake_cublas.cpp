// What the networks call of cuBLAS, for a machine without a device. Arguments are judged as the
// library's documentation says: what it calls invalid is refused, and a handle that is told its
// stream forgets the workspace that it was given.

#include "fake_cublas.hpp"

#include <cublas_v2.h>

#include <cstdint>

struct cublasContext {
  cudaStream_t stream = nullptr;
  bool given_workspace = false;
};

namespace {

int fail_at = -1, made = 0, batched = 0, handles = 0;
bool own = false, rounded = false;

bool fails() noexcept { return made++ == fail_at; }

cublasStatus_t multiply(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                        int m, int n, int k, void const* alpha, void const* a, int lda,
                        long long a_step, void const* b, int ldb, long long b_step,
                        void const* beta, void* c, int ldc, long long c_step, int count,
                        cublasComputeType_t compute) {
  bool const turn_a = op_a != CUBLAS_OP_N, turn_b = op_b != CUBLAS_OP_N;
  auto const least = [](int rows) { return rows > 1 ? rows : 1; };
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (m < 0 || n < 0 || k < 0 || count < 0 || lda < least(turn_a ? k : m) ||
      ldb < least(turn_b ? n : k) || ldc < least(m) || alpha == nullptr || beta == nullptr) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  own = own || !handle->given_workspace;
  rounded = rounded || compute != CUBLAS_COMPUTE_32F;
  float const factor = *static_cast<float const*>(alpha), kept = *static_cast<float const*>(beta);
  for (long long i = 0; i < count; ++i) {
    float const* const x = static_cast<float const*>(a) + i * a_step;
    float const* const y = static_cast<float const*>(b) + i * b_step;
    float* const z = static_cast<float*>(c) + i * c_step;
    for (std::int64_t column = 0; column < n; ++column) {
      for (std::int64_t row = 0; row < m; ++row) {
        float sum = 0.0f;
        for (std::int64_t j = 0; j < k; ++j) {
          sum += x[turn_a ? row * lda + j : j * lda + row] *
                 y[turn_b ? j * ldb + column : column * ldb + j];
        }
        float& to = z[column * ldc + row];
        to = kept == 0.0f ? factor * sum : factor * sum + kept * to;  // then to is not read
      }
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

namespace fake {

void arm_blas(int point) noexcept {
  fail_at = point;
  made = batched = 0;
  own = rounded = false;
}
int blas_calls() noexcept { return made; }
int batches() noexcept { return batched; }
int live_handles() noexcept { return handles; }
bool own_workspace() noexcept { return own; }
bool tensor_cores() noexcept { return rounded; }

}  // namespace fake

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (fails()) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = new cublasContext;
  ++handles;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  --handles;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (fails()) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  handle->given_workspace = false;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t) {
  if (fails()) return CUBLAS_STATUS_INVALID_VALUE;
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  handle->given_workspace = true;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                            int m, int n, int k, void const* alpha, void const* a,
                            cudaDataType type_a, int lda, void const* b, cudaDataType type_b,
                            int ldb, void const* beta, void* c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (fails()) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return multiply(handle, op_a, op_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1,
                  compute);
}
cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
    void const* alpha, void const* a, cudaDataType type_a, int lda, long long a_step, void const* b,
    cudaDataType type_b, int ldb, long long b_step, void const* beta, void* c, cudaDataType type_c,
    int ldc, long long c_step, int count, cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (fails()) return CUBLAS_STATUS_EXECUTION_FAILED;
  ++batched;
  if (type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return multiply(handle, op_a, op_b, m, n, k, alpha, a, lda, a_step, b, ldb, b_step, beta, c, ldc,
                  c_step, count, compute);
}

char const* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "another status";
  }
}
char const* cublasGetStatusString(cublasStatus_t) { return "text of the stand-in"; }

}  // extern "C"
