#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/cublas/layers.hpp>
#include <diffx/denoiser/eigen/sizes.hpp>
#include <diffx/denoiser/labels.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::denoiser::cublas {

/// The network of denoiser::eigen::mlp, with its tensors, on a device:
///
///     e   = embedding of time and label
///     h   = in(x)
///     h  += layer_i.b(silu(layer_i.a(h) + layer_i.emb(e)))        i = 0 ... layers - 1
///     out = out(silu(h))
///
/// Numbers are float. They agree with those of the Eigen network but for the rounding of sums.
///
/// Shapes    x, out [batch <= max_batch, features]; t = q.at.t.
/// Memory    weights and room for max_batch rows, `bytes()` together, allocated at construction; a
///           call enqueues and allocates nothing, so a graph can record it.
/// Requires  views in memory that the backend reaches. An object and its copies share their room:
///           one stream at a time.
/// Errors    sizes or max_batch below 1, a tensor of another shape, a label that is no class, a
///           view of another width or batch, more rows than max_batch, a sample without a label:
///           throws diffx::error. What CUDA or cuBLAS reports: see cublas::handle.
template <prediction_policy Prediction, class Backend>
class mlp {
  static constexpr std::string_view where = "diffx::denoiser::cublas::mlp";

 public:
  Prediction prediction{};
  static constexpr int branches = 2;

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  mlp(Backend backend, eigen::mlp_size size, Source const& source, std::int64_t max_batch,
      denoiser::labels wanted = {}, Prediction predicted = {})
      : prediction(predicted),
        backend_(std::move(backend)),
        net_(std::make_shared<network>(eigen::checked(size, where), source, weight_list{},
                                       checked_batch(max_batch, where))),
        labels_(std::make_shared<label_list<Backend>>(std::move(wanted), size.classes, where)) {}

  /// Of memory that this network has allocated.
  std::int64_t bytes() const noexcept { return net_->bytes; }

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    static_assert(std::is_same_v<T, float>, "diffx::denoiser::cublas::mlp: states are float.");
    network const& net = *net_;
    require_views(x, net.size.features, out, net.size.features, net.max_batch, where);
    label_view const labels = labels_->of(x.first_sample, x.batch, q.branch);
    if (x.batch == 0) return;
    call<Exec, Backend> const c(exec, backend_, net.weights.data());
    float* const room = net.room.data();
    float* const e = room + net.e;
    float* const h = room + net.h;
    float* const a = room + net.a;
    net.told(c, q.at.t, labels, x.batch, room + net.told_room, e);
    // The SiLU before `out` belongs to whatever writes h last.
    c.template apply<after::nothing>(net.in, x.data, x.batch, h);
    linear const* last = &net.in;
    for (layer const& l : net.layers) {
      c.shift(*last, x.batch, h);
      c.template apply<after::nothing>(l.a, h, x.batch, a);
      c.template apply<after::bias_silu, true>(l.emb, e, x.batch, a);
      c.template apply<after::nothing, true>(l.b, a, x.batch, h);
      last = &l.b;
    }
    c.template shift<true>(*last, x.batch, h);
    c.apply(net.out, h, x.batch, out.data);
  }

 private:
  struct layer {
    template <class Source>
    layer(weight_list& all, Source const& s, std::string const& name, std::int64_t hidden)
        : a(all, s, name + ".a", hidden, hidden),
          b(all, s, name + ".b", hidden, hidden),
          emb(all, s, name + ".emb", hidden, hidden) {
      all.join(emb.bias, a.bias, hidden);
    }
    linear a, b, emb;
  };

  struct network {
    template <class Source>
    network(eigen::mlp_size sizes, Source const& s, weight_list all, std::int64_t rows)
        : size(sizes),
          max_batch(rows),
          told(all, s, sizes.hidden, sizes.classes),
          in(all, s, "in", sizes.features, sizes.hidden),
          layers(layers_of(all, s, sizes)),
          out(all, s, "out", sizes.hidden, sizes.features),
          told_room(places.take(told.room())),
          e(places.take(rows * sizes.hidden)),
          h(places.take(rows * sizes.hidden)),
          a(places.take(rows * sizes.hidden)),
          weights(all.values()),
          room(places.size()),
          bytes((static_cast<std::int64_t>(all.values().size()) + places.size()) *
                static_cast<std::int64_t>(sizeof(float))) {}

    template <class Source>
    static std::vector<layer> layers_of(weight_list& all, Source const& s,
                                        eigen::mlp_size const& sizes) {
      std::vector<layer> made;
      for (std::int64_t i = 0; i < sizes.layers; ++i) {
        made.emplace_back(all, s, "layer." + std::to_string(i), sizes.hidden);
      }
      return made;
    }

    eigen::mlp_size size;
    std::int64_t max_batch;
    embedding told;
    linear in;
    std::vector<layer> layers;
    linear out;
    layout places;
    std::int64_t told_room, e, h, a;
    typename Backend::template memory<float> weights;
    typename Backend::template memory<float> room;
    std::int64_t bytes;
  };

  Backend backend_;
  std::shared_ptr<network const> net_;
  std::shared_ptr<label_list<Backend> const> labels_;
};

}  // namespace diffx::denoiser::cublas
