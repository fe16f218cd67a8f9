#pragma once

#include <diffx/denoiser/eigen/random_weights.hpp>
#include <diffx/denoiser/eigen/scalars.hpp>
#include <diffx/error.hpp>

// g++ 12 warns about its own AVX-512 intrinsics, whose "undefined" values it takes at their word.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The few layers that the small networks of this folder are made of.
///
/// Activations are column-major matrices [channels, pixels]: the channels of one pixel (or token,
/// or row) are contiguous, and the images of a tile follow each other. A convolution is then one
/// matrix product over all pixels of a block of images, and gathering its windows is copying.
///
/// Every network works on tiles of a fixed number of rows; a tile that is not full is filled up
/// with zeros. All products have therefore the same shape whatever the batch, and a row's result
/// does not depend on the rows beside it, on the batch size or on the number of threads.
///
/// Memory    buffers grow on first use and are kept in the scratch object; products may still take
///           a small temporary inside Eigen.
namespace diffx::denoiser::eigen {

using index = Eigen::Index;
using matrix = Eigen::MatrixXf;
using matrix_map = Eigen::Map<Eigen::MatrixXf, Eigen::AlignedMax>;
using const_matrix_map = Eigen::Map<Eigen::MatrixXf const, Eigen::AlignedMax>;

/// A block of floats that grows on demand and is reused; aligned for the widest registers.
class buffer {
 public:
  float* get(index count) {
    if (values_.size() < count) values_.resize(count);
    return values_.data();
  }
  matrix_map get(index rows, index cols) { return {get(rows * cols), rows, cols}; }
  float* data() noexcept { return values_.data(); }
  float const* data() const noexcept { return values_.data(); }

 private:
  Eigen::VectorXf values_;
};

/// Scratch objects for calls from several threads; each call borrows one and returns it.
template <class Scratch>
class scratch_pool {
 public:
  class lease {
   public:
    explicit lease(scratch_pool& pool) : pool_(pool), scratch_(pool.take()) {}
    ~lease() { pool_.put(std::move(scratch_)); }
    lease(lease const&) = delete;
    lease& operator=(lease const&) = delete;
    Scratch& operator*() const noexcept { return *scratch_; }

   private:
    scratch_pool& pool_;
    std::unique_ptr<Scratch> scratch_;
  };

 private:
  std::unique_ptr<Scratch> take() {
    std::lock_guard const lock(mutex_);
    if (free_.empty()) {
      free_.reserve(++made_);  // so that put never allocates
      return std::make_unique<Scratch>();
    }
    auto scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }
  void put(std::unique_ptr<Scratch> scratch) noexcept {
    std::lock_guard const lock(mutex_);
    free_.push_back(std::move(scratch));
  }

  std::mutex mutex_;
  std::size_t made_ = 0;
  std::vector<std::unique_ptr<Scratch>> free_;
};

/// silu(x) in place, for an array whose columns follow each other.
template <class Derived>
inline void silu(Eigen::ArrayBase<Derived> const& x) {
  auto& y = x.const_cast_derived();
  float* const values = y.data();
  index const count = y.size();
  DIFFX_INDEPENDENT
  for (index i = 0; i < count; ++i) values[i] = silu(values[i]);
}

/// y = W x + b for every column. Weight [out, in], bias [out].
class linear {
 public:
  template <class Source>
  linear(Source const& source, std::string const& name, index in, index out)
      : weight_(out, in), bias_(out) {
    auto const& w = source.tensor(name + ".weight", {out, in});
    auto const& b = source.tensor(name + ".bias", {out});
    load(w, b);
  }

  /// A 1x1 convolution is the same thing; torch stores its weight as [out, in, 1, 1].
  template <class Source>
  static linear conv1x1(Source const& source, std::string const& name, index in, index out) {
    linear layer(in, out);
    auto const& w = source.tensor(name + ".weight", {out, in, 1, 1});
    auto const& b = source.tensor(name + ".bias", {out});
    layer.load(w, b);
    return layer;
  }

  index in() const noexcept { return weight_.cols(); }
  index out() const noexcept { return weight_.rows(); }

  /// Weights for an input whose features come in another order: column i moves to order(i).
  template <class Order>
  void reorder_input(Order const& order) {
    matrix moved(weight_.rows(), weight_.cols());
    for (index i = 0; i < weight_.cols(); ++i) moved.col(order(i)) = weight_.col(i);
    weight_ = std::move(moved);
  }

  template <class In, class Out>
  void operator()(In const& x, Out&& y) const {
    y.noalias() = weight_ * x;
    y.colwise() += bias_;
  }

  /// Adds to y instead of overwriting it.
  template <class In, class Out>
  void add(In const& x, Out&& y) const {
    y.noalias() += weight_ * x;
    y.colwise() += bias_;
  }

 private:
  linear(index in, index out) : weight_(out, in), bias_(out) {}

  template <class Values>
  void load(Values const& w, Values const& b) {
    using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    weight_ = Eigen::Map<row_major const>(w.data(), weight_.rows(), weight_.cols());
    bias_ = Eigen::Map<Eigen::VectorXf const>(b.data(), bias_.size());
  }

