#pragma once

#include <diffx/exec/cuda.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

namespace diffx::exec {

/// exec::cuda while a graph records it: what is enqueued does not run yet, and nothing can be read
/// back. Made by cuda_graph.
struct cuda_recorder : cuda {
  static constexpr bool records = true;

  void wait() const = delete;
  void read_back(void*, void const*, std::size_t) const = delete;
};

/// A whole loop as one launch: what `work` enqueues is recorded once and can be replayed.
///
///     noise::counted_from const noise{seed};               // seed: one number on the device
///     exec::cuda_graph const loop(stream, [&](exec::cuda_recorder const& exec) {
///       s.start(exec, network, grid, x, workspace, options{noise}).finish();
///     });
///     loop.replay(stream);                                 // samples lie in x after it
///
/// Every replay works on the same buffers. What the loop reads from device memory may be other
/// values each time: the seed, labels and prompts of the network, masks, a given start. What the
/// host decides is recorded as it was: the composition, its guidance scale, the timetable, shapes.
/// Coefficients, and the tables of a process, travel as arguments of kernels: a replay has them.
///
/// Requires  a stream that is no legacy default stream; a network that enqueues on exec.stream,
///           allocates nothing and waits for nothing. Buffers outlive the graph.
/// Errors    a call that fails throws diffx::error with the runtime's name for it; what `work`
///           throws passes through unchanged. Either way the stream no longer records.
class cuda_graph {
 public:
  template <class Work>
  cuda_graph(cudaStream_t stream, Work&& work) {
    detail::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                  "begin of a recording");
    recording open{stream};
    work(cuda_recorder{{stream}});
    graph_holder recorded;
    open.ended = true;
    detail::check(cudaStreamEndCapture(stream, &recorded.graph), "end of a recording");
    detail::check(cudaGraphGetNodes(recorded.graph, nullptr, &nodes_), "count of nodes");
    detail::check(cudaGraphInstantiate(&graph_, recorded.graph, 0), "instantiation of a graph");
  }

  cuda_graph(cuda_graph&& other) noexcept
      : graph_(std::exchange(other.graph_, nullptr)), nodes_(other.nodes_) {}
  cuda_graph& operator=(cuda_graph&& other) noexcept {
    std::swap(graph_, other.graph_);
    std::swap(nodes_, other.nodes_);
    return *this;
  }
  ~cuda_graph() {
    if (graph_ != nullptr) static_cast<void>(cudaGraphExecDestroy(graph_));
  }

  /// Enqueues the whole loop. Replays of one graph follow each other, on whatever streams.
  void replay(cudaStream_t stream) const {
    detail::check(cudaGraphLaunch(graph_, stream), "launch of a graph");
  }

  /// Kernels and copies that a replay runs.
  std::size_t nodes() const noexcept { return nodes_; }

 private:
  /// Ends a recording that an exception leaves open.
  struct recording {
    cudaStream_t stream;
    bool ended = false;
    ~recording() {
      if (ended) return;
      cudaGraph_t unused = nullptr;
      static_cast<void>(cudaStreamEndCapture(stream, &unused));
      if (unused != nullptr) static_cast<void>(cudaGraphDestroy(unused));
      static_cast<void>(cudaGetLastError());  // a recording that failed says so once more
    }
  };
  struct graph_holder {
    cudaGraph_t graph = nullptr;
    ~graph_holder() {
      if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    }
  };

  cudaGraphExec_t graph_ = nullptr;
  std::size_t nodes_ = 0;
};

}  // namespace diffx::exec
