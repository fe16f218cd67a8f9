#pragma once

#include <diffx/config.hpp>
#include <diffx/denoiser/cublas/rows.hpp>
#include <diffx/denoiser/eigen/scalars.hpp>
#include <diffx/detail/exp.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

/// What a network does between its matrix products, one kernel each: function objects of tiles,
/// samples or rows. Activations are [columns, width], the channels of one column next to each
/// other, as in denoiser::eigen.
namespace diffx::denoiser::cublas {

/// to_i = value_i: numbers that travel as arguments of a kernel, so that a graph records them.
struct features_op {
  float value[eigen::time_features];
  float* to;
  DIFFX_HD void operator()(std::int64_t i) const { to[i] = value[i]; }
};

/// y += bias (+ residual), then SiLU if asked for.
template <bool Silu>
struct shift_op {
  float* y;
  float const* bias;
  float const* residual;  // may be none
  std::int64_t width;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    for (std::int64_t c = first; c < first + n; ++c) {
      std::int64_t const e = column * width + c;
      float v = y[e] + bias[c];
      if (residual != nullptr) v += residual[e];
      y[e] = Silu ? eigen::silu(v) : v;
    }
  }
};

/// The labels of a call. No labels of samples are `none` for all of them.
struct label_view {
  int const* of = nullptr;  // one a sample, or one for all
  std::int64_t count = 0;
  std::int64_t first = 0;  // global index of the sample of row 0
  int none = 0;            // row of the table that stands for no class

  DIFFX_HD int operator()(std::int64_t row) const noexcept {
    if (count == 0) return none;
    int const label = of[count == 1 ? 0 : first + row];
    return label < 0 ? none : label;
  }
};

/// e = silu(told (+ table[label])), a row for every sample.
struct label_op {
  float const* told;
  float const* table;  // may be none
  label_view labels;
  float* e;
  std::int64_t width;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
    float const* const own = table == nullptr ? nullptr : table + labels(sample) * width;
    for (std::int64_t c = first; c < first + n; ++c) {
      float const v = own == nullptr ? told[c] : told[c] + own[c];
      e[sample * width + c] = eigen::silu(v);
    }
  }
};

/// y += e of the column's sample.
struct add_op {
  float* y;
  float const* e;
  std::int64_t columns;  // of a sample
  std::int64_t width;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    float const* const own = e + column / columns * width;
    for (std::int64_t c = first; c < first + n; ++c) y[column * width + c] += own[c];
  }
};

/// Mean 0 and variance 1 within each group of channels of each sample, then scale and shift of each
/// channel, then SiLU if asked for; eps = 1e-5, biased variance. One group of one column is a layer
/// norm. x == y is allowed.
template <bool Silu, bool Whole>
struct norm_op {
  static constexpr bool whole = Whole;
  float const* x;
  float* y;
  float const* scale;
  float const* shift;
  int channels, groups;
  int columns;  // of a sample

  template <class Part>
  DIFFX_HD void row(std::int64_t i, bool live, Part const& part) const {
    int const width = channels / groups, count = live ? width * columns : 0;
    int const group = static_cast<int>(i % groups) * width;
    std::int64_t const base = i / groups * columns * channels + group;
    float const inverse = 1.0f / static_cast<float>(width * columns);
    float sum = 0.0f;
    for (int e = part.first(); e < count; e += part.step()) sum += x[base + place(e, width)];
    // Rounded by themselves: with one thread a row both shapes have the same bits.
    float const mean = diffx::detail::rounded_product(part.sum(sum), inverse);
    float squares = 0.0f;
    for (int e = part.first(); e < count; e += part.step()) {
      float const d = x[base + place(e, width)] - mean;
      squares = diffx::detail::fma(d, d, squares);
    }
    float const variance = diffx::detail::fma(part.sum(squares), inverse, 1e-5f);
    float const deviation = 1.0f / std::sqrt(variance);
    for (int e = part.first(); e < count; e += part.step()) {
      int const c = group + e % width;
      std::int64_t const at = base + place(e, width);
      float const v = diffx::detail::fma((x[at] - mean) * deviation, scale[c], shift[c]);
      y[at] = Silu ? eigen::silu(v) : v;
    }
  }

 private:
  DIFFX_HD std::int64_t place(int e, int width) const noexcept {
    return static_cast<std::int64_t>(e / width) * channels + e % width;
  }
};

/// Rows of scores become weights: exp(scale (s_j - max)) / sum over what the row's query sees.
struct softmax_op {
  static constexpr bool whole = false;
  static constexpr float least = -std::numeric_limits<float>::infinity();
  float* s;
  float scale;
  int tokens;
  int block_length;  // 0: a query sees all; else up to the end of its block

  template <class Part>
  DIFFX_HD void row(std::int64_t i, bool live, Part const& part) const {
    int const query = static_cast<int>(i % tokens);
    int const end = (query / (block_length > 0 ? block_length : 1) + 1) * block_length;
    int const seen = !live ? 0 : block_length > 0 && end < tokens ? end : tokens;
    float* const w = s + i * tokens;
    float top = least;
    for (int j = part.first(); j < seen; j += part.step()) top = w[j] > top ? w[j] : top;
    top = part.most(top);
    float sum = 0.0f;
    for (int j = part.first(); j < seen; j += part.step()) {
      w[j] = diffx::detail::exp((w[j] - top) * scale);
      sum += w[j];
    }
    float const inverse = 1.0f / part.sum(sum);
    for (int j = part.first(); j < (live ? tokens : 0); j += part.step()) {
      w[j] = j < seen ? w[j] * inverse : 0.0f;
    }
  }
};

