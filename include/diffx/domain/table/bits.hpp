#pragma once

#include <diffx/error.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace diffx::domain::table {

/// Bits of a row, either one byte each (0 or 1) or packed into words of 64, or 32: bit i of a row
/// is bit i mod 64, from the lowest, of word i / 64, and every row begins a new word.
///
/// Errors    bits < 1 or > 32, bytes other than 0 and 1, lengths that are no whole rows: throws
///           diffx::error.
inline constexpr int most_bits = 32;

/// Bits that name every one of `categories`: ceil(log2 K), and 1 for a single one.
inline int bits_for(std::int64_t categories) {
  detail::require(categories >= 1 && categories <= std::int64_t{1} << most_bits,
                  "diffx::domain::table::bits_for", "categories",
                  static_cast<long long>(categories), "in [1, 2^32]");
  if (categories == 1) return 1;
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(categories - 1)));
}

/// Writes a code, the highest bit first.
inline void put_bits(std::uint32_t code, std::span<std::uint8_t> out) noexcept {
  for (std::size_t i = out.size(); i-- > 0; code >>= 1) {
    out[i] = static_cast<std::uint8_t>(code & 1u);
  }
}

inline std::uint32_t get_bits(std::span<std::uint8_t const> bits) {
  detail::require(bits.size() >= 1 && bits.size() <= most_bits, "diffx::domain::table::get_bits",
                  "bits", static_cast<long long>(bits.size()), "in [1, 32]");
  std::uint32_t code = 0;
  for (std::uint8_t const b : bits) {
    detail::require(b <= 1, "diffx::domain::table::get_bits", "bit", static_cast<int>(b), "0 or 1");
    code = code << 1 | b;
  }
  return code;
}

template <std::unsigned_integral Word = std::uint64_t>
std::int64_t words_for(std::int64_t row_bits) noexcept {
  return (row_bits + std::numeric_limits<Word>::digits - 1) / std::numeric_limits<Word>::digits;
}

/// [rows x row_bits] bytes into [rows x words_for(row_bits)] words; what is left of a row's last
/// word is 0. process::xor_packed takes words of 32.
template <std::unsigned_integral Word = std::uint64_t>
std::vector<Word> pack_bits(std::span<std::uint8_t const> bits, std::int64_t row_bits) {
  constexpr auto where = "diffx::domain::table::pack_bits";
  detail::require(row_bits >= 1, where, "row_bits", static_cast<long long>(row_bits), "at least 1");
  constexpr std::size_t size = std::numeric_limits<Word>::digits;
  auto const width = static_cast<std::size_t>(row_bits);
  auto const words = static_cast<std::size_t>(words_for<Word>(row_bits));
  detail::require(bits.size() % width == 0, where, "length of the bits",
                  static_cast<long long>(bits.size()), "a multiple of row_bits");
  std::vector<Word> out(bits.size() / width * words);
  for (std::size_t r = 0; r < bits.size() / width; ++r) {
    for (std::size_t i = 0; i < width; ++i) {
      std::uint8_t const b = bits[r * width + i];
      detail::require(b <= 1, where, "bit", static_cast<int>(b), "0 or 1");
      out[r * words + i / size] |= static_cast<Word>(Word{b} << (i % size));
    }
  }
  return out;
}

/// Of a vector or a span of words.
template <class Words>
std::vector<std::uint8_t> unpack_bits(Words const& words, std::int64_t row_bits) {
  using Word = typename Words::value_type;
  static_assert(std::unsigned_integral<Word>);
  constexpr auto where = "diffx::domain::table::unpack_bits";
  detail::require(row_bits >= 1, where, "row_bits", static_cast<long long>(row_bits), "at least 1");
  constexpr std::size_t size = std::numeric_limits<Word>::digits;
  auto const width = static_cast<std::size_t>(row_bits);
  auto const each = static_cast<std::size_t>(words_for<Word>(row_bits));
  detail::require(words.size() % each == 0, where, "length of the words",
                  static_cast<long long>(words.size()), "a multiple of words_for(row_bits)");
  std::vector<std::uint8_t> out(words.size() / each * width);
  for (std::size_t r = 0; r < words.size() / each; ++r) {
    for (std::size_t i = 0; i < width; ++i) {
      out[r * width + i] = static_cast<std::uint8_t>(words[r * each + i / size] >> (i % size) & 1u);
    }
  }
  return out;
}

}  // namespace diffx::domain::table
