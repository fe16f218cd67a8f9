#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/cublas/layers.hpp>
#include <diffx/denoiser/eigen/scalars.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/prediction/v.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace diffx::denoiser::cublas {

/// The network of denoiser::eigen::unet, with its tensors, on a device: see there for the layers,
/// v, the classes and the split into a shallow and a deep part. A convolution gathers its windows
/// and is one matrix product over all pixels of the batch.
///
/// Numbers are float. They agree with those of the Eigen network but for the rounding of sums.
///
/// Source    Ho et al. 2020, arXiv:2006.11239 (blocks); Salimans & Ho 2022, arXiv:2202.00512 (v);
///           Ma, Fang & Wang 2024, arXiv:2312.00858 (the split). Weights: examples/models.
/// Shapes    x, out [batch <= max_batch, 784], deep [batch, deep_features]; images in [-1, 1]. The
///           network is told t = 2/pi atan(sigma / alpha), found from q.at.lambda.
/// Memory    weights and room for max_batch images, about 1.6 MB each, `bytes()` together,
///           allocated at construction; a call enqueues and allocates nothing, so a graph can
///           record it.
/// Requires  views in memory that the backend reaches. An object and its copies share their room:
///           one stream at a time.
/// Errors    max_batch below 1, a tensor of another shape, a label that is no class, a view of
///           another width or batch, more rows than max_batch, a sample without a label: throws
///           diffx::error. What CUDA or cuBLAS reports: see cublas::handle.
template <class Backend>
class unet {
  static constexpr std::string_view where = "diffx::denoiser::cublas::unet";

 public:
  diffx::prediction::v prediction{};
  static constexpr int branches = 2;
  static constexpr std::int64_t pixels = 784;
  static constexpr std::int64_t deep_features = 64 * 14 * 14;
  static constexpr int classes = 10;

  /// `source` is a safetensors object or anything with its tensor(name, shape).
  template <class Source>
  unet(Backend backend, Source const& source, std::int64_t max_batch, denoiser::labels wanted = {})
      : backend_(std::move(backend)),
        net_(std::make_shared<network>(source, weight_list{}, checked_batch(max_batch, where))),
        labels_(std::make_shared<label_list<Backend>>(std::move(wanted), classes, where)) {}

  /// The same weights and room, asked for other classes.
  unet with_labels(denoiser::labels wanted) const {
    unet copy(*this);
    copy.labels_ = std::make_shared<label_list<Backend>>(std::move(wanted), classes, where);
    return copy;
  }

