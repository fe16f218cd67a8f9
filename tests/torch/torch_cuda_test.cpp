// LibTorch on a CUDA stream; compiled only where LibTorch has CUDA, run only where a device is.

#ifdef DIFFX_TEST_WITH_TORCH_CUDA

#include <diffx/denoiser/adapt/torch_cuda.hpp>

#include <torch/cuda.h>

// LibTorch has a CHECK of its own.
#undef CHECK
#include <diffx/prediction/eps.hpp>

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

using namespace diffx;
using torch::Tensor;

namespace {

constexpr std::int64_t batch = 3, features = 40;

struct host {
  static constexpr bool on_host = true;
};

// Coefficients are powers of two, so that a fused multiply-add changes no bit.
Tensor network(Tensor const& x, Tensor const& t, Tensor const& label) {
  return 0.5 * x + (0.25 * t + 0.125 * label).to(x.dtype()).view({-1, 1});
}

}  // namespace

TEST_CASE(
    "on a stream the model sees the state in place, on that stream, with the host's answers") {
  if (!torch::cuda::is_available()) {
    MESSAGE("no CUDA device");
    return;
  }
  auto const own = c10::cuda::getStreamFromPool();
  auto const before = c10::cuda::getCurrentCUDAStream();
  Tensor const x = torch::randn({batch, features});
  Tensor const there = x.to(torch::kCUDA), answer = torch::full_like(there, NAN);
  torch::cuda::synchronize();
  void const* seen = nullptr;
  cudaStream_t on = nullptr;
  auto const model = [&](Tensor in, Tensor t, Tensor label) {
    seen = in.data_ptr();
    if (in.is_cuda()) on = c10::cuda::getCurrentCUDAStream().stream();
    return network(in, t, label);
  };
  denoiser::torch_options const options{.labels = {{{9, 9, 3, 1, 4}, 10}}};
  auto const d =
      denoiser::from_torch<prediction::eps, 2>(model, {features}, denoiser::told::t, options);
  for (int const branch : {0, 1, 0}) {
    query q;
    q.at.t = 0.5;
    q.branch = branch;
    std::vector<float> want(batch * features);
    d(host{}, batch_view<float const>{x.data_ptr<float>(), batch, features, 2}, q,
      batch_view<float>{want.data(), batch, features, 2});
    d(denoiser::torch_stream{own.stream()},
      batch_view<float const>{there.data_ptr<float>(), batch, features, 2}, q,
      batch_view<float>{answer.data_ptr<float>(), batch, features, 2});
    CHECK(seen == there.data_ptr());
    CHECK(on == own.stream());
    CHECK(c10::cuda::getCurrentCUDAStream() == before);
    own.synchronize();
    Tensor const back = answer.cpu();
    CHECK(std::equal(want.begin(), want.end(), back.data_ptr<float>()));
  }
}

#endif
