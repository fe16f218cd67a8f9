// LibTorch models as denoisers: every kind of model gives the bits of the same network by hand.

#include <diffx/denoiser/adapt/dlpack.hpp>
#include <diffx/denoiser/adapt/torch.hpp>

#include <ATen/DLConvertor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

// LibTorch has a CHECK of its own.
#undef CHECK
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "../support/compositions.hpp"
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

using namespace diffx;
using torch::Tensor;

namespace {

int places = 0;  // calls that are being made somewhere_else

/// An execution object that is not the host's, though its memory is.
struct somewhere_else {
  static constexpr bool on_host = false;
};

}  // namespace

/// What adapt/torch_cuda.hpp has for a stream.
template <>
struct diffx::denoiser::detail::torch_place<somewhere_else> {
  explicit torch_place(somewhere_else const&) { ++places; }
  ~torch_place() { --places; }
  torch_place(torch_place const&) = delete;
  torch_place& operator=(torch_place const&) = delete;
  torch::Device device{torch::kCPU};
};

namespace {

constexpr std::int64_t batch = 3, channels = 2, height = 4, width = 5;
constexpr std::int64_t features = channels * height * width;
std::vector<std::int64_t> const shape{channels, height, width};

// Coefficients are powers of two, so that a fused multiply-add changes no bit.
Tensor network(Tensor const& x, Tensor const& t, Tensor const& label) {
  return 0.5 * x + (0.25 * t + 0.125 * label).to(x.dtype()).view({-1, 1, 1, 1});
}

struct by_hand {
  static constexpr int branches = 2;
  prediction::eps prediction{};
  std::vector<int> labels;
  int null_label;

  template <class Exec, class T>
  void operator()(Exec const&, batch_view<T const> x, query const& q, batch_view<T> out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const label =
          q.branch == 0 ? labels[static_cast<std::size_t>(x.first_sample + i)] : null_label;
      T const shift = T(0.25) * static_cast<T>(q.at.t) + T(0.125) * static_cast<T>(label);
      for (std::int64_t f = 0; f < x.features; ++f) out.row(i)[f] = T(0.5) * x.row(i)[f] + shift;
    }
  }
};

struct net_impl : torch::nn::Module {
  Tensor forward(Tensor x, Tensor t, Tensor label) { return network(x, t, label); }
};
TORCH_MODULE_IMPL(net, net_impl);

torch::jit::Module script() {
  torch::jit::Module m("net");
  m.define(R"(
    def forward(self, x, t, label):
        return 0.5 * x + (0.25 * t + 0.125 * label).to(x.dtype).view([-1, 1, 1, 1])
  )");
  return m;
}

template <class T, class Denoiser>
std::vector<T> sample(Denoiser const& d) {
  sampler const s{test::vp_process{}, solver::dpmpp_2m{}, guidance::cfg{2.0}};
  std::vector<T> x(static_cast<std::size_t>(batch * features), static_cast<T>(NAN));
  s.sample(exec::host{}, d, test::lambda_grid(6), batch_view<T>{x.data(), batch, features, 2});
  return x;
}

/// One call on a small input, with the answer; what it throws passes through.
template <class Denoiser>
std::vector<float> call(Denoiser const& d, query const& q = {}, std::int64_t rows = batch,
                        std::int64_t columns = features) {
  std::vector<float> x(static_cast<std::size_t>(rows * columns), 1.0f), out(2 * x.size(), NAN);
  d(exec::host{}, batch_view<float const>{x.data(), rows, columns}, q,
    batch_view<float>{out.data(), rows, (Denoiser::learned_variance ? 2 : 1) * columns});
  return out;
}

template <class F>
std::string message_of(F const& f) {
  try {
    f();
  } catch (error const& e) {
    return e.what();
  }
  return "nothing was thrown";
}

bool contains(std::string const& text, std::string const& part) {
  bool const found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("expected \"", part, "\" in: ", text);
  return found;
}

template <class Model>
auto plain(Model m) {
  return denoiser::from_torch<prediction::eps>(std::move(m), shape);
}

