#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/error.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/schedule/flip_table.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace diffx::process {

/// process::xor_bernoulli on packed rows: 32 bits to a word, one logit a bit.
///
/// Bit i of a row is bit i mod 32, from the lowest, of word i / 32, as
/// domain::table::pack_bits<std::uint32_t> writes it; what is left of a row's last word is 0. The
/// network is shown the words and gives log p(x0 = 1) / p(x0 = 0) of every bit: the posterior of
/// prediction::x0_posterior, or the law given the other bits of prediction::x0_cavity.
///
/// Flips are exact to 64 binary digits of their probability, draws from a logit to 32. A pass reads
/// every logit once and writes an eighth of a byte a bit. Random numbers are addressed by word and
/// bit: others than those of xor_bernoulli.
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
/// Shapes    states [batch, words], std::uint32_t; logits [batch, bits]; options.fixed a mask like
///           the state.
/// Errors    bits < 1, and those of xor_bernoulli; of a run: rows of other than ceil(bits / 32)
///           words, a bit beyond the row's last in a given state, a logit that is NaN: throws
///           diffx::error.
class xor_packed : public xor_bernoulli {
 public:
  static constexpr std::string_view name = "process::xor_packed";
  static constexpr value_kind values = value_kind::binary;

  xor_packed(schedule::flip_table flips, std::int64_t bits)
      : xor_bernoulli(std::move(flips)), bits_(bits) {
    diffx::detail::require(bits >= 1, "diffx::process::xor_packed", "bits",
                           static_cast<long long>(bits), "at least 1");
  }

  std::int64_t bits() const noexcept { return bits_; }

 private:
  std::int64_t bits_;
};

static_assert(binary_process<xor_packed>);

}  // namespace diffx::process
