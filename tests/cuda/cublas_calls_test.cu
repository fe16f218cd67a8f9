// What the networks of denoiser/cublas ask of cuBLAS, and what they say when a call fails. Linked
// with stand-ins for cuBLAS and the runtime, whose memory is the host's: the whole network runs
// without a device, since all but its products runs on exec::host.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <diffx/denoiser/cublas/handle.cuh>
#include <diffx/denoiser/cublas/mlp.hpp>
#include <diffx/denoiser/cublas/transformer.hpp>
#include <diffx/denoiser/cublas/unet.hpp>
#include <diffx/denoiser/eigen/random_weights.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/eps.hpp>

#include <cuda_runtime_api.h>

#include "fake_cublas.hpp"
#include "fake_runtime.hpp"
#include "plain_products.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace {

namespace blas = diffx::denoiser::cublas;
using diffx::batch_view;
using diffx::denoiser::labels;
using diffx::denoiser::eigen::mlp_size;
using diffx::denoiser::eigen::random_weights;
using diffx::denoiser::eigen::transformer_size;
using eps = diffx::prediction::eps;
using values = std::vector<float>;

/// The host, with a stream for cuBLAS.
struct host_with_stream : diffx::exec::host {
  cudaStream_t stream;
};

alignas(256) std::byte workspace[256];

diffx::query some_query(int branch = 0) {
  diffx::query q;
  q.at.t = 0.4;
  q.at.lambda = 0.3;
  q.branch = branch;
  return q;
}

template <class T>
std::vector<T> inputs(std::int64_t count, int classes) {
  std::vector<T> x;
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      x.push_back(static_cast<T>(std::sin(0.7 * static_cast<double>(i) + 0.3)));
    } else {
      x.push_back(static_cast<T>(i * 7 % classes));
    }
  }
  return x;
}

template <class Net, class In>
values call(Net const& net, std::vector<In> const& x, std::int64_t batch, std::int64_t out_features,
            int branch = 0) {
  values out(static_cast<std::size_t>(batch * out_features), std::nanf(""));
  auto const features = static_cast<std::int64_t>(x.size()) / batch;
  net(host_with_stream{{}, nullptr}, batch_view<In const>{x.data(), batch, features, 0},
      some_query(branch), batch_view<float>{out.data(), batch, out_features, 0});
  return out;
}

constexpr mlp_size perceptron{5, 12, 2, 3};
constexpr transformer_size tokens{11, 24, 3, 2, 4, 0};

template <class Backend>
auto make_mlp(Backend const& b) {
  return blas::mlp(b, perceptron, random_weights(3), 3, labels({2, 0, 1}), eps{});
}
template <class Backend>
auto make_transformer(Backend const& b) {
  return blas::timed_transformer<Backend>(b, tokens, random_weights(3), 9, 3);
}
template <class Backend>
auto make_unet(Backend const& b) {
  return blas::unet(b, random_weights(3), 2, labels({7, 2}));
}

std::string message_of_mlp(blas::handle const& h) {
  try {
    call(make_mlp(h), inputs<float>(15, 0), 3, 5);
  } catch (diffx::error const& e) {
    return e.what();
  }
  return "";
}

bool contains(std::string const& text, char const* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the calls of cuBLAS mean the products that the networks ask for") {
  fake::arm_blas(-1);
  {
    blas::handle const h(workspace);
    test::plain_products const plain;
    for (int const branch : {0, 1}) {
      for (std::int64_t const batch : {1, 3}) {
        auto const x = inputs<float>(5 * batch, 0);
        CHECK(call(make_mlp(h), x, batch, 5, branch) == call(make_mlp(plain), x, batch, 5, branch));
        auto const codes = inputs<std::int32_t>(9 * batch, 11);
        CHECK(call(make_transformer(h), codes, batch, 99) ==
              call(make_transformer(plain), codes, batch, 99));
      }
      auto const images = inputs<float>(2 * 784, 0);
      CHECK(call(make_unet(h), images, 2, 784, branch) ==
            call(make_unet(plain), images, 2, 784, branch));
    }
    CHECK(fake::batches() > 0);
    CHECK_FALSE(fake::own_workspace());
    CHECK_FALSE(fake::tensor_cores());
    // Only a caller who asks for it has inputs rounded.
    call(make_mlp(blas::handle(workspace, blas::precision::tf32)), inputs<float>(5, 0), 1, 5);
    CHECK(fake::tensor_cores());
    CHECK(fake::live_handles() == 1);
  }
  CHECK(fake::live_handles() == 0);
  CHECK(fake::live() == 0);
}