  matrix weight_;
  Eigen::VectorXf bias_;
};

/// 3x3 convolution with one zero pixel of padding, stride 1 or 2. Weight [out, in, 3, 3].
///
/// Images are gathered into windows [9 in, pixels] in blocks of about `block_pixels` output
/// pixels, so that the windows stay in the second-level cache, and multiplied at once.
class conv3x3 {
 public:
  template <class Source>
  conv3x3(Source const& source, std::string const& name, index in, index out, index stride = 1)
      : in_(in), stride_(stride), weight_(out, 9 * in), bias_(out) {
    auto const& w = source.tensor(name + ".weight", {out, in, 3, 3});
    auto const& b = source.tensor(name + ".bias", {out});
    for (index o = 0; o < out; ++o) {
      for (index c = 0; c < in; ++c) {
        for (index k = 0; k < 9; ++k) {
          weight_(o, k * in + c) = w[static_cast<std::size_t>((o * in + c) * 9 + k)];
        }
      }
    }
    bias_ = Eigen::Map<Eigen::VectorXf const>(b.data(), out);
  }

  index out() const noexcept { return weight_.rows(); }
  index out_size(index size) const noexcept { return (size - 1) / stride_ + 1; }

  /// x [in, images * size^2] -> y [out, images * out_size^2]; square images.
  void operator()(float const* x, index images, index size, float* y, buffer& windows) const {
    index const out_pixels = out_size(size) * out_size(size);
    index const block = std::min(images, std::max<index>(1, block_pixels / out_pixels));
    float* const w = windows.get(9 * in_ * block * out_pixels);
    for (index first = 0; first < images; first += block) {
      index const count = std::min(block, images - first);
      for (index i = 0; i < count; ++i) {
        gather(x + (first + i) * in_ * size * size, size, w + i * 9 * in_ * out_pixels);
      }
      index const cols = count * out_pixels;
      Eigen::Map<matrix> result(y + first * out_pixels * out(), out(), cols);
      result.noalias() = weight_ * const_matrix_map(w, 9 * in_, cols);
      result.colwise() += bias_;
    }
  }

 private:
  static constexpr index block_pixels = 256;

  void gather(float const* image, index size, float* window) const {
    auto const pixel_bytes = static_cast<std::size_t>(in_) * sizeof(float);
    index const out = out_size(size);
    for (index oy = 0; oy < out; ++oy) {
      for (index ox = 0; ox < out; ++ox) {
        index const left = ox * stride_ - 1;
        index const first = std::max<index>(left, 0);
        index const last = std::min(left + 3, size);
        for (index ky = 0; ky < 3; ++ky, window += 3 * in_) {
          index const iy = oy * stride_ - 1 + ky;
          if (iy < 0 || iy >= size) {
            std::memset(window, 0, 3 * pixel_bytes);
            continue;
          }
          if (first > left) std::memset(window, 0, pixel_bytes);
          if (last < left + 3) std::memset(window + 2 * in_, 0, pixel_bytes);
          std::memcpy(window + (first - left) * in_, image + (iy * size + first) * in_,
                      static_cast<std::size_t>(last - first) * pixel_bytes);
        }
      }
    }
  }

  index in_;
  index stride_;
  matrix weight_;  // [out, 9 in], columns (ky * 3 + kx) * in + channel
  Eigen::VectorXf bias_;
};

/// Normalises each group of channels of each image to mean 0 and variance 1, then scales and
/// shifts each channel; eps = 1e-5, biased variance, as torch's GroupNorm. With one pixel and one
/// group it is a layer norm.
class group_norm {
 public:
  static constexpr index max_channels = 512;

  template <class Source>
  group_norm(Source const& source, std::string const& name, index channels, index groups = 8)
      : groups_(groups), scale_(channels), shift_(channels) {
    diffx::detail::require(channels >= groups && channels <= max_channels && channels % groups == 0,
                           "diffx::denoiser::eigen::group_norm", "channels",
                           static_cast<long long>(channels),
                           "at most 512 and a multiple of the groups");
    auto const& w = source.tensor(name + ".weight", {channels});
    auto const& b = source.tensor(name + ".bias", {channels});
    scale_ = Eigen::Map<Eigen::ArrayXf const>(w.data(), channels);
    shift_ = Eigen::Map<Eigen::ArrayXf const>(b.data(), channels);
  }

