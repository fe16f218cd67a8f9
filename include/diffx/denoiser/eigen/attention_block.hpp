#pragma once

#include <diffx/denoiser/eigen/layers.hpp>

#include <string>

namespace diffx::denoiser::eigen {

/// One block of a transformer that is told the time, layer norm first:
///
///     h += proj(attend(qkv(norm1(h) + emb(e))))
///     h += b(silu(a(norm2(h))))
///
/// Tensors under its name: norm1, norm2 [width], .emb, .proj [width, width], .qkv [3 width, width],
/// .a [2 width, width], .b [width, 2 width], each with .weight and .bias.
class attention_block {
 public:
  struct scratch {
    buffer emb, normed, qkv, mixed;
  };

  template <class Source>
  attention_block(Source const& s, std::string const& name, index width)
      : norm1_(s, name + ".norm1", width, 1),
        emb_(s, name + ".emb", width, width),
        qkv_(s, name + ".qkv", width, 3 * width),
        proj_(s, name + ".proj", width, width),
        norm2_(s, name + ".norm2", width, 1),
        a_(s, name + ".a", width, 2 * width),
        b_(s, name + ".b", 2 * width, width) {}

  /// h [width, samples * tokens], e [width, samples]. attend(qkv, out) mixes the tokens of every
  /// sample, qkv [3 width, samples * tokens], out [width, samples * tokens].
  template <class Attend>
  void operator()(scratch& s, const_matrix_map const& e, index tokens, matrix_map& h,
                  Attend const& attend) const {
    index const width = h.rows(), columns = h.cols(), samples = e.cols();
    matrix_map normed = s.normed.get(width, columns);
    matrix_map told = s.emb.get(width, samples);
    norm1_.template apply<false>(h.data(), columns, 1, normed.data());
    emb_(e, told);
    for (index i = 0; i < samples; ++i) {
      normed.middleCols(i * tokens, tokens).colwise() += told.col(i);
    }
    matrix_map qkv = s.qkv.get(3 * width, columns);
    qkv_(normed, qkv);
    matrix_map mixed = s.mixed.get(width, columns);
    attend(qkv.data(), mixed.data());
    proj_.add(mixed, h);
    norm2_.template apply<false>(h.data(), columns, 1, normed.data());
    matrix_map inner = s.qkv.get(2 * width, columns);
    a_(normed, inner);
    silu(inner.array());
    b_.add(inner, h);
  }

 private:
  group_norm norm1_;
  linear emb_, qkv_, proj_;
  group_norm norm2_;
  linear a_, b_;
};

}  // namespace diffx::denoiser::eigen