/// What a product made of q, k and v, [samples * tokens, 3 width], with its bias, as
/// [q, k, v][samples][heads][tokens][d]: one product then takes all heads of all samples.
///
/// With turns, q and k are rotated: of the d channels of a head, (c, c + d / 2) by the angle of
/// cos and sin [tokens, d / 2] each, side by side.
struct split_op {
  float const* qkv;
  float const* bias;
  float const* turns;  // may be none
  float* to;
  std::int64_t samples, tokens, width, heads;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    std::int64_t const sample = column / tokens, token = column - sample * tokens;
    std::int64_t const d = width / heads, half = d / 2;
    float const* const from = qkv + column * 3 * width;
    for (std::int64_t i = first; i < first + n; ++i) {
      std::int64_t const kind = i / width, head = (i - kind * width) / d, c = i % d;
      float v = from[i] + bias[i];
      if (turns != nullptr && kind < 2) {
        float const* const turn = turns + token * d;
        bool const low = c < half;
        std::int64_t const j = low ? i + half : i - half, k = low ? c : c - half;
        float const other = from[j] + bias[j];
        float const sine = low ? -turn[half + k] : turn[half + k];
        v = diffx::detail::fma(v, turn[k], other * sine);
      }
      to[(((kind * samples + sample) * heads + head) * tokens + token) * d + c] = v;
    }
  }
};

/// [samples][heads][tokens][d] back to [samples * tokens, width].
struct merge_op {
  float const* from;
  float* to;
  std::int64_t tokens, width, heads;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    std::int64_t const sample = column / tokens, token = column - sample * tokens;
    std::int64_t const d = width / heads;
    for (std::int64_t i = first; i < first + n; ++i) {
      std::int64_t const head = i / d;
      to[column * width + i] = from[((sample * heads + head) * tokens + token) * d + i - head * d];
    }
  }
};

/// The 3x3 windows of square images, one zero pixel of padding: [images * out^2, 9 channels],
/// (ky * 3 + kx) * channels + channel.
struct window_op {
  float const* x;
  float* windows;
  std::int64_t channels, size, out, stride;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    std::int64_t const image = column / (out * out), pixel = column - image * out * out;
    std::int64_t const top = pixel / out * stride - 1, left = pixel % out * stride - 1;
    for (std::int64_t i = first; i < first + n; ++i) {
      std::int64_t const k = i / channels, y = top + k / 3, x_at = left + k % 3;
      bool const inside = y >= 0 && y < size && x_at >= 0 && x_at < size;
      windows[column * 9 * channels + i] =
          inside ? x[((image * size + y) * size + x_at) * channels + i - k * channels] : 0.0f;
    }
  }
};

/// Doubles both sides of square images by repeating pixels; `size` is the side before.
struct upsample_op {
  float const* x;
  float* y;
  std::int64_t channels, size;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    std::int64_t const side = 2 * size, row = column / side, image = row / side;
    std::int64_t const from =
        (image * size + (row - image * side) / 2) * size + (column - row * side) / 2;
    for (std::int64_t c = first; c < first + n; ++c) {
      y[column * channels + c] = x[from * channels + c];
    }
  }
};

/// The channels of a before the channels of b, column by column.
struct concatenate_op {
  float const* a;
  float const* b;
  float* y;
  std::int64_t a_channels, b_channels;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    for (std::int64_t c = first; c < first + n; ++c) {
      y[column * (a_channels + b_channels) + c] =
          c < a_channels ? a[column * a_channels + c] : b[column * b_channels + c - a_channels];
    }
  }
};

/// Images of 28 x 28 to those inside the U-Net, or back.
template <bool Inwards>
struct unshuffle_op {
  float const* from;
  float* to;

  DIFFX_HD void operator()(std::int64_t image, std::int64_t first, int n) const {
    for (std::int64_t p = first; p < first + n; ++p) {
      std::int64_t const outer = image * 784 + p, inner = image * 784 + eigen::unet_place(p);
      to[Inwards ? inner : outer] = from[Inwards ? outer : inner];
    }
  }
};

/// h = token[x] (+ told). A token that is no class becomes NaN: on a device nobody can be told.
template <class Code>
struct token_op {
  static constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Code const* x;
  float const* table;
  float const* told;  // may be none
  float* h;
  std::int64_t classes, width;

  DIFFX_HD void operator()(std::int64_t column, std::int64_t first, int n) const {
    auto const token = static_cast<std::int64_t>(x[column]);
    float const* const own = token >= 0 && token < classes ? table + token * width : nullptr;
    for (std::int64_t c = first; c < first + n; ++c) {
      float const v = own == nullptr ? nan : own[c];
      h[column * width + c] = told == nullptr ? v : v + told[c];
    }
  }
};

}  // namespace diffx::denoiser::cublas
