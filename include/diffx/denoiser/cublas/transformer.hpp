#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/cublas/layers.hpp>
#include <diffx/denoiser/eigen/sizes.hpp>
#include <diffx/error.hpp>
#include <diffx/prediction/x0_posterior.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::denoiser::cublas {

/// The network of denoiser::eigen::transformer, with its tensors, on a device: whole rows without a
/// store of keys and values, and without a decoder of its own.
///
///     h  = token[x] (+ embedding of the time)                              [positions, width]
///     h += proj(attend(turn(qkv(norm1(h)))))                               every layer
///     h += b(silu(a(norm2(h))))
///     logits = out(norm(h))
///
/// Numbers are float. They agree with those of the Eigen network but for the rounding of sums. A
/// token that is no class makes all logits of its sample NaN: tokens lie on the device, and a call
/// does not wait to read them.
///
/// Source    Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864 (rotation);
///           Arriola et al. 2025, arXiv:2503.09573 (blocks).
/// Shapes    x [batch <= max_batch, positions], whole numbers; out [batch, positions x classes];
///           t = q.at.t.
/// Memory    weights and room for max_batch rows, `bytes()` together, allocated at construction; a
///           call enqueues and allocates nothing, so a graph can record it.
/// Requires  views in memory that the backend reaches. An object and its copies share their room:
///           one stream at a time.
/// Errors    sizes out of range, a decoder, positions or max_batch below 1, a tensor of another
///           shape, a view of another width or batch, more rows than max_batch, a time that is not
///           finite: throws diffx::error. What CUDA or cuBLAS reports: see cublas::handle.
template <class Backend, bool TimeFree, class Prediction = diffx::prediction::x0_posterior<float>>
class transformer_of {
  static constexpr std::string_view where = "diffx::denoiser::cublas::transformer";

 public:
  Prediction prediction{};
  static constexpr bool time_free = TimeFree;

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  transformer_of(Backend backend, eigen::transformer_size size, Source const& source,
                 std::int64_t positions, std::int64_t max_batch, Prediction predicted = {})
      : prediction(predicted),
        backend_(std::move(backend)),
        net_(std::make_shared<network>(checked(size), source, weight_list{},
                                       checked_positions(positions),
                                       checked_batch(max_batch, where))) {}

  eigen::transformer_size const& size() const noexcept { return net_->size; }

  /// Of memory that this network has allocated.
  std::int64_t bytes() const noexcept { return net_->bytes; }

  template <class Exec, class Code, class T>
  void operator()(Exec const& exec, batch_view<Code const> x, query const& q,
                  batch_view<T> out) const {
    static_assert(std::is_same_v<T, float>,
                  "diffx::denoiser::cublas::transformer: logits are float.");
    static_assert(std::is_integral_v<Code>,
                  "diffx::denoiser::cublas::transformer: a token is a whole number.");
    network const& net = *net_;
    std::int64_t const width = net.size.width, positions = net.positions;
    require_views(x, positions, out, positions * net.size.classes, net.max_batch, where);
    diffx::detail::require(TimeFree || std::isfinite(q.at.t), where, "t", q.at.t, "finite");
    if (x.batch == 0) return;
    std::int64_t const columns = x.batch * positions;
    call<Exec, Backend> const c(exec, backend_, net.weights.data());
    float const* e = nullptr;
    if constexpr (!TimeFree) {
      (*net.told)(c, q.at.t, label_view{}, 1, net.at(net.told_room), net.at(net.e));
      e = net.at(net.e);
    }
    float* const h = net.at(net.h);
    float* const normed = net.at(net.normed);
    float* const inner = net.at(net.inner);
    exec.for_each_tile(columns, width,
                       token_op<Code>{x.data, c.weight(net.token), e, h, net.size.classes, width});
    for (layer const& l : net.layers) {
      c.template apply<false>(l.norm1, h, columns, 1, normed);
      c.template apply<after::nothing>(l.qkv, normed, columns, inner);
      c.attend(l.qkv, inner, c.weight(net.turns), x.batch, positions, net.size.heads,
               net.size.block_length, net.at(net.parts), net.at(net.scores), normed);
      c.template apply<after::bias, true>(l.proj, normed, columns, h);
      c.template apply<false>(l.norm2, h, columns, 1, normed);
      c.template apply<after::bias_silu>(l.a, normed, columns, inner);
      c.template apply<after::bias, true>(l.b, inner, columns, h);
    }
    c.template apply<false>(net.last, h, columns, 1, normed);
    c.apply(net.out, normed, columns, out.data);
  }

