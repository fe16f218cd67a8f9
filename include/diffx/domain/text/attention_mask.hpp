#pragma once

#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// Which position may attend to which, for networks of blocks of text: 1 in [queries, keys] where a
/// query sees a key. Blocks are counted from position 0; the last one may be shorter.
namespace diffx::domain::text {

namespace mask_detail {

inline void check_blocks(std::string_view where, int positions, int block) {
  diffx::detail::require(positions >= 1, where, "positions", positions, "at least 1");
  diffx::detail::require(block >= 1, where, "block", block, "at least 1");
}

/// [rows, columns], where sees(row, column) says so.
template <class F>
std::vector<std::uint8_t> mask_of(int rows, int columns, F const& sees) {
  std::vector<std::uint8_t> out;
  out.reserve(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) out.push_back(sees(i, j) ? 1 : 0);
  }
  return out;
}

}  // namespace mask_detail

/// A position sees its own block and those before: the mask a network of blocks is called with, and
/// that of an encoder of clean text.
///
/// Source    Arriola et al. 2025 (BD3-LM), arXiv:2503.09573.
/// Shapes    [positions, positions].
/// Errors    positions < 1 or block < 1 throws diffx::error.
inline std::vector<std::uint8_t> block_causal_mask(int positions, int block) {
  mask_detail::check_blocks("diffx::domain::text::block_causal_mask", positions, block);
  return mask_detail::mask_of(positions, positions,
                              [block](int i, int j) { return j / block <= i / block; });
}

/// All blocks of a text at once: the first half of the input is the noisy text, the second half the
/// clean one. A noisy block sees itself and the clean blocks before it; a clean one sees itself and
/// those before it. One call then gives what the network says of every block after clean text.
///
/// Source    Arriola et al. 2025 (BD3-LM), arXiv:2503.09573.
/// Shapes    [2 positions, 2 positions].
/// Errors    positions < 1 or block < 1 throws diffx::error.
inline std::vector<std::uint8_t> noisy_and_clean_mask(int positions, int block) {
  mask_detail::check_blocks("diffx::domain::text::noisy_and_clean_mask", positions, block);
  return mask_detail::mask_of(2 * positions, 2 * positions, [=](int i, int j) {
    bool const noisy_query = i < positions, noisy_key = j < positions;
    int const query = i % positions / block, key = j % positions / block;
    if (noisy_query) return noisy_key ? key == query : key < query;
    return !noisy_key && key <= query;
  });
}

/// A decoder beside an encoder of clean text: the first half of the keys is the encoder's, the
/// second half the noisy text. A block sees the encoded blocks before it and its own noisy one.
///
/// Source    Arriola et al. 2025 (E2D2), arXiv:2510.22852.
/// Shapes    [positions, 2 positions].
/// Errors    positions < 1 or block < 1 throws diffx::error.
inline std::vector<std::uint8_t> decoder_mask(int positions, int block) {
  mask_detail::check_blocks("diffx::domain::text::decoder_mask", positions, block);
  return mask_detail::mask_of(positions, 2 * positions, [=](int i, int j) {
    int const query = i / block, key = j % positions / block;
    return j < positions ? key < query : key == query;
  });
}

}  // namespace diffx::domain::text
