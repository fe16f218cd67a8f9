#include <diffx/denoiser/eigen/attention.hpp>
#include <diffx/denoiser/eigen/classifier.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/mlp.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/eigen/unet.hpp>
#include <diffx/exec/host.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <numbers>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace net = diffx::denoiser::eigen;
using diffx::batch_view;
using diffx::denoiser::labels;
using values = std::vector<float>;

std::string model(std::string const& name) {
  return std::string(DIFFX_EXAMPLES_DIR) + "/models/" + name + ".safetensors";
}

net::unet const& fashion_unet() {
  static net::unet const n(net::safetensors(model("fashion_unet")));
  return n;
}
net::classifier const& fashion_classifier() {
  static net::classifier const n(net::safetensors(model("fashion_classifier")));
  return n;
}

nlohmann::json parity() {
  std::ifstream file(std::string(DIFFX_TESTS_DIR) + "/data/fashion_parity.json");
  REQUIRE(file.good());
  return nlohmann::json::parse(file);
}

/// Every tensor pseudo-random, biases and norms included; sums of fan_in terms stay near 1.
struct arbitrary_weights {
  values tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const {
    if (shape.size() > 1) return net::random_weights(5, 0.8).tensor(name, shape);
    std::int64_t const n = *shape.begin();
    values v = net::random_weights(6, 0.5).tensor(std::string(name) + ".m", {n, 1});
    for (float& x : v) x = name.ends_with(".weight") ? 1.0f + 0.5f * x : 0.5f * x;
    return v;
  }
};

values wave(std::size_t count, double frequency) {
  values v(count);
  for (std::size_t i = 0; i < count; ++i) {
    v[i] = static_cast<float>(std::sin(frequency * static_cast<double>(i) + 0.3));
  }
  return v;
}