/// The program of docs/guide.md: compiled only, since there is no such file to load.
[[maybe_unused]] auto guide() {
  auto module = torch::jit::load("unet.pt");  // or a module holder, or any function of tensors
  module.eval();
  auto const network = denoiser::from_torch<prediction::eps, 2>(
      module, {3, 32, 32}, denoiser::told::timestep,  // one sample's shape, and what t means
      {.labels = {{{7}, 1000}}});                     // class 7 for all; 1000 is the null class

  return network;
}

}  // namespace

TEST_CASE_TEMPLATE("every kind of model gives the samples of the network by hand", T, float,
                   double) {
  by_hand const expected{{}, {9, 9, 3, 1, 4}, 10};
  denoiser::torch_options const options{.labels = {{{9, 9, 3, 1, 4}, 10}}};
  auto const with = [&](auto model) {
    return sample<T>(denoiser::from_torch<prediction::eps, 2>(std::move(model), shape,
                                                              denoiser::told::t, options));
  };
  auto const clean = sample<T>(expected);
  CHECK(test::same_bits(clean, with(network)));
  CHECK(test::same_bits(clean, with(script())));
  CHECK(test::same_bits(clean, with(net())));
  CHECK(test::same_bits(clean, with(std::make_shared<net_impl>())));
  CHECK(test::same_bits(
      clean, with([](Tensor x, Tensor t, Tensor y, Tensor out) { out.copy_(network(x, t, y)); })));
}

TEST_CASE(
    "the state is seen without a copy, in inference mode, and an answer may be a strided view") {
  std::vector<float> x(features, 1.0f), out(features);
  auto const d = plain([&](Tensor in, Tensor) {
    CHECK(in.data_ptr() == x.data());
    CHECK(in.sizes() == torch::IntArrayRef({1, channels, height, width}));
    CHECK(c10::InferenceMode::is_enabled());
    return torch::arange(features, torch::kFloat)
        .view({1, width, height, channels})
        .permute({0, 3, 2, 1});
  });
  d(exec::host{}, batch_view<float const>{x.data(), 1, features}, query{},
    batch_view<float>{out.data(), 1, features});
  CHECK_FALSE(c10::InferenceMode::is_enabled());
  CHECK(out[1] == channels * height);  // one place along the width
}

TEST_CASE("the model is told what it asks for") {
  query q;
  q.at = {0.5, 0.6, 0.8, std::log(0.75), 123.0};
  auto const echo = [](Tensor x, Tensor t) {
    return (x * 0 + t.view({-1, 1, 1, 1})).to(torch::kFloat);
  };
  auto const value = [&](auto time, denoiser::torch_options o = {}) {
    return call(denoiser::from_torch<prediction::eps>(echo, shape, time, o), q).front();
  };
  using denoiser::told;
  CHECK(value(told::t) == 0.5f);
  CHECK(value(told::timestep) == 123.0f);
  CHECK(value(told::lambda) == static_cast<float>(q.at.lambda));
  CHECK(value(told::sigma) == 0.8f);
  CHECK(value(told::edm_sigma) == static_cast<float>(0.8 / 0.6));
  CHECK(value([](level const& l) { return 1000 * l.t; }) == 500.0f);
  bool is_long = false;
  call(denoiser::from_torch<prediction::eps>(
           [&](Tensor x, Tensor t) {
             is_long = t.scalar_type() == torch::kLong;
             return x;
           },
           shape, told::timestep, {.time_type = torch::kLong}),
       q);
  CHECK(is_long);
}

TEST_CASE("what holds where the memory lies holds while the model is called, and no longer") {
  std::vector<float> x(features, 1.0f), out(features);
  auto const run = [&](auto const& d) {
    d(somewhere_else{}, batch_view<float const>{x.data(), 1, features}, query{},
      batch_view<float>{out.data(), 1, features});
  };
  int seen = 0;
  run(plain([&](Tensor in, Tensor t) {
    seen = places;
    CHECK(in.data_ptr() == x.data());
    CHECK(t.device() == in.device());
    return 2 * in;
  }));
  CHECK(seen == 1);
  CHECK(places == 0);
  CHECK(out == std::vector<float>(features, 2.0f));
  CHECK_THROWS_AS(run(plain([](Tensor, Tensor) -> Tensor { throw 42; })), int);
  CHECK(places == 0);
}

