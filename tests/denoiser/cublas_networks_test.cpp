// The networks of denoiser/cublas on the host: the numbers of the Eigen networks, and what they
// refuse. What the same code asks of cuBLAS is tested in tests/cuda.

#include <diffx/denoiser/cublas/mlp.hpp>
#include <diffx/denoiser/cublas/transformer.hpp>
#include <diffx/denoiser/cublas/unet.hpp>
#include <diffx/denoiser/eigen/mlp.hpp>
#include <diffx/denoiser/eigen/random_weights.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/denoiser/eigen/unet.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/prediction/eps.hpp>

#include "../support/host_products.hpp"
#include "../support/thread_team.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace test {
std::int64_t allocations_made();  // of this program: eigen_transformer_test.cpp
}

namespace {

namespace host = diffx::denoiser::eigen;
namespace blas = diffx::denoiser::cublas;
using diffx::batch_view;
using diffx::denoiser::labels;
using values = std::vector<float>;
using eps = diffx::prediction::eps;
using backend = test::host_products;

/// Every tensor pseudo-random, biases and norms included; sums of fan_in terms stay near 1.
struct arbitrary_weights {
  values tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const {
    if (shape.size() > 1) return host::random_weights(5, 0.8).tensor(name, shape);
    std::int64_t const n = *shape.begin();
    values v = host::random_weights(6, 0.5).tensor(std::string(name) + ".m", {n, 1});
    for (float& x : v) x = name.ends_with(".weight") ? 1.0f + 0.5f * x : 0.5f * x;
    return v;
  }
};

host::safetensors model(std::string const& name) {
  return host::safetensors(std::string(DIFFX_EXAMPLES_DIR) + "/models/" + name + ".safetensors");
}

values wave(std::int64_t count) {
  values v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i) + 0.3));
  }
  return v;
}

std::vector<std::int32_t> tokens(std::int64_t count, std::int64_t classes) {
  std::vector<std::int32_t> x(static_cast<std::size_t>(count));
  std::uint32_t state = 12345;
  for (auto& token : x) {
    state = state * 1664525u + 1013904223u;
    token = static_cast<std::int32_t>((state >> 16) % static_cast<std::uint32_t>(classes));
  }
  return x;
}

diffx::query at(double t, int branch = 0) {
  diffx::query q;
  q.at.t = t;
  q.at.lambda = -std::log(std::tan(1.5707963267948966 * t));
  q.branch = branch;
  return q;
}

template <class Net, class In>
values call(Net const& n, std::vector<In> const& x, std::int64_t features,
            std::int64_t out_features, diffx::query const& q, std::int64_t first_sample = 0) {
  auto const batch = static_cast<std::int64_t>(x.size()) / features;
  values out(static_cast<std::size_t>(batch * out_features), std::nanf(""));
  n(diffx::exec::host{}, batch_view<In const>{x.data(), batch, features, first_sample}, q,
    batch_view<float>{out.data(), batch, out_features, first_sample});
  return out;
}

/// The largest difference as a share of the largest value; NaN counts as infinite.
double distance(values const& a, values const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = d > worst || std::isnan(d) ? d : worst;
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return std::isnan(worst) ? std::numeric_limits<double>::infinity() : worst / largest;
}

/// A sum of n terms in another order differs by about sqrt(n) roundings, each of 6e-8 of a value of
/// the size of the sum, and the differences of layers in a row add up like independent ones. So
/// networks of `layers` products in a row of at most `terms` each agree within
///
///     4 sqrt(layers terms) 6e-8
///
/// of the largest output, 4 being for the worst of all outputs.
double tolerance(double layers, double terms) { return 4.0 * std::sqrt(layers * terms) * 6e-8; }