/// Samples spread over four threads: what exec::threads does, in the plainest way.
struct four_threads {
  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    std::vector<std::thread> workers;
    workers.reserve(4);
    for (int w = 0; w < 4; ++w) {
      workers.emplace_back([&, w] {
        for (std::int64_t i = w; i < batch; i += 4) op(i);
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
};

diffx::query at(double t, int branch = 0) {
  diffx::query q;
  q.at.t = t;
  q.at.lambda = -std::log(std::tan(0.5 * std::numbers::pi * t));  // what the U-Net is told by
  q.branch = branch;
  return q;
}

template <class Net, class Exec = diffx::exec::host>
values call(Net const& n, values const& x, std::int64_t features, diffx::query q,
            std::int64_t first_sample = 0, Exec const& exec = {}) {
  auto const batch = static_cast<std::int64_t>(x.size()) / features;
  values out(x.size(), std::nanf(""));
  n(exec, batch_view<float const>{x.data(), batch, features, first_sample}, q,
    batch_view<float>{out.data(), batch, features, first_sample});
  return out;
}

values rows(values const& v, std::int64_t features, std::int64_t first, std::int64_t count) {
  return values(v.begin() + first * features, v.begin() + (first + count) * features);
}

bool all_finite(values const& v) {
  for (float const x : v) {
    if (!std::isfinite(x)) return false;
  }
  return true;
}

/// What every network promises: one row's bits do not depend on batch, place or threads; double
/// views hold the same numbers; the outputs are finite; wrong shapes and labels are refused.
template <class Net>
void check_promises(Net const& n, std::int64_t features) {
  std::int64_t const batch = 35;
  values const x = wave(static_cast<std::size_t>(batch * features), 0.7);
  diffx::query const q = at(0.4);
  values const all = call(n, x, features, q);
  CHECK(all_finite(all));
  CHECK(all_finite(call(n, x, features, at(0.0))));
  CHECK(all_finite(call(n, x, features, at(1.0, 1))));
  CHECK(all == call(n, x, features, q, 0, four_threads{}));
  for (std::int64_t const first : {0, 1, 6, 33}) {
    for (std::int64_t const count : {1, 2}) {
      CAPTURE(first);
      CAPTURE(count);
      CHECK(rows(all, features, first, count) ==
            call(n, rows(x, features, first, count), features, q, first));
    }
  }
  std::vector<double> const wide(x.begin(), x.end());
  std::vector<double> out(wide.size());
  n(diffx::exec::host{}, batch_view<double const>{wide.data(), batch, features}, q,
    batch_view<double>{out.data(), batch, features});
  CHECK(values(out.begin(), out.end()) == all);
  CHECK(call(n, {}, features, q).empty());
  CHECK_THROWS_WITH_AS(call(n, values(static_cast<std::size_t>(features + 1)), features + 1, q),
                       doctest::Contains("features"), diffx::error);
  values small(static_cast<std::size_t>(features));
  CHECK_THROWS_WITH_AS(n(diffx::exec::host{}, batch_view<float const>{x.data(), 2, features}, q,
                         batch_view<float>{small.data(), 1, features}),
                       doctest::Contains("batch"), diffx::error);
}

double silu(double x) { return x / (1.0 + std::exp(-x)); }

/// The networks once more, as loops over double with the weights read by name.
struct plain {
  arbitrary_weights source;
  using row = std::vector<double>;

  row linear(std::string const& name, row const& x, std::size_t out) const {
    values const w = source.tensor(
        name + ".weight", {static_cast<std::int64_t>(out), static_cast<std::int64_t>(x.size())});
    values const b = source.tensor(name + ".bias", {static_cast<std::int64_t>(out)});
    row y(out);
    for (std::size_t o = 0; o < out; ++o) {
      y[o] = static_cast<double>(b[o]);
      for (std::size_t i = 0; i < x.size(); ++i) {
        y[o] += static_cast<double>(w[o * x.size() + i]) * x[i];
      }
    }
    return y;
  }

  row layer_norm(std::string const& name, row x) const {
    auto const n = static_cast<std::int64_t>(x.size());
    values const w = source.tensor(name + ".weight", {n}), b = source.tensor(name + ".bias", {n});
    double mean = 0.0, variance = 0.0;
    for (double const v : x) mean += v / static_cast<double>(n);
    for (double const v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(w[i]) +
             static_cast<double>(b[i]);
    }
    return x;
  }

  static row activated(row x) {
    for (double& v : x) v = silu(v);
    return x;
  }
  static row sum(row x, row const& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    return x;
  }

  row embed(double t, int label, int classes, std::size_t width) const {
    row e(64);
    for (std::size_t k = 0; k < 32; ++k) {
      double const angle = 1000.0 * t * std::pow(10000.0, -static_cast<double>(k) / 31.0);
      e[k] = std::sin(angle);
      e[k + 32] = std::cos(angle);
    }
    e = linear("time2", activated(linear("time1", e, width)), width);
    if (classes > 0) {
      values const table =
          source.tensor("classes.weight", {classes + 1, static_cast<std::int64_t>(width)});
      for (std::size_t i = 0; i < width; ++i) {
        e[i] += static_cast<double>(table[static_cast<std::size_t>(label) * width + i]);
      }
    }
    return activated(e);
  }

  row mlp(net::mlp_size size, row const& x, double t, int label) const {
    auto const hidden = static_cast<std::size_t>(size.hidden);
    row const e = embed(t, label, static_cast<int>(size.classes), hidden);
    row h = linear("in", x, hidden);
    for (std::int64_t i = 0; i < size.layers; ++i) {
      std::string const name = "layer." + std::to_string(i);
      row const a = sum(linear(name + ".a", h, hidden), linear(name + ".emb", e, hidden));
      h = sum(h, linear(name + ".b", activated(a), hidden));
    }
    return linear("out", activated(h), x.size());
  }

  row attention(net::attention_size size, row const& x, double t, int label) const {
    auto const tokens = static_cast<std::size_t>(size.tokens);
    auto const dim = static_cast<std::size_t>(size.dim);
    auto const width = static_cast<std::size_t>(size.width);
    auto const heads = static_cast<std::size_t>(size.heads);
    std::size_t const d = width / heads;
    row const e = embed(t, label, static_cast<int>(size.classes), width);
    values const position = source.tensor("position", {size.tokens, size.width});
    std::vector<row> h(tokens);
    for (std::size_t i = 0; i < tokens; ++i) {
      using offset = row::difference_type;
      h[i] = linear("in",
                    row(x.begin() + static_cast<offset>(i * dim),
                        x.begin() + static_cast<offset>((i + 1) * dim)),
                    width);
      for (std::size_t c = 0; c < width; ++c) {
        h[i][c] += static_cast<double>(position[i * width + c]);
      }
    }
    for (std::int64_t b = 0; b < size.blocks; ++b) {
      std::string const name = "block." + std::to_string(b);
      std::vector<row> qkv(tokens), mixed(tokens, row(width, 0.0));
      for (std::size_t i = 0; i < tokens; ++i) {
        row const n = sum(layer_norm(name + ".norm1", h[i]), linear(name + ".emb", e, width));
        qkv[i] = linear(name + ".qkv", n, 3 * width);
      }
      for (std::size_t head = 0; head < heads; ++head) {
        for (std::size_t i = 0; i < tokens; ++i) {
          row score(tokens, 0.0);
          double total = 0.0;
          for (std::size_t j = 0; j < tokens; ++j) {
            for (std::size_t c = head * d; c < (head + 1) * d; ++c) {
              score[j] += qkv[i][c] * qkv[j][width + c];
            }
            score[j] = std::exp(score[j] / std::sqrt(static_cast<double>(d)));
            total += score[j];
          }
          for (std::size_t j = 0; j < tokens; ++j) {
            for (std::size_t c = head * d; c < (head + 1) * d; ++c) {
              mixed[i][c] += score[j] / total * qkv[j][2 * width + c];
            }
          }
        }
      }
      for (std::size_t i = 0; i < tokens; ++i) {
        h[i] = sum(h[i], linear(name + ".proj", mixed[i], width));
        row const n = layer_norm(name + ".norm2", h[i]);
        h[i] = sum(h[i], linear(name + ".b", activated(linear(name + ".a", n, 2 * width)), width));
      }
    }
    row out;
    for (std::size_t i = 0; i < tokens; ++i) {
      row const y = linear("out", layer_norm("norm", h[i]), dim);
      out.insert(out.end(), y.begin(), y.end());
    }
    return out;
  }
};

/// The largest |a - b|, in units of 1 + |b|.
template <class A, class B>
double distance(A const& a, B const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto const x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    worst = std::max(worst, std::abs(x - y) / (1.0 + std::abs(y)));
  }
  return worst;
}

}  // namespace

TEST_CASE("unet and classifier agree with the torch networks that were trained") {
  // float32 sums in another order: some 1e-6 of the largest activations.
  double const tolerance = 1e-4;
  auto const reference = parity();
  net::unet const& unet = fashion_unet();
  net::classifier const& classifier = fashion_classifier();
  int j = 0;
  for (auto const& c : reference.at("cases")) {
    CAPTURE(j);
    values x(784);
    for (std::size_t i = 0; i < 784; ++i) {
      x[i] = static_cast<float>(std::cos(0.1 * (j + 1) * static_cast<double>(i) + 0.5 * j));
    }
    int const label = c.at("label").get<int>();
    bool const null = label == net::unet::classes;
    values const v = call(unet.with_labels(labels({null ? 0 : label})), x, 784,
                          at(c.at("t").get<double>(), null ? 1 : 0));
    values picked;
    for (auto const& p : reference.at("pixels")) picked.push_back(v[p.get<std::size_t>()]);
    CHECK(distance(picked, c.at("v").get<values>()) < tolerance);
    double mean = 0.0, square = 0.0;
    for (float const y : v) {
      mean += static_cast<double>(y) / 784.0;
      square += static_cast<double>(y) * static_cast<double>(y) / 784.0;
    }
    CHECK(std::abs(mean - c.at("v_mean").get<double>()) < tolerance);
    CHECK(std::abs(square - c.at("v_mean_square").get<double>()) < tolerance);

    values feature(64), logit(10);
    classifier.features(diffx::exec::host{}, batch_view<float const>{x.data(), 1, 784},
                        batch_view<float>{feature.data(), 1, 64});
    classifier.logits(diffx::exec::host{}, batch_view<float const>{x.data(), 1, 784},
                      batch_view<float>{logit.data(), 1, 10});
    CHECK(distance(feature, c.at("feature").get<values>()) < tolerance);
    CHECK(distance(logit, c.at("logits").get<values>()) < tolerance);
    ++j;
  }
  CHECK(j == 2);
}

TEST_CASE("unet: a row does not depend on its batch, and bad calls are refused") {
  std::vector<int> classes(35);
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<int>(i % 10);
  net::unet const unet = fashion_unet().with_labels(labels(classes));
  check_promises(unet, 784);
  values const x = wave(784, 0.1);
  CHECK_THROWS_AS(call(unet, x, 784, at(0.5), 35), diffx::error);
  CHECK_THROWS_WITH_AS(call(fashion_unet().with_labels(labels({10 + 1})), x, 784, at(0.5)),
                       doctest::Contains("class of a sample"), diffx::error);
}

TEST_CASE("unet: labels choose the class, every other branch is the null class") {
  values const x = wave(784, 0.1);
  net::unet const& unlabelled = fashion_unet();
  net::unet const three = unlabelled.with_labels(labels({3}));
  values const null = call(unlabelled, x, 784, at(0.5));
  CHECK(call(three, x, 784, at(0.5, 1)) == null);
  CHECK(call(three, x, 784, at(0.5, 2)) == null);
  CHECK(call(unlabelled.with_labels(labels({diffx::denoiser::every_class})), x, 784, at(0.5)) ==
        null);
  CHECK(call(three, x, 784, at(0.5)) != null);
  CHECK(call(unlabelled.with_labels(labels({4, 3})), x, 784, at(0.5), 1) ==
        call(three, x, 784, at(0.5)));
}

TEST_CASE("unet: the shallow parts around a kept deep output repeat the whole") {
  std::int64_t const batch = 6, width = net::unet::deep_features;
  values const x = wave(static_cast<std::size_t>(batch * 784), 0.3);
  net::unet const unet = fashion_unet().with_labels(labels({8}));
  diffx::exec::host const exec;
  values const whole = call(unet, x, 784, at(0.7));
  values deep(static_cast<std::size_t>(batch * width)), full(whole.size()), shallow(whole.size());
  batch_view<float const> const in{x.data(), batch, 784};
  batch_view<float> const kept{deep.data(), batch, width};
  batch_view<float const> const cached{deep.data(), batch, width};
  unet.full(exec, in, at(0.7), kept, batch_view<float>{full.data(), batch, 784});
  CHECK(full == whole);
  unet.shallow(exec, in, at(0.7), cached, batch_view<float>{shallow.data(), batch, 784});
  CHECK(shallow == whole);

  // A little later the kept features are a little wrong, and less than the change itself.
  values const later = call(unet, x, 784, at(0.68));
  unet.shallow(exec, in, at(0.68), cached, batch_view<float>{shallow.data(), batch, 784});
  CHECK(shallow != later);
  CHECK(distance(shallow, later) < 0.5);
  CHECK_THROWS_WITH_AS(unet.full(exec, in, at(0.7), batch_view<float>{deep.data(), batch, 784},
                                 batch_view<float>{full.data(), batch, 784}),
                       doctest::Contains("features"), diffx::error);
}

TEST_CASE("unet: weights of another network are refused by name and shape") {
  net::safetensors const other(model("fashion_classifier"));
  CHECK_THROWS_WITH_AS(net::unet{other}, doctest::Contains("'time1.weight'"), diffx::error);
  net::safetensors const right(model("fashion_unet"));
  CHECK_THROWS_WITH_AS((net::mlp<diffx::prediction::v>({784, 64, 1, 0}, right)),
                       doctest::Contains("[128, 64], must be [64, 64]"), diffx::error);
  CHECK(right.has_metadata("prediction"));
  CHECK(right.has_metadata("source"));
  CHECK(right.has_metadata("licence"));
}

TEST_CASE("classifier: the stored statistics fit its features") {
  net::safetensors const file(model("fashion_features"));
  auto const mean = file.tensor("mean", {64});
  auto const cov = file.tensor("cov", {64, 64});
  for (std::size_t i = 0; i < 64; ++i) {
    CHECK(std::isfinite(mean[i]));
    CHECK(cov[i * 64 + i] > 0.0f);
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(cov[i * 64 + j] == doctest::Approx(cov[j * 64 + i]).epsilon(1e-4));
      CHECK(cov[i * 64 + j] * cov[i * 64 + j] <= cov[i * 64 + i] * cov[j * 64 + j]);
    }
  }
}

