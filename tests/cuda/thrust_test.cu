// Thrust's CUDA system through an explicit policy on a stream, in device memory; its host system
// beside it, in the same source.

#include <diffx/exec/host.hpp>
#include <diffx/exec/thrust.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/vp_linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include <cuda_runtime_api.h>
#include <thrust/system/cpp/execution_policy.h>
#include <thrust/system/cuda/execution_policy.h>

#include "../support/levels.hpp"
#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <span>
#include <tuple>
#include <vector>

namespace {

struct damp {
  static constexpr int branches = 2;
  diffx::prediction::eps prediction{};

  struct op {
    float const* x;
    float* out;
    std::int64_t features;
    float shift;
    DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
      for (int i = 0; i < n; ++i) {
        std::int64_t const e = sample * features + first + i;
        out[e] = 0.8f * x[e] / (1.0f + 0.1f * x[e] * x[e]) + shift;
      }
    }
  };

  template <class Exec>
  void operator()(Exec const& exec, diffx::batch_view<float const> x, diffx::query const& q,
                  diffx::batch_view<float> out) const {
    exec.for_each_tile(x.batch, x.features,
                       op{x.data, out.data, x.features, 0.1f * static_cast<float>(q.branch)});
  }
};

void ok(cudaError_t status) { REQUIRE(status == cudaSuccess); }

template <class Sampler>
void compare(Sampler const& s) {
  constexpr std::int64_t batch = 5, features = 1003;
  diffx::timetable const grid(test::uniform_lambda(-3.0, 3.0, 11));
  damp const network;
  std::vector<float> host(batch * features), cpp(batch * features), back(batch * features);
  s.sample(diffx::exec::host{}, network, grid,
           diffx::batch_view<float>{host.data(), batch, features, 0});
  s.sample(diffx::exec::thrust{::thrust::cpp::par}, network, grid,
           diffx::batch_view<float>{cpp.data(), batch, features, 0});
  CHECK(host == cpp);

  cudaStream_t stream = nullptr;
  ok(cudaStreamCreate(&stream));
  auto const exec = diffx::exec::thrust_on_device(::thrust::cuda::par.on(stream));
  static_assert(!decltype(exec)::on_host);
  float* x = nullptr;
  ok(cudaMalloc(reinterpret_cast<void**>(&x), back.size() * sizeof(float)));
  diffx::batch_view<float> const view{x, batch, features, 0};
  auto const size = static_cast<std::size_t>(s.workspace_size(exec, network, view));
  void* memory = nullptr;
  ok(cudaMalloc(&memory, size));
  auto run = s.start(exec, network, grid, view, std::span(static_cast<std::byte*>(memory), size));
  run.finish();
  // A fork of what is finished is a copy of it.
  float* y = nullptr;
  void* more = nullptr;
  ok(cudaMalloc(reinterpret_cast<void**>(&y), back.size() * sizeof(float)));
  ok(cudaMalloc(&more, size));
  auto const fork = run.fork(1, std::tuple{diffx::batch_view<float>{y, batch, features, 0}},
                             std::span(static_cast<std::byte*>(more), size));
  CHECK(fork.done());
  ok(cudaStreamSynchronize(stream));
  ok(cudaMemcpy(cpp.data(), y, cpp.size() * sizeof(float), cudaMemcpyDeviceToHost));
  ok(cudaMemcpy(back.data(), x, back.size() * sizeof(float), cudaMemcpyDeviceToHost));
  CHECK(cpp == back);
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    double const a = static_cast<double>(host[i]), b = static_cast<double>(back[i]);
    worst = std::fmax(worst, std::fabs(a - b));
    largest = std::fmax(largest, std::fabs(a));
  }
  // Host builds without fused multiply-add round every product: C N eps with C = 4, N = 10.
  CHECK(worst <= 4 * 10 * 6e-8 * largest);
  ok(cudaFree(x));
  ok(cudaFree(memory));
  ok(cudaFree(y));
  ok(cudaFree(more));
  ok(cudaStreamDestroy(stream));
}

}  // namespace

TEST_CASE("thrust on a stream gives the host's samples") {
  test::vp_process const p;
  compare(diffx::sampler{p, diffx::solver::ddim{.eta = 1.0}});
  compare(diffx::sampler{p, diffx::solver::dpmpp_2m{}, diffx::guidance::cfg{2.0}});
  compare(diffx::sampler{p, diffx::solver::ddim{},
                         diffx::guidance::rescale{diffx::guidance::cfg{2.0}, 0.7}});
  std::vector<diffx::process::vp<>> columns;
  for (int c = 0; c < 1003; ++c) {
    columns.emplace_back(diffx::schedule::vp_linear{0.1, 20.0 + c % 2});
  }
  compare(diffx::sampler{diffx::process::columns(columns), diffx::solver::ddim{.eta = 1.0}});
}
