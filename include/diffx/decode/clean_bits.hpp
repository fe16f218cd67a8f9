#pragma once

#include <diffx/config.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>

namespace diffx::decode {

/// Which output of a network of bits tells the clean ones.
enum class bit_source : std::uint8_t {
  target,     // logits of the clean bits
  mask,       // logits of the bits that are flipped
  half_half,  // the mask where t < T / 2, the target before that
};

/// The likeliest clean bit of every noisy one, by a threshold:
///
///     target: x0 = [sigmoid(logit) > threshold]
///     mask:   x0 = x xor [sigmoid(logit) > threshold]
///
/// A network with both outputs gives [D target logits | D mask logits].
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
/// Errors    check(): a threshold outside (0, 1) throws diffx::error.
struct clean_bits {
  static constexpr std::string_view name = "decode::clean_bits";
  static constexpr std::string_view source = "arXiv:2409.13882";

  bit_source from = bit_source::target;
  double threshold = 0.5;

  /// Whether step t = 0 ... T - 1 reads the mask.
  constexpr bool reads_mask(int t, int steps) const noexcept {
    return from == bit_source::mask || (from == bit_source::half_half && t < steps - t);
  }
  /// The logit at which the sigmoid is the threshold.
  double limit() const noexcept { return std::log(threshold) - std::log1p(-threshold); }

  template <class T>
  DIFFX_HD static constexpr std::uint8_t bit(std::uint8_t x, T logit, T limit,
                                             bool reads_mask) noexcept {
    auto const on = static_cast<unsigned>(logit > limit);
    return static_cast<std::uint8_t>(reads_mask ? x ^ on : on);
  }

  void check() const {
    detail::require(threshold > 0.0 && threshold < 1.0, "diffx::decode::clean_bits", "threshold",
                    threshold, "in (0, 1)");
  }
};

}  // namespace diffx::decode