TEST_CASE("classifier: rows are independent of the batch") {
  std::int64_t const batch = 7;
  values const x = wave(static_cast<std::size_t>(batch * 784), 0.05);
  values all(static_cast<std::size_t>(batch) * 64), one(64);
  auto const& classifier = fashion_classifier();
  classifier.features(four_threads{}, batch_view<float const>{x.data(), batch, 784},
                      batch_view<float>{all.data(), batch, 64});
  for (std::int64_t i = 0; i < batch; ++i) {
    classifier.features(diffx::exec::host{}, batch_view<float const>{x.data() + i * 784, 1, 784},
                        batch_view<float>{one.data(), 1, 64});
    CHECK(one == rows(all, 64, i, 1));
  }
  CHECK_THROWS_WITH_AS(
      classifier.logits(diffx::exec::host{}, batch_view<float const>{x.data(), 1, 784},
                        batch_view<float>{one.data(), 1, 64}),
      doctest::Contains("features"), diffx::error);
}

TEST_CASE("mlp equals the same network as plain loops") {
  for (std::int64_t const classes : {0, 3}) {
    net::mlp_size const size{5, 24, 2, classes};
    net::mlp<diffx::prediction::v> const mlp(size, arbitrary_weights{}, labels({2}));
    values const x = wave(5, 1.3);
    std::vector<double> const wide(x.begin(), x.end());
    for (int const branch : {0, 1}) {
      int const label = branch == 0 ? 2 : 3;
      CHECK(distance(call(mlp, x, 5, at(0.37, branch)), plain{}.mlp(size, wide, 0.37, label)) <
            1e-5);
    }
  }
  check_promises(net::mlp<diffx::prediction::v>({5, 24, 2, 0}, net::random_weights(1)), 5);
  check_promises(net::mlp<diffx::prediction::v>({1, 7, 0, 0}, net::random_weights(1)), 1);
}