template <class F>
std::string message_of(F const& f) {
  try {
    f();
  } catch (diffx::error const& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("the perceptron has the numbers of the Eigen network") {
  for (std::int64_t const classes : {0, 5}) {
    for (std::int64_t const layers : {0, 1, 3}) {
      CAPTURE(classes);
      CAPTURE(layers);
      host::mlp_size const size{.features = 7, .hidden = 24, .layers = layers, .classes = classes};
      labels const wanted({4, 0, 2, -1, 1, 3, 3, 2, 1, 0, 4, 4, 2, 2, -1, 0, 1, 2, 3, 4});
      host::mlp<eps> const expected(size, arbitrary_weights{}, wanted);
      blas::mlp const got(backend{}, size, arbitrary_weights{}, 17, wanted, eps{});
      for (std::int64_t const batch : {1, 3, 17}) {
        for (int const branch : {0, 1}) {
          for (double const t : {0.0, 0.37, 1.0}) {
            values const x = wave(batch * 7);
            double const d = distance(call(got, x, 7, 7, at(t, branch), 2),
                                      call(expected, x, 7, 7, at(t, branch), 2));
            CHECK(d <= tolerance(static_cast<double>(4 + 2 * layers), 64.0));
          }
        }
      }
    }
  }
}

TEST_CASE("the U-Net has the numbers of the Eigen network, whole and around a kept deep part") {
  auto const file = model("fashion_unet");
  labels const wanted({3, 9, 0, -1, 5, 5, 1, 2, 4, 6, 7, 8, 9, 0, 1, 2, 3});
  host::unet const expected(file, wanted);
  blas::unet const got(backend{}, file, 17, wanted);
  // in_conv, three blocks of two convolutions on the way down, attention of four products, two
  // blocks and two convolutions on the way up, out_conv; the embedding. Widest: 9 x 256.
  double const near = tolerance(24.0, 2304.0);
  for (std::int64_t const batch : {1, 3, 17}) {
    values const x = wave(batch * 784);
    for (int const branch : {0, 1}) {
      double const d = distance(call(got, x, 784, 784, at(0.4, branch)),
                                call(expected, x, 784, 784, at(0.4, branch)));
      CAPTURE(d);
      CHECK(d <= near);
    }
  }
  std::int64_t const batch = 3, deep_features = blas::unet<backend>::deep_features;
  values const x = wave(batch * 784), later = wave(batch * 784 + 5);
  batch_view<float const> const view{x.data(), batch, 784}, next{later.data() + 5, batch, 784};
  auto const kept_and_used = [&](auto const& net) {
    values deep(static_cast<std::size_t>(batch * deep_features)), out(x.size()), again(x.size());
    batch_view<float> const kept{deep.data(), batch, deep_features};
    net.full(diffx::exec::host{}, view, at(0.4), kept, batch_view<float>{out.data(), batch, 784});
    net.shallow(diffx::exec::host{}, next, at(0.35),
                batch_view<float const>{deep.data(), batch, deep_features},
                batch_view<float>{again.data(), batch, 784});
    CHECK(out == call(net, x, 784, 784, at(0.4)));
    deep.insert(deep.end(), again.begin(), again.end());
    return deep;
  };
  CHECK(distance(kept_and_used(got), kept_and_used(expected)) <= near);
  // Other labels, the same weights.
  CHECK(distance(call(got.with_labels(labels({7})), x, 784, 784, at(0.4)),
                 call(expected.with_labels(labels({7})), x, 784, 784, at(0.4))) <= near);
}

TEST_CASE("the transformer has the logits of the Eigen network: all seen, blocks, told the time") {
  // token, six layers of six products, out; widest: 4 x 128, or as many positions.
  double const near = tolerance(38.0, 512.0);
  auto const compare = [&](auto const& got, auto const& expected, std::int64_t positions) {
    for (std::int64_t const batch : {1, 3, 17}) {
      auto const x = tokens(batch * positions, 128);
      double const d = distance(call(got, x, positions, positions * 128, at(0.4)),
                                call(expected, x, positions, positions * 128, at(0.4)));
      CAPTURE(d);
      CHECK(d <= near);
    }
  };
  for (char const* const name : {"kjv_masked", "kjv_blocks"}) {
    CAPTURE(name);
    auto const file = model(name);
    // 40 positions end within a block of 16.
    compare(blas::transformer<backend>(backend{}, host::transformer_size_of(file), file, 40, 17),
            host::transformer(file), 40);
  }
  auto const file = model("kjv_uniform");
  compare(
      blas::timed_transformer<backend>(backend{}, host::transformer_size_of(file), file, 19, 17),
      host::timed_transformer(file), 19);
}

TEST_CASE("a transformer of other sizes, and tokens that are no class") {
  host::transformer_size const size{
      .classes = 11, .width = 24, .heads = 3, .layers = 2, .block_length = 4};
  host::transformer const expected(size, arbitrary_weights{});
  blas::transformer<backend> const got(backend{}, size, arbitrary_weights{}, 9, 2);
  auto x = tokens(18, 11);
  values const clean = call(got, x, 9, 99, at(0.4));
  CHECK(distance(clean, call(expected, x, 9, 99, at(0.4))) <= tolerance(14.0, 96.0));
  for (std::int32_t const wrong : {-1, 11}) {
    x[5] = wrong;  // of the first sample
    values const out = call(got, x, 9, 99, at(0.4));
    CHECK(std::all_of(out.begin(), out.begin() + 99, [](float v) { return std::isnan(v); }));
    CHECK(std::equal(out.begin() + 99, out.end(), clean.begin() + 99));
  }
}

namespace {

/// An executor whose rows are worked on by a team, as those of a device are.
struct teams {
  int threads;

  template <class Op>
  void for_each_row(std::int64_t rows, Op const& op) const {
    typename Op::tables_type tables;
    test::by_team(threads, [&](test::thread_team const& team) {
      for (std::int64_t i = 0; i < rows; ++i) op(i, team, tables);
    });
  }
};

template <bool Silu, bool Whole, class Exec>
values normalised(Exec const& exec, std::int64_t samples, int columns) {
  constexpr int channels = 24, groups = 2;
  values x = wave(samples * channels * columns), y(x.size(), std::nanf(""));
  values const scale = wave(channels), shift = wave(channels);
  blas::for_each_row(exec, samples * groups,
                     blas::norm_op<Silu, Whole>{x.data(), y.data(), scale.data(), shift.data(),
                                                channels, groups, columns});
  return y;
}

template <class Exec>
values softened(Exec const& exec, std::int64_t samples, int tokens_of_one, int block_length) {
  values s = wave(samples * tokens_of_one * tokens_of_one);
  for (float& v : s) v *= 20.0f;
  blas::for_each_row(exec, samples * tokens_of_one,
                     blas::softmax_op{s.data(), 0.7f, tokens_of_one, block_length});
  return s;
}

}  // namespace

TEST_CASE("a team of threads has the rows of one thread: long ones together, short ones apart") {
  diffx::exec::host const alone;
  for (int const threads : {16, 32, 256}) {
    CAPTURE(threads);
    teams const team{threads};
    for (std::int64_t const samples : {1, 19}) {  // rows that fill the last team, and do not
      for (int const columns : {1, 7, 49}) {
        values const want = normalised<true, true>(alone, samples, columns);
        CHECK(want == normalised<true, false>(alone, samples, columns));
        CHECK(distance(normalised<true, true>(team, samples, columns), want) < 2e-6);
        CHECK(distance(normalised<true, false>(team, samples, columns), want) < 2e-6);
      }
      for (int const block_length : {0, 4}) {
        values const want = softened(alone, samples, 18, block_length);
        CHECK(distance(softened(team, samples, 18, block_length), want) < 2e-6);
      }
    }
  }
  // What is not seen weighs 0, and every row is a distribution.
  values const w = softened(alone, 1, 6, 4);
  for (std::size_t i = 0; i < 6; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 6; ++j) {
      sum += static_cast<double>(w[i * 6 + j]);
      CHECK((w[i * 6 + j] == 0.0f) == (i < 4 && j >= 4));
    }
    CHECK(std::abs(sum - 1.0) < 1e-6);
  }
}

TEST_CASE("a call allocates nothing, and says what the network has allocated") {
  host::mlp_size const size{.features = 7, .hidden = 24, .layers = 2, .classes = 5};
  blas::mlp const net(backend{}, size, arbitrary_weights{}, 4, labels({1}), eps{});
  values const x = wave(28);
  values out(28);
  batch_view<float const> const in{x.data(), 4, 7};
  batch_view<float> const result{out.data(), 4, 7};
  diffx::query const q = at(0.3);
  // Of the room: 64 + 2 x 24 features of the time, three times 4 x 24; the tables are padded.
  CHECK(net.bytes() >= 4 * (64 + 48 + 3 * 96 + 7 * 24 + 24 + 24 * 7 + 7));
  net(diffx::exec::host{}, in, q, result);
  std::int64_t const before = test::allocations_made();
  net(diffx::exec::host{}, in, q, result);
  CHECK(test::allocations_made() == before);
}

TEST_CASE("what does not fit is refused, with what it is called and what it must be") {
  using doctest::Contains;
  host::mlp_size const size{.features = 7, .hidden = 24, .layers = 1, .classes = 5};
  blas::mlp const net(backend{}, size, arbitrary_weights{}, 4, labels({1, 2, 3}), eps{});
  auto const with = [&](std::int64_t batch, std::int64_t features, std::int64_t out_batch,
                        std::int64_t out_features, std::int64_t first = 0) {
    return message_of([&] {
      values const x(100);
      values out(100);
      net(diffx::exec::host{}, batch_view<float const>{x.data(), batch, features, first}, at(0.4),
          batch_view<float>{out.data(), out_batch, out_features, first});
    });
  };
  CHECK(with(3, 7, 3, 7) == "nothing was thrown");
  CHECK(with(0, 7, 0, 7, 9) == "nothing was thrown");
  CHECK(with(3, 8, 3, 7) == "diffx::denoiser::cublas::mlp: features = 8, must be 7");
  CHECK(with(3, 7, 3, 8) == "diffx::denoiser::cublas::mlp: features of the output = 8, must be 7");
  CHECK(with(3, 7, 2, 7) ==
        "diffx::denoiser::cublas::mlp: batch of the output = 2, must be 3 as the input's");
  CHECK(with(5, 7, 5, 7) ==
        "diffx::denoiser::cublas::mlp: batch = 5, must be at most 4, for which the network has "
        "memory");
  CHECK(with(3, 7, 3, 7, 1) ==
        "diffx::denoiser::labels: sample index = 3, must be below the number of labels");
  auto const made = [&](host::mlp_size s, std::int64_t batch, labels l = {}) {
    return message_of(
        [&] { static_cast<void>(blas::mlp(backend{}, s, arbitrary_weights{}, batch, l, eps{})); });
  };
  CHECK(made(size, 0) == "diffx::denoiser::cublas::mlp: max_batch = 0, must be at least 1");
  CHECK(made({.features = 0}, 1) ==
        "diffx::denoiser::cublas::mlp: features = 0, must be at least 1");
  CHECK(made(size, 1, labels({5})) ==
        "diffx::denoiser::cublas::mlp: class of a sample = 5, must be every_class or from 0 to 4");

  auto const text = [](host::transformer_size s, std::int64_t positions, double t = 0.4) {
    return message_of([&] {
      blas::timed_transformer<backend> const n(backend{}, s, arbitrary_weights{}, positions, 1);
      call(n, tokens(3, 11), 3, 33, at(t));
    });
  };
  host::transformer_size const small{.classes = 11, .width = 24, .heads = 3, .layers = 1};
  CHECK(text(small, 3) == "nothing was thrown");
  CHECK(text(small, 4) == "diffx::denoiser::cublas::transformer: features = 3, must be 4");
  CHECK(text(small, 0) ==
        "diffx::denoiser::cublas::transformer: positions = 0, must be at least 1");
  CHECK(text(small, 3, std::nan("")) ==
        "diffx::denoiser::cublas::transformer: t = nan, must be finite");
  auto changed = small;
  changed.heads = 5;
  CHECK(text(changed, 3) ==
        "diffx::denoiser::cublas::transformer: width = 24, must be a multiple of 2 heads");
  changed = small;
  changed.block_length = 2;
  changed.decoder_layers = 1;
  CHECK(text(changed, 3) ==
        "diffx::denoiser::cublas::transformer: decoder_layers = 1, must be 0: "
        "denoiser::eigen::transformer has a decoder");

  auto const deep = message_of([&] {
    blas::unet const n(backend{}, arbitrary_weights{}, 1);
    values const x(784), kept(100);
    values out(784);
    n.shallow(diffx::exec::host{}, batch_view<float const>{x.data(), 1, 784}, at(0.4),
              batch_view<float const>{kept.data(), 1, 100}, batch_view<float>{out.data(), 1, 784});
  });
  CHECK(deep == "diffx::denoiser::cublas::unet: features of the deep output = 100, must be 12544");
}
