#pragma once

#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace diffx::analysis {

/// A symbol's share of the 2^bits slots of a coder: slots [start, start + width), width >= 1.
struct slot_range {
  std::uint32_t start = 0;
  std::uint32_t width = 0;
};

inline constexpr int max_code_bits = 31;

/// Shares of 2^bits slots in proportion to softmax(logits): every class but `excluded` gets at
/// least one, so that anything can be coded; what rounding leaves goes to the likeliest class.
///
///     n_v = 1 + floor(w_v (2^bits - C) / sum w),   w_v = 2^(log2(e) (l_v - max l)) in 31-bit fixed
///     point, C = the number of classes that are not excluded
///
/// The only floating-point operations are a difference and a product, each rounded once and
/// never fused: equal logits give equal shares on every target and compiler. A class costs about
/// C / 2^bits nats more than under the softmax itself, and at most log(2^bits).
///
/// Shapes    logits, out: [classes].
/// Requires  bits in [1, 31], 2^bits >= classes.
/// Errors    none: returns false if the row is no distribution (NaN, +inf, or -inf alone).
template <class T>
bool slot_widths(std::span<T const> logits, int excluded, int bits,
                 std::span<std::uint32_t> out) noexcept {
  constexpr std::uint64_t one = std::uint64_t{1} << 32;
  constexpr std::uint64_t ln2 = 2977044472;  // ln(2) 2^32
  constexpr double units = 1.44269504088896340736 * 0x1p32;
  auto const classes = static_cast<int>(logits.size());
  auto const at = [](int v) { return static_cast<std::size_t>(v); };
  double largest = -std::numeric_limits<double>::infinity();
  int likeliest = -1;
  for (int v = 0; v < classes; ++v) {
    auto const l = detail::widened<double>(logits[at(v)]);
    if (v == excluded) continue;
    if (!(l < std::numeric_limits<double>::infinity())) return false;
    if (l > largest) {
      largest = l;
      likeliest = v;
    }
  }
  if (likeliest < 0) return false;
  std::uint64_t total = 0, coded = 0;
  for (int v = 0; v < classes; ++v) {
    out[at(v)] = 0;
    if (v == excluded) continue;
    ++coded;
    double const below = (largest - detail::widened<double>(logits[at(v)])) * units;
    if (!(below < 32 * 0x1p32)) continue;
    auto const n = static_cast<std::uint64_t>(below);
    // e^-g for the fraction g of a factor of two: 0.7^13 / 13! is below 2^-38.
    std::uint64_t const g = (n % one) * ln2 >> 32;
    std::uint64_t e = one;
    for (std::uint64_t k = 12; k >= 1; --k) e = one - (g * e >> 32) / k;
    out[at(v)] = static_cast<std::uint32_t>(e >> 1 >> (n / one));
    total += out[at(v)];
  }
  std::uint64_t const slots = std::uint64_t{1} << bits, shared = slots - coded;
  std::uint64_t given = 0;
  for (int v = 0; v < classes; ++v) {
    if (v == excluded) continue;
    std::uint64_t const share = 1 + out[at(v)] * shared / total;
    out[at(v)] = static_cast<std::uint32_t>(share);
    given += share;
  }
  out[at(likeliest)] += static_cast<std::uint32_t>(slots - given);
  return true;
}

/// The slots of one class.
inline slot_range slots_of(std::span<std::uint32_t const> widths, int symbol) noexcept {
  std::uint32_t start = 0;
  for (int v = 0; v < symbol; ++v) start += widths[static_cast<std::size_t>(v)];
  return {start, widths[static_cast<std::size_t>(symbol)]};
}

/// The class that a slot belongs to, in [0, 2^bits), and its slots.
inline std::pair<int, slot_range> symbol_of(std::span<std::uint32_t const> widths,
                                            std::uint32_t slot) noexcept {
  std::uint32_t start = 0;
  int v = 0;
  while (slot - start >= widths[static_cast<std::size_t>(v)]) {
    start += widths[static_cast<std::size_t>(v++)];
  }
  return {v, {start, widths[static_cast<std::size_t>(v)]}};
}

/// Asymmetric numeral system with ranges, a stack of symbols in one integer that spills bytes:
///
///     push   x' = floor(x / width) 2^bits + start + x mod width
///     pop    slot = x mod 2^bits,   x' = width floor(x / 2^bits) + slot - start
///
/// The state stays in [2^48, 2^56): a symbol costs log2(2^bits / width) bits up to 2^-16 of itself,
/// a stream 7 bytes more. The last symbol pushed is the first one popped.
///
/// Source    Duda 2013, arXiv:1311.2540.
/// Requires  bits in [1, 31], 1 <= width, start + width <= 2^bits.
/// Errors    none.
class rans_encoder {
 public:
  explicit rans_encoder(int bits) : bits_(bits) {}

  void push(slot_range s) {
    std::uint64_t const full = (lowest >> bits_ << 8) * s.width;
    while (x_ >= full) spill();
    x_ = (x_ / s.width << bits_) + s.start + x_ % s.width;
  }

  /// The stream, as the decoder reads it. The encoder is empty afterwards.
  std::vector<std::uint8_t> finish() {
    for (int i = 0; i < 7; ++i) spill();
    x_ = lowest;
    std::vector<std::uint8_t> out(bytes_.rbegin(), bytes_.rend());
    bytes_.clear();
    return out;
  }

 private:
  friend class rans_decoder;
  static constexpr std::uint64_t lowest = std::uint64_t{1} << 48;

  void spill() {
    bytes_.push_back(static_cast<std::uint8_t>(x_ & 255));
    x_ >>= 8;
  }

  int bits_;
  std::uint64_t x_ = lowest;
  std::vector<std::uint8_t> bytes_;
};

/// The other side: slot(), then pop() with the range that holds it, as often as push() was called,
/// then finish(). Decoding inverts encoding, so a stream that finish() accepts is the stream that
/// encoding the popped symbols gives: damage is found there, up to chance 2^-48.
///
/// Requires  as rans_encoder, and pop's range holds the slot; bytes outlive the decoder.
/// Errors    a stream that ends early, starts with what no encoder leaves, or has more than was
///           popped: throws diffx::error.
class rans_decoder {
 public:
  rans_decoder(std::span<std::uint8_t const> bytes, int bits) : bytes_(bytes), bits_(bits) {
    for (int i = 0; i < 7; ++i) fill();
    if (x_ < rans_encoder::lowest) {
      detail::fail("diffx::analysis::rans_decoder: the stream starts with no state of a coder");
    }
  }

  std::uint32_t slot() const noexcept {
    return static_cast<std::uint32_t>(x_ & ((std::uint64_t{1} << bits_) - 1));
  }

  void pop(slot_range s) {
    x_ = s.width * (x_ >> bits_) + slot() - s.start;
    while (x_ < rans_encoder::lowest) fill();
  }

  void finish() const {
    if (next_ != bytes_.size() || x_ != rans_encoder::lowest) {
      detail::fail(
          "diffx::analysis::rans_decoder: the stream does not end with its last symbol: it is "
          "damaged, or was written with other probabilities");
    }
  }

 private:
  void fill() {
    if (next_ == bytes_.size()) {
      detail::fail("diffx::analysis::rans_decoder: the stream ends after " + detail::text(next_) +
                   " bytes, before its last symbol");
    }
    x_ = x_ << 8 | bytes_[next_++];
  }

  std::span<std::uint8_t const> bytes_;
  std::size_t next_ = 0;
  int bits_;
  std::uint64_t x_ = 0;
};

}  // namespace diffx::analysis