TEST_CASE("attention equals the same network as plain loops") {
  for (std::int64_t const classes : {0, 3}) {
    net::attention_size const size{7, 3, 24, 4, 2, classes};
    net::attention<diffx::prediction::v> const attention(size, arbitrary_weights{}, labels({2}));
    values const x = wave(21, 1.3);
    std::vector<double> const wide(x.begin(), x.end());
    for (int const branch : {0, 1}) {
      int const label = branch == 0 ? 2 : 3;
      CHECK(distance(call(attention, x, 21, at(0.37, branch)),
                     plain{}.attention(size, wide, 0.37, label)) < 1e-5);
    }
  }
  check_promises(net::attention<diffx::prediction::v>({7, 3, 24, 4, 2, 0}, net::random_weights(1)),
                 21);
  check_promises(net::attention<diffx::prediction::v>({1, 1, 4, 1, 1, 0}, net::random_weights(1)),
                 1);
}

TEST_CASE("mlp and attention refuse bad sizes and unknown classes") {
  net::random_weights const w(1);
  using mlp = net::mlp<diffx::prediction::v>;
  using attention = net::attention<diffx::prediction::v>;
  CHECK_THROWS_WITH_AS((mlp({0, 8, 1, 0}, w)), doctest::Contains("features = 0"), diffx::error);
  CHECK_THROWS_WITH_AS((mlp({2, 8, -1, 0}, w)), doctest::Contains("layers = -1"), diffx::error);
  CHECK_THROWS_WITH_AS((attention({2, 2, 10, 4, 1, 0}, w)), doctest::Contains("width = 10"),
                       diffx::error);
  CHECK_THROWS_WITH_AS((attention({2, 0, 8, 4, 1, 0}, w)), doctest::Contains("dim = 0"),
                       diffx::error);
  CHECK_THROWS_AS(call(mlp({2, 8, 1, 3}, w, labels({4})), {1, 2}, 2, at(0.5)), diffx::error);
  CHECK_THROWS_AS(call(attention({1, 2, 8, 4, 1, 3}, w, labels({4})), {1, 2}, 2, at(0.5)),
                  diffx::error);
}