  /// x [channels, images * pixels] -> y of the same shape; x == y is allowed.
  template <bool Silu>
  void apply(float const* x, index images, index pixels, float* y) const {
    using small = Eigen::Array<float, Eigen::Dynamic, 1, 0, max_channels, 1>;
    index const channels = scale_.size();
    index const width = channels / groups_;
    float const inverse = 1.0f / static_cast<float>(width * pixels);
    small mean(channels), a(channels), b(channels);
    for (index i = 0; i < images; ++i) {
      Eigen::Map<Eigen::ArrayXXf const> const in(x + i * channels * pixels, channels, pixels);
      b.setZero();
      for (index p = 0; p < pixels; ++p) b += in.col(p);
      for (index g = 0; g < groups_; ++g) {
        mean.segment(g * width, width).setConstant(b.segment(g * width, width).sum() * inverse);
      }
      b.setZero();
      for (index p = 0; p < pixels; ++p) b += (in.col(p) - mean).square();
      for (index g = 0; g < groups_; ++g) {
        float const variance = b.segment(g * width, width).sum() * inverse;
        a.segment(g * width, width).setConstant(1.0f / std::sqrt(variance + 1e-5f));
      }
      a *= scale_;
      b = shift_ - mean * a;
      for (index p = 0; p < pixels; ++p) {
        float const* const from = x + (i * pixels + p) * channels;
        float* const to = y + (i * pixels + p) * channels;
        DIFFX_INDEPENDENT
        for (index c = 0; c < channels; ++c) {
          float const value = diffx::detail::fma(from[c], a[c], b[c]);
          to[c] = Silu ? silu(value) : value;
        }
      }
    }
  }

 private:
  index groups_;
  Eigen::ArrayXf scale_;
  Eigen::ArrayXf shift_;
};

/// Multi-head attention among the tokens of each sample, after the projection to q, k, v.
///
///     out_i = sum_j softmax_j(q_i . k_j / sqrt(head width)) v_j      per head
///
/// qkv [3 width, samples * tokens]: q, k and v in turn, each of them the heads in turn;
/// out [width, samples * tokens].
inline void attend(float const* qkv, index samples, index tokens, index width, index heads,
                   float* out, buffer& scores) {
  using stride = Eigen::OuterStride<>;
  using head_in = Eigen::Map<matrix const, 0, stride>;
  using head_out = Eigen::Map<matrix, 0, stride>;
  index const d = width / heads;
  float const scale = 1.0f / std::sqrt(static_cast<float>(d));
  matrix_map s = scores.get(tokens, tokens);  // column: one query
  for (index n = 0; n < samples; ++n) {
    float const* const base = qkv + n * tokens * 3 * width;
    for (index h = 0; h < heads; ++h) {
      head_in const q(base + h * d, d, tokens, stride(3 * width));
      head_in const k(base + width + h * d, d, tokens, stride(3 * width));
      head_in const v(base + 2 * width + h * d, d, tokens, stride(3 * width));
      s.noalias() = k.transpose() * q;
      for (index i = 0; i < tokens; ++i) {
        auto column = s.col(i).array();
        column = ((column - column.maxCoeff()) * scale).exp();
        column /= column.sum();
      }
      head_out(out + n * tokens * width + h * d, d, tokens, stride(width)).noalias() = v * s;
    }
  }
}

/// Doubles both sides of square images by repeating pixels. [channels, images * size^2] ->
/// [channels, images * 4 size^2]
inline void upsample2(float const* x, index images, index size, index channels, float* y) {
  auto const bytes = static_cast<std::size_t>(channels) * sizeof(float);
  for (index n = 0; n < images; ++n) {
    for (index oy = 0; oy < 2 * size; ++oy) {
      for (index ox = 0; ox < 2 * size; ++ox, y += channels) {
        std::memcpy(y, x + ((n * size + oy / 2) * size + ox / 2) * channels, bytes);
      }
    }
  }
}

/// The channels of a above the channels of b, pixel by pixel.
inline void concatenate(float const* a, index a_channels, float const* b, index b_channels,
                        index pixels, float* y) {
  for (index p = 0; p < pixels; ++p) {
    std::memcpy(y, a + p * a_channels, static_cast<std::size_t>(a_channels) * sizeof(float));
    y += a_channels;
    std::memcpy(y, b + p * b_channels, static_cast<std::size_t>(b_channels) * sizeof(float));
    y += b_channels;
  }
}

namespace detail {

/// Throws unless the rows have this width.
template <class View>
void require_features(View const& view, std::int64_t features, std::string_view where) {
  diffx::detail::require(view.features == features, where, "features",
                         static_cast<long long>(view.features),
                         std::to_string(static_cast<long long>(features)));
}

/// op(scratch, first row, rows) for tiles that cover the batch, over whatever threads exec has.
template <int Rows, class Exec, class Scratch, class Op>
void for_each_tile(Exec const& exec, std::int64_t batch, scratch_pool<Scratch>& pool,
                   Op const& op) {
  if constexpr (requires { Exec::on_host; }) {
    static_assert(Exec::on_host,
                  "diffx::denoiser::eigen: these networks work on host memory. Use exec::host or "
                  "exec::threads, or a denoiser of the device with this execution object.");
  }
  exec.for_each_sample((batch + Rows - 1) / Rows, [&](std::int64_t tile) {
    typename scratch_pool<Scratch>::lease const scratch(pool);
    std::int64_t const first = tile * Rows;
    op(*scratch, first, static_cast<index>(std::min<std::int64_t>(Rows, batch - first)));
  });
}

}  // namespace detail
}  // namespace diffx::denoiser::eigen
