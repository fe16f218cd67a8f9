#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/eigen/attention_block.hpp>
#include <diffx/denoiser/eigen/embedding.hpp>
#include <diffx/denoiser/eigen/layers.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/labels.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace diffx::denoiser::eigen {

/// Sizes of an attention denoiser.
struct attention_size {
  std::int64_t tokens = 0;  // a row is [tokens, dim]
  std::int64_t dim = 0;
  std::int64_t width = 64;  // of a token inside; a multiple of heads, at most 512
  std::int64_t heads = 4;
  std::int64_t blocks = 2;
  std::int64_t classes = 0;  // 0: unconditional; else labels 0 ... classes - 1
};

/// A small transformer over the tokens of a row, told the time and, if it has classes, a label.
///
///     e  = embedding of time and label
///     h  = in(x) + position                                               [tokens, width]
///     h  = block(h, e), an attention_block, several times
///     out = out(norm(h))
///
/// norm is a layer norm over the width of one token. Tensors: position [tokens, width], in [width,
/// dim], out [dim, width], norm [width], all but position with .weight and .bias; block.<i> and
/// those of the embedding.
///
/// Shapes    x, out [batch, tokens * dim]; t = q.at.t.
/// Requires  host memory; one object may be called from several threads. A row's result does not
///           depend on the batch around it.
/// Errors    sizes below 1, a width that heads does not divide, a tensor of another shape, a view
///           of another width or batch, a sample without a label: throws diffx::error.
template <prediction_policy Prediction>
class attention {
 public:
  Prediction prediction{};
  static constexpr int branches = 2;

  /// `source` is a safetensors object, random_weights, or anything with tensor(name, shape).
  template <class Source>
  attention(attention_size size, Source const& source, denoiser::labels wanted = {},
            Prediction predicted = {})
      : prediction(predicted),
        net_(std::make_shared<network>(checked(size), source)),
        labels_(std::move(wanted)) {}

  template <class Exec, class T>
  void operator()(Exec const& exec, batch_view<T const> x, query const& q,
                  batch_view<T> out) const {
    constexpr auto where = "diffx::denoiser::eigen::attention";
    network const& net = *net_;
    index const row = net.size.tokens * net.size.dim;
    detail::require_features(x, row, where);
    detail::require_features(out, row, where);
    diffx::detail::require(x.batch == out.batch, where, "batch of the output",
                           static_cast<long long>(out.batch), "the batch of the input");
    detail::for_each_tile<tile>(
        exec, x.batch, net.pool, [&](scratch& s, std::int64_t first, index rows) {
          auto const emb =
              net.told(s.told, q.at.t, labels_, q.branch, x.first_sample + first, rows, tile);
          matrix_map input = s.x.get(net.size.dim, net.size.tokens * tile);
          input.setZero();
          std::transform(x.row(first), x.row(first) + rows * row, input.data(),
                         [](T value) { return static_cast<float>(value); });
          net.forward(s, emb, input);
          std::transform(input.data(), input.data() + rows * row, out.row(first),
                         [](float value) { return static_cast<T>(value); });
        });
  }

 private:
  static constexpr int tile = 4;  // rows that go through the layers together

  struct scratch {
    embedding::scratch told;
    attention_block::scratch block;
    buffer x, h, normed, scores;
  };

  struct network {
    template <class Source>
    network(attention_size sizes, Source const& s)
        : size(sizes),
          told(s, sizes.width, sizes.classes, "diffx::denoiser::eigen::attention"),
          in(s, "in", sizes.dim, sizes.width),
          norm(s, "norm", sizes.width, 1),
          out(s, "out", sizes.width, sizes.dim) {
      auto const& p = s.tensor("position", {size.tokens, size.width});
      position = Eigen::Map<matrix const>(p.data(), size.width, size.tokens);
      for (std::int64_t i = 0; i < size.blocks; ++i) {
        blocks.emplace_back(s, "block." + std::to_string(i), size.width);
      }
    }

    void forward(scratch& s, const_matrix_map const& emb, matrix_map& x) const {
      index const width = size.width, tokens = size.tokens, columns = tile * tokens;
      matrix_map h = s.h.get(width, columns);
      in(x, h);
      for (index i = 0; i < tile; ++i) h.middleCols(i * tokens, tokens) += position;
      for (attention_block const& b : blocks) {
        b(s.block, emb, tokens, h, [&](float const* qkv, float* mixed) {
          attend(qkv, tile, tokens, width, size.heads, mixed, s.scores);
        });
      }
      matrix_map normed = s.normed.get(width, columns);
      norm.template apply<false>(h.data(), columns, 1, normed.data());
      out(normed, x);
    }

    attention_size size;
    embedding told;
    matrix position;  // [width, tokens]
    linear in;
    std::vector<attention_block> blocks;
    group_norm norm;
    linear out;
    mutable scratch_pool<scratch> pool;
  };

  static attention_size checked(attention_size size) {
    constexpr auto where = "diffx::denoiser::eigen::attention";
    auto const check = [&](char const* name, std::int64_t value, std::int64_t least) {
      diffx::detail::require(value >= least, where, name, static_cast<long long>(value),
                             "at least " + std::to_string(least));
    };
    check("tokens", size.tokens, 1);
    check("dim", size.dim, 1);
    check("width", size.width, 1);
    check("heads", size.heads, 1);
    check("blocks", size.blocks, 0);
    check("classes", size.classes, 0);
    diffx::detail::require(size.width % size.heads == 0, where, "width",
                           static_cast<long long>(size.width), "a multiple of heads");
    return size;
  }

  std::shared_ptr<network const> net_;
  denoiser::labels labels_;
};

}  // namespace diffx::denoiser::eigen