TEST_CASE("random weights depend on seed and name alone") {
  auto const a = net::random_weights(1).tensor("a.weight", {4, 8});
  CHECK(a == net::random_weights(1).tensor("a.weight", {4, 8}));
  CHECK(a != net::random_weights(2).tensor("a.weight", {4, 8}));
  CHECK(a != net::random_weights(1).tensor("b.weight", {4, 8}));
  for (float const v : a) CHECK(std::abs(v) <= std::sqrt(3.0f / 8.0f));
  CHECK(net::random_weights(1).tensor("n.weight", {3}) == values{1, 1, 1});
  CHECK(net::random_weights(1).tensor("n.bias", {3}) == values{0, 0, 0});
}

TEST_CASE("conv3x3 equals the definition, with stride 1 and 2, for even and odd sides") {
  arbitrary_weights const source;
  net::buffer windows;
  for (net::index const stride : {1, 2}) {
    for (net::index const size : {1, 2, 5, 6, 28}) {
      net::index const in = 3, out = 5, images = 3;
      net::conv3x3 const conv(source, "c", in, out, stride);
      net::index const small = conv.out_size(size);
      CHECK(small == (stride == 1 ? size : (size + 1) / 2));
      values const x = wave(static_cast<std::size_t>(images * size * size * in), 0.9);
      values y(static_cast<std::size_t>(images * small * small * out));
      conv(x.data(), images, size, y.data(), windows);
      values const w = source.tensor("c.weight", {out, in, 3, 3});
      values const b = source.tensor("c.bias", {out});
      double worst = 0.0;
      for (net::index n = 0; n < images; ++n) {
        for (net::index oy = 0; oy < small; ++oy) {
          for (net::index ox = 0; ox < small; ++ox) {
            for (net::index o = 0; o < out; ++o) {
              double sum = static_cast<double>(b[static_cast<std::size_t>(o)]);
              for (net::index ky = 0; ky < 3; ++ky) {
                for (net::index kx = 0; kx < 3; ++kx) {
                  net::index const iy = oy * stride + ky - 1, ix = ox * stride + kx - 1;
                  if (iy < 0 || ix < 0 || iy >= size || ix >= size) continue;
                  for (net::index c = 0; c < in; ++c) {
                    auto const at_w = static_cast<std::size_t>(((o * in + c) * 3 + ky) * 3 + kx);
                    auto const at_x =
                        static_cast<std::size_t>(((n * size + iy) * size + ix) * in + c);
                    sum += static_cast<double>(w[at_w]) * static_cast<double>(x[at_x]);
                  }
                }
              }
              auto const at_y = static_cast<std::size_t>(((n * small + oy) * small + ox) * out + o);
              worst = std::max(worst, std::abs(static_cast<double>(y[at_y]) - sum));
            }
          }
        }
      }
      CAPTURE(stride);
      CAPTURE(size);
      CHECK(worst < 1e-5);
    }
  }
}