 private:
  struct layer {
    template <class Source>
    layer(weight_list& all, Source const& s, std::string const& name, std::int64_t width)
        : norm1(all, s, name + ".norm1", width, 1),
          qkv(all, s, name + ".qkv", width, 3 * width),
          proj(all, s, name + ".proj", width, width),
          norm2(all, s, name + ".norm2", width, 1),
          a(all, s, name + ".a", width, 4 * width),
          b(all, s, name + ".b", 4 * width, width) {}
    norm norm1;
    linear qkv, proj;
    norm norm2;
    linear a, b;
  };

  struct network {
    template <class Source>
    network(eigen::transformer_size sizes, Source const& s, weight_list all, std::int64_t length,
            std::int64_t rows)
        : size(sizes),
          positions(length),
          max_batch(rows),
          token(all.add(copy_of(s.tensor("token.weight", {sizes.classes, sizes.width})))),
          turns(all.add(turns_of(sizes.width / sizes.heads, length))),
          layers(layers_of(all, s, sizes)),
          last(all, s, "norm", sizes.width, 1),
          out(all, s, "out", sizes.width, sizes.classes),
          told(told_of(all, s, sizes)),
          told_room(places.take(told ? told->room() : 0)),
          e(places.take(sizes.width)),
          h(places.take(rows * length * sizes.width)),
          normed(places.take(rows * length * sizes.width)),
          inner(places.take(rows * length * 4 * sizes.width)),
          parts(places.take(rows * length * 3 * sizes.width)),
          scores(places.take(rows * sizes.heads * length * length)),
          weights(all.values()),
          room(places.size()),
          bytes((static_cast<std::int64_t>(all.values().size()) + places.size()) *
                static_cast<std::int64_t>(sizeof(float))) {}

    template <class Source>
    static std::vector<layer> layers_of(weight_list& all, Source const& s,
                                        eigen::transformer_size const& sizes) {
      std::vector<layer> made;
      for (std::int64_t i = 0; i < sizes.layers; ++i) {
        made.emplace_back(all, s, "block." + std::to_string(i), sizes.width);
      }
      return made;
    }

    template <class Source>
    static std::optional<embedding> told_of(weight_list& all, Source const& s,
                                            eigen::transformer_size const& sizes) {
      if constexpr (TimeFree) return std::nullopt;
      return embedding(all, s, sizes.width, 0);
    }

    /// cos and sin [positions, d / 2] each, side by side.
    static std::vector<float> turns_of(std::int64_t d, std::int64_t length) {
      std::vector<float> turns;
      for (std::int64_t p = 0; p < length; ++p) {
        for (std::int64_t i = 0; i < d; ++i) {
          auto const c = static_cast<double>(i % (d / 2));
          double const angle =
              static_cast<double>(p) * std::pow(10000.0, -2.0 * c / static_cast<double>(d));
          turns.push_back(static_cast<float>(i < d / 2 ? std::cos(angle) : std::sin(angle)));
        }
      }
      return turns;
    }

    float* at(std::int64_t place) const noexcept { return room.data() + place; }

    eigen::transformer_size size;
    std::int64_t positions, max_batch;
    std::int64_t token, turns;
    std::vector<layer> layers;
    norm last;
    linear out;
    std::optional<embedding> told;
    layout places;
    std::int64_t told_room, e, h, normed, inner, parts, scores;
    typename Backend::template memory<float> weights;
    typename Backend::template memory<float> room;
    std::int64_t bytes;
  };

  static eigen::transformer_size checked(eigen::transformer_size size) {
    size = eigen::checked(size, where);
    diffx::detail::require(size.width <= 512, where, "width", size.width, "at most 512");
    diffx::detail::require(size.decoder_layers == 0, where, "decoder_layers", size.decoder_layers,
                           "0: denoiser::eigen::transformer has a decoder");
    return size;
  }
  static std::int64_t checked_positions(std::int64_t positions) {
    diffx::detail::require(positions >= 1, where, "positions", positions, "at least 1");
    return positions;
  }

  Backend backend_;
  std::shared_ptr<network const> net_;
};

template <class Backend>
using transformer = transformer_of<Backend, true>;
template <class Backend>
using timed_transformer = transformer_of<Backend, false>;

}  // namespace diffx::denoiser::cublas