TEST_CASE("a learned variance doubles the channels") {
  auto const d = denoiser::from_torch<prediction::eps, 1, true>(
      [](Tensor x, Tensor) {
        return torch::cat({x, 2 * x}, 1);
      },
      shape);
  auto const out = call(d);
  CHECK(out[features - 1] == 1.0f);
  CHECK(out[features] == 2.0f);
  CHECK(out[2 * features] == 1.0f);
}

TEST_CASE("an answer that does not fit is refused, with what was found and expected") {
  auto const message = [](auto model) { return message_of([&] { call(plain(model)); }); };
  CHECK(contains(message([](Tensor x, Tensor) { return x.flatten(1); }),
                 "shape [3, 40], expected [3, 2, 4, 5]"));
  CHECK(contains(message([](Tensor x, Tensor) { return x.to(torch::kDouble); }),
                 "dtype double, expected float"));
  CHECK(contains(message([](Tensor, Tensor) { return Tensor(); }), "undefined tensor"));
  CHECK(contains(message([](Tensor x, Tensor) { return x.to(torch::kMeta); }),
                 "device meta, expected cpu"));
  auto const echo = plain([](Tensor x, Tensor) { return x; });
  CHECK(contains(message_of([&] { call(echo, {}, 2, 7); }),
                 "features = 7, must be 40, as shape [2, 4, 5] says"));
  CHECK_NOTHROW(call(echo, {}, 0));
  auto const labelled = [](denoiser::torch_options o) {
    return message_of([&] {
      call(denoiser::from_torch<prediction::eps, 2>(network, shape, denoiser::told::t, o));
    });
  };
  CHECK(contains(labelled({.labels = {{{1, 2}, 0}}}),
                 "last sample index = 2, must be below the number of labels, 2"));
  CHECK(contains(labelled({.labels = {{{}, 0}}}), "number of labels = 0"));
  CHECK(contains(labelled({}), "the model takes a label"));
  CHECK(contains(message_of([] {
                   denoiser::from_torch<prediction::eps>(script(), {3, 0});
                 }),
                 "shape of a sample = [3, 0]"));
}

TEST_CASE("what a model throws passes through unchanged") {
  CHECK_THROWS_AS(call(plain([](Tensor x, Tensor) { return torch::mm(x, x); })), c10::Error);
  CHECK_THROWS_AS(call(plain([](Tensor, Tensor) -> Tensor { throw 42; })), int);
  // A script that is given one argument too few says so itself.
  CHECK_THROWS_AS(call(plain(script())), c10::Error);
}

TEST_CASE("a LibTorch tensor is a view by DLPack, and a view is a tensor, in the same memory") {
  Tensor const t = torch::randn({batch, channels, height, width});
  DLManagedTensor* const borrowed = at::toDLPack(t);
  auto const view = dlpack::view_of<float>(borrowed->dl_tensor, dlpack::host);
  CHECK(view.data == t.data_ptr<float>());
  CHECK(view.batch == batch);
  CHECK(view.features == features);
  {
    Tensor const back = at::fromDLPack(
        dlpack::lend<DLManagedTensor>(view, {batch, channels, height, width}, dlpack::host));
    CHECK(back.data_ptr<float>() == view.data);
    CHECK(back.sizes() == t.sizes());
    CHECK(back.is_contiguous());
  }  // LibTorch gives the loan back; the memory stays
  CHECK(view.data[features] == t[1].flatten()[0].item<float>());
  borrowed->deleter(borrowed);

  DLManagedTensor* const turned = at::toDLPack(t.transpose(1, 2));
  CHECK_THROWS_AS(dlpack::view_of<float>(turned->dl_tensor, dlpack::host), error);
  turned->deleter(turned);
  DLManagedTensor* const bytes = at::toDLPack(t.to(torch::kBFloat16));
  CHECK_THROWS_AS(dlpack::view_of<std::uint16_t>(bytes->dl_tensor, dlpack::host), error);
  bytes->deleter(bytes);
}