  /// Of memory that this network has allocated.
  std::int64_t bytes() const noexcept { return net_->bytes; }

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    float* const deep = net_->room.data() + net_->deep_output;
    full(exec, x, q, batch_view<float>{deep, x.batch, deep_features, x.first_sample}, out);
  }

  /// As the call, and leaves the output of the deep part in `deep`.
  template <class Exec, class T>
  void full(Exec const& exec, batch_view<T const> x, query const& q, batch_view<float> deep,
            batch_view<T> out) const {
    check_deep(x, deep);
    run(
        exec, x, q, out, [&](call<Exec, Backend> const& c) { net_->deep(c, x.batch, deep.data); },
        deep.data);
  }

  /// The shallow parts alone, around a deep output that an earlier call has kept.
  template <class Exec, class T>
  void shallow(Exec const& exec, batch_view<T const> x, query const& q,
               batch_view<float const> deep, batch_view<T> out) const {
    check_deep(x, deep);
    run(
        exec, x, q, out, [](call<Exec, Backend> const&) {}, deep.data);
  }

 private:
  static constexpr std::int64_t wide = 14;  // side of the outer resolution
  static constexpr std::int64_t narrow = 7;
  static constexpr std::int64_t wide_pixels = wide * wide;
  static constexpr std::int64_t narrow_pixels = narrow * narrow;
  static constexpr std::int64_t heads = 4;

  /// h = conv(silu(norm(x))) + linear(emb); h = conv(silu(norm(h))); h + skip(x), where the skip is
  /// a 1x1 convolution if the widths differ.
  struct block {
    template <class Source>
    block(weight_list& all, Source const& s, std::string const& name, std::int64_t in,
          std::int64_t out)
        : norm1(all, s, name + ".norm1", in, 8),
          conv1(linear::conv3x3(all, s, name + ".conv1", in, out)),
          emb(all, s, name + ".emb", 128, out),
          norm2(all, s, name + ".norm2", out, 8),
          conv2(linear::conv3x3(all, s, name + ".conv2", out, out)) {
      all.join(emb.bias, conv1.bias, out);
      if (in == out) return;
      skip = linear::conv1x1(all, s, name + ".skip", in, out);
      all.join(skip->bias, conv2.bias, out);
    }
    norm norm1;
    linear conv1, emb;
    norm norm2;
    linear conv2;
    std::optional<linear> skip;
  };

  struct network {
    template <class Source>
    network(Source const& s, weight_list all, std::int64_t images)
        : max_batch(images),
          told(all, s, 128, classes),
          in_conv(linear::conv3x3(all, s, "in_conv", 4, 64)),
          b1(all, s, "b1", 64, 64),
          down(linear::conv3x3(all, s, "down", 64, 64)),
          b2(all, s, "b2", 64, 128),
          attention_norm(all, s, "attention.norm", 128, 8),
          qkv(linear::conv1x1(all, s, "attention.qkv", 128, 384)),
          proj(linear::conv1x1(all, s, "attention.proj", 128, 128)),
          b3(all, s, "b3", 128, 128),
          b4(all, s, "b4", 256, 128),
          up(linear::conv3x3(all, s, "up", 128, 64)),
          b5(all, s, "b5", 128, 64),
          out_norm(all, s, "out_norm", 64, 8),
          out_conv(linear::conv3x3(all, s, "out_conv", 64, 4)),
          told_room(places.take(told.room())),
          e(places.take(images * 128)),
          e_block(places.take(images * 128)),
          image(places.take(images * pixels)),
          skip1(places.take(images * wide_pixels * 64)),
          skip2(places.take(images * narrow_pixels * 128)),
          deep_output(places.take(images * deep_features)),
          x(places.take(images * wide_pixels * 128)),
          y(places.take(images * wide_pixels * 128)),
          z(places.take(images * wide_pixels * 128)),
          joined(places.take(images * wide_pixels * 128)),
          mixed(places.take(images * narrow_pixels * 384)),
          parts(places.take(images * narrow_pixels * 384)),
          scores(places.take(images * heads * narrow_pixels * narrow_pixels)),
          windows(places.take(images * wide_pixels * 9 * 128)),
          weights(all.values()),
          room(places.size()),
          bytes((static_cast<std::int64_t>(all.values().size()) + places.size()) *
                static_cast<std::int64_t>(sizeof(float))) {}

    float* at(std::int64_t place) const noexcept { return room.data() + place; }

    /// from [images * size^2, in] -> to [images * size^2, out], another array.
    template <class Call>
    void apply(Call const& c, block const& b, float const* from, std::int64_t images,
               std::int64_t size, float* to) const {
      std::int64_t const count = size * size, columns = images * count, out = b.conv1.out;
      c.template apply<true>(b.norm1, from, images, count, at(z));
      c.template convolve<after::nothing>(b.conv1, at(z), images, size, 1, at(windows), to);
      c.apply(b.emb, at(e), images, at(e_block));  // with the bias of the convolution
      c.exec().for_each_tile(columns, out, add_op{to, at(e_block), count, out});
      c.template apply<true>(b.norm2, to, images, count, at(z));
      c.template convolve<after::nothing>(b.conv2, at(z), images, size, 1, at(windows), to);
      if (b.skip) {
        c.template apply<after::bias, true>(*b.skip, from, columns, to);
      } else {
        c.shift(b.conv2, columns, to, from);
      }
    }

    /// image -> skip1 [images * 196, 64]
    template <class Call>
    void shallow_in(Call const& c, std::int64_t images) const {
      c.convolve(in_conv, at(image), images, wide, 1, at(windows), at(x));
      apply(c, b1, at(x), images, wide, at(skip1));
    }

    /// skip1 -> deep [images * 196, 64]
    template <class Call>
    void deep(Call const& c, std::int64_t images, float* to) const {
      std::int64_t const count = images * narrow_pixels;
      c.convolve(down, at(skip1), images, wide, 2, at(windows), at(x));
      apply(c, b2, at(x), images, narrow, at(skip2));
      attend_pixels(c, at(skip2), images, at(x));
      apply(c, b3, at(x), images, narrow, at(y));
      c.exec().for_each_tile(count, 256, concatenate_op{at(y), at(skip2), at(joined), 128, 128});
      apply(c, b4, at(joined), images, narrow, at(x));
      c.exec().for_each_tile(4 * count, 128, upsample_op{at(x), at(y), 128, narrow});
      c.convolve(up, at(y), images, wide, 1, at(windows), to);
    }

    /// deep, skip1 -> image
    template <class Call>
    void shallow_out(Call const& c, std::int64_t images, float const* deep) const {
      std::int64_t const count = images * wide_pixels;
      c.exec().for_each_tile(count, 128, concatenate_op{deep, at(skip1), at(joined), 64, 64});
      apply(c, b5, at(joined), images, wide, at(x));
      c.template apply<true>(out_norm, at(x), images, wide_pixels, at(x));
      c.convolve(out_conv, at(x), images, wide, 1, at(windows), at(image));
    }

    /// to = from + proj(attend(qkv(norm(from))))
    template <class Call>
    void attend_pixels(Call const& c, float const* from, std::int64_t images, float* to) const {
      std::int64_t const count = images * narrow_pixels;
      c.template apply<false>(attention_norm, from, images, narrow_pixels, at(z));
      c.template apply<after::nothing>(qkv, at(z), count, at(mixed));
      c.attend(qkv, at(mixed), nullptr, images, narrow_pixels, heads, 0, at(parts), at(scores),
               at(z));
      c.template apply<after::nothing>(proj, at(z), count, to);
      c.shift(proj, count, to, from);
    }

    std::int64_t max_batch;
    embedding told;
    linear in_conv;
    block b1;
    linear down;
    block b2;
    norm attention_norm;
    linear qkv, proj;
    block b3, b4;
    linear up;
    block b5;
    norm out_norm;
    linear out_conv;
    layout places;
    std::int64_t told_room, e, e_block, image, skip1, skip2, deep_output, x, y, z, joined, mixed,
        parts, scores, windows;
    typename Backend::template memory<float> weights;
    typename Backend::template memory<float> room;
    std::int64_t bytes;
  };

  template <class X, class Deep>
  static void check_deep(X const& x, Deep const& deep) {
    using diffx::detail::require;
    require(deep.features == deep_features, where, "features of the deep output", deep.features,
            "12544");
    require(deep.batch == x.batch, where, "batch of the deep output", deep.batch,
            "the batch of the input");
  }

  template <class Exec, class T, class Deep>
  void run(Exec const& exec, batch_view<T const> x, query const& q, batch_view<T> out,
           Deep const& deep, float const* deep_output) const {
    static_assert(std::is_same_v<T, float>, "diffx::denoiser::cublas::unet: states are float.");
    network const& net = *net_;
    require_views(x, pixels, out, pixels, net.max_batch, where);
    label_view const labels = labels_->of(x.first_sample, x.batch, q.branch);
    if (x.batch == 0) return;
    call<Exec, Backend> const c(exec, backend_, net.weights.data());
    net.told(c, eigen::unet_time(q.at.lambda), labels, x.batch, net.at(net.told_room),
             net.at(net.e));
    exec.for_each_tile(x.batch, pixels, unshuffle_op<true>{x.data, net.at(net.image)});
    net.shallow_in(c, x.batch);
    deep(c);
    net.shallow_out(c, x.batch, deep_output);
    exec.for_each_tile(x.batch, pixels, unshuffle_op<false>{net.at(net.image), out.data});
  }

  Backend backend_;
  std::shared_ptr<network const> net_;
  std::shared_ptr<label_list<Backend> const> labels_;
};

}  // namespace diffx::denoiser::cublas
