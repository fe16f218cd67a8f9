#pragma once

#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// Sizes of networks that exist for the host and for a device; no Eigen.
namespace diffx::denoiser::eigen {

/// Sizes of an mlp.
struct mlp_size {
  std::int64_t features = 0;  // width of a row
  std::int64_t hidden = 128;
  std::int64_t layers = 3;   // residual hidden layers
  std::int64_t classes = 0;  // 0: unconditional; else labels 0 ... classes - 1
};

/// `size`, if it is one of `where`.
inline mlp_size checked(mlp_size size, std::string_view where) {
  auto const check = [&](char const* name, std::int64_t value, std::int64_t least) {
    diffx::detail::require(value >= least, where, name, value, "at least " + std::to_string(least));
  };
  check("features", size.features, 1);
  check("hidden", size.hidden, 1);
  check("layers", size.layers, 0);
  check("classes", size.classes, 0);
  return size;
}

/// Sizes of a transformer of tokens.
struct transformer_size {
  std::int64_t classes = 128;  // a token is one of these, and so many logits a position has
  std::int64_t width = 128;    // of a token inside; a multiple of 2 heads, at most 512
  std::int64_t heads = 4;
  std::int64_t layers = 6;
  std::int64_t block_length = 0;    // 0: all see all; else a position sees up to its block's end
  std::int64_t decoder_layers = 0;  // 0: one network; else an encoder and a decoder, see there

  friend bool operator==(transformer_size const&, transformer_size const&) = default;
};

/// The sizes that a file states in its metadata: classes, width, heads, layers, block_length
/// and, if it has one, decoder_layers.
inline transformer_size transformer_size_of(safetensors const& file) {
  return {file.number("classes"),
          file.number("width"),
          file.number("heads"),
          file.number("layers"),
          file.number("block_length"),
          file.has_metadata("decoder_layers") ? file.number("decoder_layers") : 0};
}

/// `size`, if it is one of `where`.
inline transformer_size checked(transformer_size size, std::string_view where) {
  auto const check = [&](char const* name, std::int64_t value, std::int64_t least) {
    diffx::detail::require(value >= least, where, name, value, "at least " + std::to_string(least));
  };
  check("classes", size.classes, 1);
  check("width", size.width, 1);
  check("heads", size.heads, 1);
  check("layers", size.layers, 0);
  check("block_length", size.block_length, 0);
  check("decoder_layers", size.decoder_layers, 0);
  diffx::detail::require(size.decoder_layers <= size.layers, where, "decoder_layers",
                         size.decoder_layers, "at most layers");
  if (size.decoder_layers > 0) check("block_length of a decoder", size.block_length, 1);
  diffx::detail::require(size.width % (2 * size.heads) == 0, where, "width", size.width,
                         "a multiple of 2 heads");
  return size;
}

}  // namespace diffx::denoiser::eigen
