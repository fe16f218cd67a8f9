#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/eigen/sizes.hpp>
#include <diffx/denoiser/labels.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

/// A residual multilayer perceptron over rows, told the time and, if it has classes, a label.
///
///     e   = embedding of time and label
///     h   = in(x)
///     h  += layer_i.b(silu(layer_i.a(h) + layer_i.emb(e)))        i = 0 ... layers - 1
///     out = out(silu(h))
///
/// Tensors: layer.<i>.{a, b, emb} [hidden, hidden], in [hidden, features], out [features, hidden],
/// each with .weight and .bias, and those of the embedding.
///
/// Shapes    x, out [batch, features]; t = q.at.t.
/// Requires  host memory; one object may be called from several threads. A row's result does not
///           depend on the batch around it.
/// Errors    sizes below 1, a tensor of another shape, a view of another width or batch, a sample
///           without a label: throws diffx::error.
template <prediction_policy Prediction>
class mlp {
 public:
  Prediction prediction{};
  static constexpr int branches = 2;

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  mlp(mlp_size size, Source const& source, denoiser::labels wanted = {}, Prediction predicted = {})
      : prediction(predicted),
        net_(std::make_shared<network>(checked(size, "diffx::denoiser::eigen::mlp"), source)),
        labels_(std::move(wanted)) {}

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    constexpr auto where = "diffx::denoiser::eigen::mlp";
    network const& net = *net_;
    detail::require_features(x, net.size.features, where);
    detail::require_features(out, net.size.features, where);
    diffx::detail::require(x.batch == out.batch, where, "batch of the output",
                           static_cast<long long>(out.batch), "the batch of the input");
    detail::for_each_tile<tile>(
        exec, x.batch, net.pool, [&](scratch& s, std::int64_t first, index rows) {
          auto const emb =
              net.told(s.told, q.at.t, labels_, q.branch, x.first_sample + first, rows, tile);
          index const width = net.size.features;
          matrix_map input = s.x.get(width, tile);
          input.setZero();
          std::transform(x.row(first), x.row(first) + rows * width, input.data(),
                         [](T value) { return static_cast<float>(value); });
          net.forward(s, emb, input);
          std::transform(input.data(), input.data() + rows * width, out.row(first),
                         [](float value) { return static_cast<T>(value); });
        });
  }

 private:
  static constexpr int tile = 16;  // rows that go through the layers together

  struct scratch {
    embedding::scratch told;
    buffer x, h, a;
  };

  struct layer {
    template <class Source>
    layer(Source const& s, std::string const& name, index hidden)
        : a(s, name + ".a", hidden, hidden),
          b(s, name + ".b", hidden, hidden),
          emb(s, name + ".emb", hidden, hidden) {}
    linear a, b, emb;
  };

  struct network {
    template <class Source>
    network(mlp_size sizes, Source const& s)
        : size(sizes),
          told(s, sizes.hidden, sizes.classes, "diffx::denoiser::eigen::mlp"),
          in(s, "in", sizes.features, sizes.hidden),
          out(s, "out", sizes.hidden, sizes.features) {
      for (std::int64_t i = 0; i < size.layers; ++i) {
        layers.emplace_back(s, "layer." + std::to_string(i), size.hidden);
      }
    }

    void forward(scratch& s, const_matrix_map const& emb, matrix_map& x) const {
      matrix_map h = s.h.get(size.hidden, tile);
      matrix_map a = s.a.get(size.hidden, tile);
      in(x, h);
      for (layer const& l : layers) {
        l.a(h, a);
        l.emb.add(emb, a);
        silu(a.array());
        l.b.add(a, h);
      }
      silu(h.array());
      out(h, x);
    }

    mlp_size size;
    embedding told;
    linear in;
    std::vector<layer> layers;
    linear out;
    mutable scratch_pool<scratch> pool;
  };

  std::shared_ptr<network const> net_;
  denoiser::labels labels_;
};

}  // namespace diffx::denoiser::eigen
