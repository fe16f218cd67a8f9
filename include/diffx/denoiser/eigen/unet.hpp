#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/eigen/scalars.hpp>
#include <diffx/denoiser/labels.hpp>
#include <diffx/prediction/v.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace diffx::denoiser::eigen {

/// The class-conditional U-Net of the image example: 28x28 grey images, 1.47 million weights.
///
///     x --unshuffle 2x2--> 4 @14x14
///     shallow in    in_conv 4->64, b1 64->64                                          -> skip1
///     deep          down 64->64 /2, b2 64->128 (-> skip2), attention, b3 128->128,
///                   b4 [128 + skip2 -> 128], nearest x2, up 128->64                   -> 64 @14x14
///     shallow out   b5 [64 + skip1 -> 64], norm, silu, out_conv 64->4 --shuffle--> v
///     block         h = conv(silu(norm(x))) + linear(emb); h = conv(silu(norm(h))); h + skip(x)
///     emb           embedding of time and label
///
/// The output is v = alpha eps - sigma x0. Branch 0 is the sample's class, every other branch the
/// null class. The deep part costs about two thirds of a call; a feature cache keeps its output,
/// `deep_features` floats a row, and calls `shallow` in between.
///
/// Source    Ho et al. 2020, arXiv:2006.11239 (blocks); Salimans & Ho 2022, arXiv:2202.00512 (v);
///           Ma, Fang & Wang 2024, arXiv:2312.00858 (the split). Weights: examples/models.
/// Shapes    x, out [batch, 784], deep [batch, deep_features]; images in [-1, 1]. The network is
/// told
///           t = 2/pi atan(sigma / alpha), found from q.at.lambda, so any process can drive it.
/// Requires  host memory; one object may be called from several threads. A row's result does not
///           depend on the batch around it.
/// Errors    a tensor of another shape, a view of another width or batch, a sample without a
///           label: throws diffx::error.
class unet {
 public:
  diffx::prediction::v prediction{};
  static constexpr int branches = 2;
  static constexpr std::int64_t pixels = 784;
  static constexpr std::int64_t deep_features = 64 * 14 * 14;
  static constexpr int classes = 10;

  /// `source` is a safetensors object or anything with its tensor(name, shape).
  template <class Source>
  explicit unet(Source const& source, denoiser::labels wanted = {})
      : net_(std::make_shared<network>(source)), labels_(std::move(wanted)) {}