TEST_CASE("group_norm: groups of every image have mean 0 and variance 1") {
  net::random_weights const identity(1);  // scale 1, shift 0
  net::index const channels = 16, groups = 8, images = 2, pixels = 9;
  net::group_norm const norm(identity, "n", channels, groups);
  values x = wave(static_cast<std::size_t>(channels * pixels * images), 0.77);
  for (float& v : x) v = 3.0f * v + 5.0f;
  values y(x.size());
  norm.apply<false>(x.data(), images, pixels, y.data());
  for (net::index n = 0; n < images; ++n) {
    for (net::index g = 0; g < groups; ++g) {
      double mean = 0.0, square = 0.0;
      for (net::index p = 0; p < pixels; ++p) {
        for (net::index c = 0; c < 2; ++c) {
          auto const v = static_cast<double>(
              y[static_cast<std::size_t>((n * pixels + p) * channels + g * 2 + c)]);
          mean += v / 18.0;
          square += v * v / 18.0;
        }
      }
      CHECK(std::abs(mean) < 1e-5);
      CHECK(std::abs(square - 1.0) < 1e-3);
    }
  }
  values z(x.size());
  norm.apply<true>(x.data(), images, pixels, z.data());
  for (std::size_t i = 0; i < z.size(); ++i) {
    CHECK(static_cast<double>(z[i]) ==
          doctest::Approx(silu(static_cast<double>(y[i]))).epsilon(1e-5));
  }
  // Wherever the values lie, and in place, the bits are the same.
  for (std::size_t offset = 0; offset < 16; ++offset) {
    values moved(offset + x.size());
    std::copy(x.begin(), x.end(), moved.begin() + static_cast<std::ptrdiff_t>(offset));
    norm.apply<true>(moved.data() + offset, images, pixels, moved.data() + offset);
    CAPTURE(offset);
    CHECK(std::equal(z.begin(), z.end(), moved.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
  CHECK_THROWS_WITH_AS((net::group_norm(identity, "n", 12, 8)), doctest::Contains("channels"),
                       diffx::error);
}

TEST_CASE("upsample2 repeats pixels, concatenate stacks channels") {
  values const x{1, 2, 3, 4, 5, 6, 7, 8};  // 2 x 2 pixels of 2 channels
  values y(32);
  net::upsample2(x.data(), 1, 2, 2, y.data());
  CHECK(y == values{1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4,
                    5, 6, 5, 6, 7, 8, 7, 8, 5, 6, 5, 6, 7, 8, 7, 8});
  values const a{1, 2, 3, 4}, b{5, 6};
  values joined(6);
  net::concatenate(a.data(), 2, b.data(), 1, 2, joined.data());
  CHECK(joined == values{1, 2, 5, 3, 4, 6});
}
