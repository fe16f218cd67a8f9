// The networks of denoiser/cublas on a device: the numbers of the host, on a stream and recorded.

#include <diffx/denoiser/cublas/handle.cuh>
#include <diffx/denoiser/cublas/mlp.hpp>
#include <diffx/denoiser/cublas/transformer.hpp>
#include <diffx/denoiser/cublas/unet.hpp>
#include <diffx/denoiser/eigen/random_weights.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/exec/cuda_graph.cuh>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/noise/counted_from.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "on_device.cuh"
#include "plain_products.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace diffx;

namespace {

namespace blas = denoiser::cublas;
using denoiser::labels;
using denoiser::eigen::mlp_size;
using denoiser::eigen::random_weights;
using denoiser::eigen::transformer_size;
using values = std::vector<float>;

constexpr std::size_t blas_bytes = std::size_t{32} << 20;

/// The largest difference as a share of the largest value; NaN counts as infinite.
double distance(values const& a, values const& b) {
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = d > worst || std::isnan(d) ? d : worst;
    largest = std::fmax(largest, std::fabs(static_cast<double>(b[i])));
  }
  return std::isnan(worst) ? std::numeric_limits<double>::infinity() : worst / largest;
}

/// As in tests/denoiser/cublas_networks_test.cpp: sums in other orders, layer after layer.
double tolerance(double layers, double terms) { return 4.0 * std::sqrt(layers * terms) * 6e-8; }

values wave(std::int64_t count) {
  values v;
  for (std::int64_t i = 0; i < count; ++i) {
    v.push_back(static_cast<float>(std::sin(0.7 * static_cast<double>(i) + 0.3)));
  }
  return v;
}
std::vector<std::int32_t> tokens(std::int64_t count, int classes) {
  std::vector<std::int32_t> x;
  for (std::int64_t i = 0; i < count; ++i) x.push_back(static_cast<int>(i * 7 % classes));
  return x;
}

/// make(backend) on the host and on a device, plain and recorded.
template <class Make, class In>
void check(Make const& make, std::vector<In> const& x, std::int64_t batch,
           std::int64_t out_features, double near) {
  auto const features = static_cast<std::int64_t>(x.size()) / batch;
  test::stream const on;
  test::device_array<std::byte> const workspace(blas_bytes);
  test::device_array<In> const in(x);
  test::device_array<float> const result(static_cast<std::size_t>(batch * out_features));
  auto const on_host = make(test::plain_products{});
  auto const on_device = make(blas::handle(workspace.span()));
  CHECK(on_device.bytes() == on_host.bytes());
  for (int const branch : {0, 1}) {
    query q;
    q.at.t = 0.4;
    q.at.lambda = 0.3;
    q.branch = branch;
    values want(static_cast<std::size_t>(batch * out_features));
    on_host(exec::host{}, batch_view<In const>{x.data(), batch, features, 0}, q,
            batch_view<float>{want.data(), batch, out_features, 0});
    batch_view<In const> const view{in.data(), batch, features, 0};
    batch_view<float> const out{result.data(), batch, out_features, 0};
    on_device(on.exec(), view, q, out);
    on.exec().wait();
    values const got = result.back();
    double const d = distance(got, want);
    CAPTURE(d);
    CHECK(d <= near);
    exec::cuda_graph const recorded(on.exec().stream, [&](exec::cuda_recorder const& recorder) {
      on_device(recorder, view, q, out);
    });
    test::ok(cudaMemset(result.data(), 0xFF, got.size() * sizeof(float)));
    recorded.replay(on.exec().stream);
    on.exec().wait();
    CHECK(result.back() == got);
  }
}

denoiser::eigen::safetensors model(char const* name) {
  return denoiser::eigen::safetensors(std::string(DIFFX_EXAMPLES_DIR) + "/models/" + name +
                                      ".safetensors");
}

struct make_mlp {
  template <class Backend>
  auto operator()(Backend const& b) const {
    return blas::mlp(b, mlp_size{5, 48, 3, 3}, random_weights(3), 17,
                     labels({2, 0, 1, -1, 2, 0, 1, 1, 2, 0, 0, 2, 2, -1, 0, 1, 1}),
                     prediction::eps{});
  }
};
struct make_unet {
  template <class Backend>
  auto operator()(Backend const& b) const {
    return blas::unet(b, model("fashion_unet"), 3, labels({7, -1, 2}));
  }
};
struct make_transformer {
  template <class Backend>
  auto operator()(Backend const& b) const {
    auto const file = model("kjv_blocks");
    return blas::transformer<Backend>(b, denoiser::eigen::transformer_size_of(file), file, 40, 3);
  }
};
struct make_timed {
  template <class Backend>
  auto operator()(Backend const& b) const {
    return blas::timed_transformer<Backend>(b, transformer_size{11, 24, 3, 2, 0, 0},
                                            random_weights(3), 9, 3);
  }
};

}  // namespace

TEST_CASE("networks with cuBLAS have the numbers of the host, and so has what a graph recorded") {
  check(make_mlp{}, wave(17 * 5), 17, 5, tolerance(10, 64));
  check(make_mlp{}, wave(5), 1, 5, tolerance(10, 64));
  check(make_unet{}, wave(3 * 784), 3, 784, tolerance(24, 2304));
  check(make_transformer{}, tokens(3 * 40, 128), 3, 40 * 128, tolerance(38, 512));
  check(make_timed{}, tokens(3 * 9, 11), 3, 9 * 11, tolerance(14, 96));
}

TEST_CASE("a whole loop with a U-Net, recorded, gives the images of the loop on a stream") {
  // The program of docs/guide.md.
  test::stream const on;
  auto const& exec = on.exec();
  auto const weights = model("fashion_unet");
  test::device_array<float> const images(4 * 784);
  test::device_array<std::byte> const for_blas(blas_bytes);
  test::device_array<std::uint64_t> const seeds(std::vector<std::uint64_t>{42});
  batch_view<float> const x{images.data(), 4, 784, 0};
  std::span<std::byte> const blas_memory = for_blas.span();
  std::uint64_t const* const seed = seeds.data();

  denoiser::cublas::handle const handle(blas_memory);  // 32 MiB on the device, for cuBLAS alone
  denoiser::cublas::unet const network(handle, weights, x.batch, denoiser::labels({7}));
  sampler const s{process::vp{}, solver::dpmpp_2m{}, guidance::cfg{3.0}};
  auto const steps = grid::uniform_lambda(s.process, 20);
  options const opts{noise::counted_from{seed}};

  test::device_array<std::byte> const room(
      static_cast<std::size_t>(s.workspace_size(exec, network, x, opts)));
  std::span<std::byte> const memory = room.span();

  s.start(exec, network, steps, x, memory, opts).finish();  // cuBLAS loads its kernels
  exec::cuda_graph const loop(exec.stream, [&](exec::cuda_recorder const& recorder) {
    s.start(recorder, network, steps, x, memory, opts).finish();
  });
  exec.wait();
  values const first = images.back();

  loop.replay(exec.stream);  // the images of the seed that stands on the device by now

  exec.wait();
  CHECK(images.back() == first);
  std::uint64_t const other = 43;
  test::ok(cudaMemcpy(seeds.data(), &other, sizeof other, cudaMemcpyHostToDevice));
  loop.replay(exec.stream);
  exec.wait();
  CHECK(images.back() != first);
  for (float const v : first) CHECK(std::isfinite(v));
}
