// DLPack tensors as views and back. The structs are DLPack's by name and order of their members;
// LibTorch's own are used in torch/torch_test.cpp.

#include <diffx/denoiser/adapt/dlpack.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/solver/ddim.hpp>

#include "support/compositions.hpp"
#include "support/message.hpp"
#include "support/short_float.hpp"
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;

enum class device_kind { cpu = 1, cuda = 2 };
struct data_type {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct device_of {
  device_kind device_type;
  int device_id;
};
struct tensor {
  void* data;
  device_of device;
  int ndim;
  data_type dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct managed_tensor {
  tensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(managed_tensor* self);
};

/// A tensor [2, 3, 4] of floats.
struct sample {
  std::vector<float> data = std::vector<float>(25);
  std::vector<std::int64_t> shape{2, 3, 4}, strides{12, 4, 1};
  tensor t{data.data(), {device_kind::cpu, 0}, 3, {2, 32, 1}, shape.data(), strides.data(), 0};
};

template <class T = float, class Change>
std::string refusal(Change const& change, dlpack::place at = dlpack::host) {
  sample s;
  change(s);
  return test::message_of([&] { dlpack::view_of<T>(s.t, at); });
}

}  // namespace

TEST_CASE("dlpack: a tensor is a view of the same memory") {
  sample s;
  auto const check = [&](std::int64_t offset) {
    auto const v = dlpack::view_of<float>(s.t, dlpack::host, 7);
    CHECK(v.data == s.data.data() + offset);
    CHECK(v.batch == 2);
    CHECK(v.features == 12);
    CHECK(v.first_sample == 7);
    batch_view<float const> const constant = dlpack::view_of<float const>(s.t, dlpack::host);
    CHECK(constant.data == v.data);
  };
  check(0);
  s.t.strides = nullptr;
  check(0);
  s.t.byte_offset = 4;
  check(1);
  s.t.ndim = 1;
  CHECK(dlpack::view_of<float>(s.t, dlpack::host).features == 1);
  s.t.device = {device_kind::cuda, 3};
  CHECK(dlpack::view_of<float>(s.t, dlpack::cuda(3)).batch == 2);

  // The stride of an extent of 1 means nothing, and no stride does where there is no element.
  sample odd;
  odd.shape = {2, 1, 4};
  odd.strides = {4, 99, 1};
  CHECK(dlpack::view_of<float>(odd.t, dlpack::host).features == 4);
  odd.shape = {0, 3, 4};
  odd.t.data = nullptr;
  CHECK(dlpack::view_of<float>(odd.t, dlpack::host).size() == 0);
}

TEST_CASE("dlpack: every type has its code and its width") {
  sample s;
  auto const takes = [&](auto value, std::uint8_t code, std::uint8_t bits) {
    s.t.dtype = {code, bits, 1};
    CHECK_NOTHROW(dlpack::view_of<decltype(value)>(s.t, dlpack::host));
    auto const made = dlpack::tensor_of<tensor>(batch_view<decltype(value)>{&value, 2, 12}, s.shape,
                                                dlpack::host);
    CHECK(made.dtype.code == code);
    CHECK(made.dtype.bits == bits);
    CHECK(made.dtype.lanes == 1);
  };
  takes(1.0f, 2, 32);
  takes(1.0, 2, 64);
  takes(std::int8_t{1}, 0, 8);
  takes(std::uint8_t{1}, 1, 8);
  takes(std::int32_t{1}, 0, 32);
  takes(std::uint32_t{1}, 1, 32);
  takes(std::int64_t{1}, 0, 64);
  takes(test::short_float(1.0f), 4, 16);
}

TEST_CASE("dlpack: what is no view of rows is refused by name") {
  using std::string;
  auto const contains = [](string const& text, char const* part) {
    CAPTURE(text);
    CHECK(text.find("diffx::dlpack: ") == 0);
    CHECK(text.find(part) != string::npos);
  };
  contains(refusal([](sample& s) { s.t.dtype.code = 4; }), "dtype.code = 4, must be 2");
  contains(refusal<std::int32_t>([](sample&) {}), "dtype.code = 2, must be 0");
  contains(refusal<double>([](sample&) {}), "dtype.bits = 32, must be 64");
  contains(refusal([](sample& s) { s.t.dtype.bits = 64; }), "dtype.bits = 64, must be 32");
  contains(refusal([](sample& s) { s.t.dtype.lanes = 4; }), "dtype.lanes = 4");
  contains(refusal([](sample&) {}, dlpack::cuda(0)), "device_type = 1, must be 2");
  contains(refusal(
               [](sample& s) {
                 s.t.device = {device_kind::cuda, 1};
               },
               dlpack::cuda(0)),
           "device_id = 1, must be 0");
  contains(refusal([](sample& s) { s.t.ndim = 0; }), "ndim = 0");
  contains(refusal([](sample& s) { s.shape[1] = -1; }), "an extent = -1");
  contains(refusal([](sample& s) { s.strides[2] = 2; }), "a stride = 2, must be 1");
  contains(refusal([](sample& s) { s.strides[0] = 24; }), "a stride = 24, must be 12");
  contains(refusal([](sample& s) { s.t.data = nullptr; }), "data = 0, must be not null");
  contains(refusal([](sample& s) { s.t.byte_offset = 2; }), "aligned to 4");
  CHECK(refusal([](sample& s) {
          s.shape = {std::int64_t{1} << 40, std::int64_t{1} << 40, 1};
        }).find("does not fit 63 bits") != std::string::npos);
}

TEST_CASE("dlpack: a view is lent with its shape, and given back once") {
  std::vector<double> x(24, 1.0);
  batch_view<double> const view{x.data(), 2, 12};
  auto* const lent = dlpack::lend<managed_tensor>(view, {2, 3, 4}, dlpack::cuda(1));
  CHECK(lent->dl_tensor.data == x.data());
  CHECK(lent->dl_tensor.ndim == 3);
  CHECK(lent->dl_tensor.shape[0] == 2);
  CHECK(lent->dl_tensor.shape[2] == 4);
  CHECK(lent->dl_tensor.device.device_type == device_kind::cuda);
  CHECK(lent->dl_tensor.device.device_id == 1);
  auto const back = dlpack::view_of<double>(lent->dl_tensor, dlpack::cuda(1));
  CHECK(back.data == view.data);
  CHECK(back.features == view.features);
  lent->deleter(lent);  // the address sanitizer says if it was not all, or twice
  CHECK_THROWS_AS(dlpack::lend<managed_tensor>(view, {2, 3, 5}, dlpack::host), error);
  CHECK_THROWS_AS(dlpack::lend<managed_tensor>(view, {3, 3, 4}, dlpack::host), error);
  CHECK_THROWS_AS(dlpack::lend<managed_tensor>(view, {}, dlpack::host), error);
}

TEST_CASE("from_dlpack: a network of tensors is the network of views") {
  int calls = 0;
  auto const f = [&](auto const& exec, tensor const& x, query const& q, tensor const& out) {
    ++calls;
    CHECK(x.ndim == 3);
    CHECK(x.shape[0] == 5);
    CHECK(x.shape[1] == 3);
    CHECK(out.shape[2] == 11);
    test::wavy{}(exec, dlpack::view_of<float const>(x, dlpack::host), q,
                 dlpack::view_of<float>(out, dlpack::host));
  };
  auto const network = denoiser::from_dlpack<tensor, prediction::eps, 2>(f, {3, 11});
  sampler const s{test::vp_process{}, solver::ddim{.eta = 1.0}, guidance::cfg{2.0}};
  std::vector<float> x(5 * 33), y = x;
  s.sample(exec::host{}, network, test::lambda_grid(4), batch_view<float>{x.data(), 5, 33});
  s.sample(exec::host{}, test::wavy{}, test::lambda_grid(4), batch_view<float>{y.data(), 5, 33});
  CHECK(x == y);
  CHECK(calls == 8);
  auto const wrong = denoiser::from_dlpack<tensor, prediction::eps, 2>(f, {3, 10});
  CHECK_THROWS_AS(
      s.sample(exec::host{}, wrong, test::lambda_grid(4), batch_view<float>{x.data(), 5, 33}),
      error);
  CHECK_THROWS_AS((denoiser::from_dlpack<tensor, prediction::eps>(f, {})), error);

  // A learned variance is a second half of the channels.
  auto const g = [](auto const&, tensor const& in, query const&, tensor const& out) {
    CHECK(in.shape[1] == 3);
    CHECK(out.shape[1] == 6);
    CHECK(dlpack::view_of<float>(out, dlpack::host).features == 66);
  };
  auto const pair = denoiser::from_dlpack<tensor, prediction::eps, 1, true>(g, {3, 11});
  std::vector<float> out(2 * 5 * 33);
  pair(exec::host{}, batch_view<float const>{x.data(), 5, 33}, query{},
       batch_view<float>{out.data(), 5, 66});
}