TEST_CASE("every call of cuBLAS that fails is named, with the library's text") {
  fake::arm_blas(0);
  CHECK_THROWS_WITH_AS(blas::handle{workspace},
                       "diffx::denoiser::cublas: making a handle: CUBLAS_STATUS_ALLOC_FAILED (text "
                       "of the stand-in)",
                       diffx::error);
  CHECK(fake::live_handles() == 0);
  fake::arm_blas(-1);
  {
    blas::handle const h(workspace);
    fake::arm_blas(-1);
    CHECK(message_of_mlp(h).empty());
    int const calls = fake::blas_calls();
    CHECK(calls == 2 + 2 + 1 + 2 * 3 + 1);  // begin; time; in; the layers; out
    for (int k = 0; k < calls; ++k) {
      fake::arm_blas(k);
      std::string const message = message_of_mlp(h);
      CAPTURE(message);
      CHECK(contains(message, "diffx::denoiser::cublas: "));
      CHECK(contains(message, k == 0   ? "setting the stream: CUBLAS_STATUS_NOT_INITIALIZED"
                              : k == 1 ? "setting the workspace: CUBLAS_STATUS_INVALID_VALUE"
                                       : "CUBLAS_STATUS_EXECUTION_FAILED"));
      CHECK(contains(message, "(text of the stand-in)"));
      if (k == 4) CHECK(contains(message, "product of [12, 5] and [5, 3]: "));
      CHECK(fake::blas_calls() == k + 1);  // nothing follows it
    }
    // As good as before.
    fake::arm_blas(-1);
    CHECK(message_of_mlp(h).empty());
    // A workspace that is not aligned: cuBLAS says so.
    blas::handle const wrong(std::span<std::byte>(workspace).subspan(8));
    CHECK(contains(message_of_mlp(wrong), "setting the workspace: CUBLAS_STATUS_INVALID_VALUE"));
    // A product of several matrices says how many.
    fake::arm_blas(6);
    std::string message;
    try {
      call(make_transformer(h), inputs<std::int32_t>(9, 11), 1, 99);
    } catch (diffx::error const& e) {
      message = e.what();
    }
    CHECK(contains(message, "product of [8, 9] and [9, 9], 3 of them: "));
    fake::arm_blas(-1);
  }
  CHECK(fake::live_handles() == 0);
  CHECK(fake::live() == 0);
}

TEST_CASE("memory that cannot be had or filled is reported when the network is made") {
  fake::arm_blas(-1);
  blas::handle const h(workspace);
  char const* const named[] = {"upload: ", "wait for an upload: "};
  for (int k = 0; k < 4; ++k) {  // weights, then labels
    fake::arm(fake::fault::at_call, k);
    std::string const message = message_of_mlp(h);
    CAPTURE(message);
    CHECK(contains(message, "diffx::exec::cuda: "));
    CHECK(contains(message, named[k % 2]));
    CHECK(fake::live() == 0);
  }
  fake::arm(fake::fault::none, -1);
  for (int k = 0; k < 3; ++k) {  // weights, room, labels
    fake::refuse_memory(k);
    std::string const message = message_of_mlp(h);
    CAPTURE(message);
    CHECK(contains(message, "diffx::exec::cuda: allocation of "));
    CHECK(contains(message, " bytes: cudaErrorMemoryAllocation"));
    CHECK(fake::live() == 0);
  }
  fake::refuse_memory(-1);
  CHECK(message_of_mlp(h).empty());
}

TEST_CASE("an extent that cuBLAS cannot count is refused before the call") {
  fake::arm_blas(-1);
  blas::handle const h(workspace);
  blas::product p;
  p.n = std::int64_t{1} << 31;
  CHECK_THROWS_WITH_AS(h.multiply(host_with_stream{{}, nullptr}, p),
                       "diffx::denoiser::cublas: extent of a product = 2147483648, must be below "
                       "2^31: use a smaller batch",
                       diffx::error);
}