  /// The same weights, asked for other classes.
  unet with_labels(denoiser::labels wanted) const {
    unet copy(*this);
    copy.labels_ = std::move(wanted);
    return copy;
  }

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    constexpr auto where = "diffx::denoiser::eigen::unet";
    check(x, out, where);
    run(exec, x, q, [&](scratch& s, std::int64_t first, index rows) {
      net_->deep(s);
      net_->shallow_out(s, s.deep.data());
      store(s, out, first, rows);
    });
  }

  /// As the call, and keeps the output of the deep part.
  template <class Exec, class T>
  void full(Exec const& exec, batch_view<T const> x, query const& q, batch_view<float> deep,
            batch_view<T> out) const {
    constexpr auto where = "diffx::denoiser::eigen::unet::full";
    check(x, out, where);
    check(x, deep, deep_features, where);
    run(exec, x, q, [&](scratch& s, std::int64_t first, index rows) {
      net_->deep(s);
      std::memcpy(deep.row(first), s.deep.data(), deep_bytes(rows));
      net_->shallow_out(s, s.deep.data());
      store(s, out, first, rows);
    });
  }

  /// The shallow parts alone, around a deep output that an earlier call has kept.
  template <class Exec, class T>
  void shallow(Exec const& exec, batch_view<T const> x, query const& q,
               batch_view<float const> deep, batch_view<T> out) const {
    constexpr auto where = "diffx::denoiser::eigen::unet::shallow";
    check(x, out, where);
    check(x, deep, deep_features, where);
    run(exec, x, q, [&](scratch& s, std::int64_t first, index rows) {
      float* const kept = s.deep.get(tile * deep_features);
      std::memset(kept, 0, deep_bytes(tile));
      std::memcpy(kept, deep.row(first), deep_bytes(rows));
      net_->shallow_out(s, kept);
      store(s, out, first, rows);
    });
  }

 private:
  static constexpr int tile = 4;     // images that go through the layers together
  static constexpr index wide = 14;  // side of the outer resolution
  static constexpr index narrow = 7;
  static constexpr index wide_pixels = wide * wide;
  static constexpr index narrow_pixels = narrow * narrow;

  struct scratch {
    embedding::scratch told;
    buffer emb_block;
    buffer image, skip1, skip2, deep, x, y, z, joined, qkv, windows, scores;
  };

  /// See the block above; the skip is a 1x1 convolution where the widths differ.
  struct block {
    template <class Source>
    block(Source const& s, std::string const& name, index in, index out)
        : norm1(s, name + ".norm1", in),
          conv1(s, name + ".conv1", in, out),
          emb(s, name + ".emb", 128, out),
          norm2(s, name + ".norm2", out),
          conv2(s, name + ".conv2", out, out) {
      if (in != out) {
        skip = std::make_unique<linear>(linear::conv1x1(s, name + ".skip", in, out));
      }
    }

    /// x [in, tile * size^2] -> y [out, tile * size^2]; y must be another buffer.
    void operator()(scratch& s, float const* x, index size, float* y) const {
      index const count = size * size;
      index const in = skip ? skip->in() : conv1.out();
      index const out = conv1.out();
      float* const z = s.z.get(tile * count * std::max(in, out));
      norm1.apply<true>(x, tile, count, z);
      conv1(z, tile, size, y, s.windows);
      matrix_map e = s.emb_block.get(out, tile);
      emb(const_matrix_map(s.told.rows.data(), 128, tile), e);
      for (index i = 0; i < tile; ++i) {
        Eigen::Map<matrix>(y + i * count * out, out, count).colwise() += e.col(i);
      }
      norm2.apply<true>(y, tile, count, z);
      conv2(z, tile, size, y, s.windows);
      matrix_map result(y, out, tile * count);
      const_matrix_map const input(x, in, tile * count);
      if (skip) {
        skip->add(input, result);
      } else {
        result += input;
      }
    }

    group_norm norm1;
    conv3x3 conv1;
    linear emb;
    group_norm norm2;
    conv3x3 conv2;
    std::unique_ptr<linear> skip;
  };

  struct network {
    template <class Source>
    explicit network(Source const& s)
        : told(s, 128, classes, "diffx::denoiser::eigen::unet"),
          in_conv(s, "in_conv", 4, 64),
          b1(s, "b1", 64, 64),
          down(s, "down", 64, 64, 2),
          b2(s, "b2", 64, 128),
          attention_norm(s, "attention.norm", 128),
          qkv(linear::conv1x1(s, "attention.qkv", 128, 384)),
          proj(linear::conv1x1(s, "attention.proj", 128, 128)),
          b3(s, "b3", 128, 128),
          b4(s, "b4", 256, 128),
          up(s, "up", 128, 64),
          b5(s, "b5", 128, 64),
          out_norm(s, "out_norm", 64),
          out_conv(s, "out_conv", 64, 4) {}

    /// image [4, tile * 196] -> skip1 [64, tile * 196]
    void shallow_in(scratch& s) const {
      float* const h = s.x.get(tile * wide_pixels * 64);
      in_conv(s.image.data(), tile, wide, h, s.windows);
      b1(s, h, wide, s.skip1.get(tile * wide_pixels * 64));
    }

    /// skip1 -> deep [64, tile * 196]
    void deep(scratch& s) const {
      constexpr index count = tile * narrow_pixels;
      float* const x = s.x.get(tile * wide_pixels * 128);
      float* const y = s.y.get(tile * wide_pixels * 128);
      float* const skip2 = s.skip2.get(count * 128);
      down(s.skip1.data(), tile, wide, x, s.windows);
      b2(s, x, narrow, skip2);
      attend_pixels(s, skip2, x);
      b3(s, x, narrow, y);
      float* const joined = s.joined.get(count * 256);
      concatenate(y, 128, skip2, 128, count, joined);
      b4(s, joined, narrow, x);
      upsample2(x, tile, narrow, 128, y);
      up(y, tile, wide, s.deep.get(tile * deep_features), s.windows);
    }

    /// deep, skip1 -> image [4, tile * 196]
    void shallow_out(scratch& s, float const* deep) const {
      constexpr index count = tile * wide_pixels;
      float* const joined = s.joined.get(count * 128);
      concatenate(deep, 64, s.skip1.data(), 64, count, joined);
      float* const h = s.x.get(count * 64);
      b5(s, joined, wide, h);
      out_norm.apply<true>(h, tile, wide_pixels, h);
      out_conv(h, tile, wide, s.image.get(count * 4), s.windows);
    }

    /// y = x + proj(attend(qkv(norm(x)))), 4 heads, [128, tile * 49]
    void attend_pixels(scratch& s, float const* x, float* y) const {
      constexpr index count = tile * narrow_pixels;
      matrix_map normed = s.z.get(128, count);
      attention_norm.apply<false>(x, tile, narrow_pixels, normed.data());
      matrix_map q = s.qkv.get(384, count);
      qkv(normed, q);
      attend(q.data(), tile, narrow_pixels, 128, 4, normed.data(), s.scores);
      matrix_map result(y, 128, count);
      result = const_matrix_map(x, 128, count);
      proj.add(normed, result);
    }

    embedding told;
    conv3x3 in_conv;
    block b1;
    conv3x3 down;
    block b2;
    group_norm attention_norm;
    linear qkv, proj;
    block b3, b4;
    conv3x3 up;
    block b5;
    group_norm out_norm;
    conv3x3 out_conv;
    mutable scratch_pool<scratch> pool;
  };

  static std::size_t deep_bytes(index rows) noexcept {
    return static_cast<std::size_t>(rows * deep_features) * sizeof(float);
  }

  template <class X, class Y>
  static void check(X const& x, Y const& y, std::int64_t width, std::string_view where) {
    detail::require_features(x, pixels, where);
    detail::require_features(y, width, where);
    diffx::detail::require(x.batch == y.batch, where, "batch of the second view",
                           static_cast<long long>(y.batch), "the batch of the input");
  }
  template <class X, class Y>
  static void check(X const& x, Y const& y, std::string_view where) {
    check(x, y, pixels, where);
  }

  /// rest(scratch, first row, rows) for every tile, after its embedding and the first shallow part.
  template <class Exec, class T, class Rest>
  void run(Exec const& exec, batch_view<T const> x, query const& q, Rest const& rest) const {
    detail::for_each_tile<tile>(exec, x.batch, net_->pool,
                                [&](scratch& s, std::int64_t first, index rows) {
                                  net_->told(s.told, unet_time(q.at.lambda), labels_, q.branch,
                                             x.first_sample + first, rows, tile);
                                  load(s, x, first, rows);
                                  net_->shallow_in(s);
                                  rest(s, first, rows);
                                });
  }

  template <class T>
  static void load(scratch& s, batch_view<T const> x, std::int64_t first, index rows) {
    float* const image = s.image.get(tile * pixels);
    std::memset(image, 0, sizeof(float) * static_cast<std::size_t>(tile * pixels));
    for (index i = 0; i < rows; ++i) {
      for (index p = 0; p < pixels; ++p) {
        image[i * pixels + unet_place(p)] = static_cast<float>(x.row(first + i)[p]);
      }
    }
  }
  template <class T>
  static void store(scratch const& s, batch_view<T> out, std::int64_t first, index rows) {
    for (index i = 0; i < rows; ++i) {
      for (index p = 0; p < pixels; ++p) {
        out.row(first + i)[p] = static_cast<T>(s.image.data()[i * pixels + unet_place(p)]);
      }
    }
  }
  std::shared_ptr<network const> net_;
  denoiser::labels labels_;
};

}  // namespace diffx::denoiser::eigen
