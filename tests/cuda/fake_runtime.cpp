// What a run calls of the CUDA runtime, for a machine without a device. Linked before the real
// runtime, so that these definitions come first; everything else is the real one's.

#include "fake_runtime.hpp"

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>

namespace {

fake::fault kind = fake::fault::none;
int fail_at = -1, made = 0, launched = 0, objects = 0;
bool is_recording = false;
std::size_t recorded = 0;  // launches of the recording at hand, then of the graph
cudaError_t last = cudaSuccess, sticky = cudaSuccess;
int refused_block = -1;     // which of the blocks of memory that are asked for is not there
bool kernel_fails = false;  // a launched kernel will, when the next call comes

cudaError_t report(cudaError_t status) noexcept {
  if (status != cudaSuccess) last = status;
  return status;
}

/// One point at which something may fail.
cudaError_t point(bool is_launch, cudaError_t status) noexcept {
  int const index = made++;
  if (is_launch) ++launched;
  if (kernel_fails) sticky = cudaErrorIllegalAddress;
  if (sticky != cudaSuccess) return report(sticky);
  if (kind == fake::fault::at_call && index == fail_at) return report(status);
  if (kind == fake::fault::from_call_on && index >= fail_at) return report(status);
  kernel_fails = kind == fake::fault::on_device && is_launch && index == fail_at;
  return cudaSuccess;
}

cudaError_t launch() noexcept {
  cudaError_t const status = point(true, cudaErrorLaunchOutOfResources);
  if (status == cudaSuccess && is_recording) ++recorded;
  return status;
}

}  // namespace

namespace fake {

void arm(fault what, int at) noexcept {
  kind = what;
  fail_at = at;
  made = launched = 0;
  last = sticky = cudaSuccess;
  kernel_fails = false;
}
void refuse_memory(int block) noexcept { refused_block = block; }
int calls() noexcept { return made; }
int launches() noexcept { return launched; }
int live() noexcept { return objects; }
bool recording() noexcept { return is_recording; }

}  // namespace fake

extern "C" {

// <<<...>>> calls one of these two, depending on the toolkit.
cudaError_t cudaLaunchKernel(void const*, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return launch();
}
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return launch();
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, void const* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  cudaError_t const status = sticky != cudaSuccess ? sticky : last;
  last = cudaSuccess;
  return status;
}
cudaError_t cudaPeekAtLastError() { return sticky != cudaSuccess ? sticky : last; }

cudaError_t cudaStreamSynchronize(cudaStream_t) { return point(false, cudaErrorUnknown); }

cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  cudaError_t const status = point(false, cudaErrorInvalidValue);
  if (status == cudaSuccess) std::memcpy(to, from, bytes);
  return status;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  cudaError_t const status = point(false, cudaErrorStreamCaptureUnsupported);
  if (status == cudaSuccess) {
    is_recording = true;
    recorded = 0;
  }
  return status;
}
// As the real one: the recording is over whether or not it can be a graph.
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = nullptr;
  is_recording = false;
  cudaError_t const status = point(false, cudaErrorStreamCaptureInvalidated);
  if (status == cudaSuccess) {
    *graph = static_cast<cudaGraph_t>(std::malloc(1));
    ++objects;
  }
  return status;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t, cudaGraphNode_t*, std::size_t* count) {
  *count = recorded;
  return point(false, cudaErrorInvalidValue);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* graph, cudaGraph_t, unsigned long long) {
  cudaError_t const status = point(false, cudaErrorMemoryAllocation);
  if (status == cudaSuccess) {
    *graph = static_cast<cudaGraphExec_t>(std::malloc(1));
    ++objects;
  }
  return status;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return launch(); }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  std::free(graph);
  --objects;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  std::free(graph);
  --objects;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = static_cast<cudaStream_t>(std::malloc(1));
  ++objects;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  std::free(stream);
  --objects;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (refused_block >= 0 && refused_block-- == 0) return report(cudaErrorMemoryAllocation);
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  ++objects;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  --objects;
  return cudaSuccess;
}

}  // extern "C"
