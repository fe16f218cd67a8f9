#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace diffx::domain::text {

/// Tokens written with a fixed number of digits, the lowest first, so that a large vocabulary
/// becomes a longer text of few classes ("dimension splitting"):
///
///     digit j of token v = v / base^j mod base
///
/// Source    Jo & Hwang 2025, arXiv:2502.11564: base 3 and 10 digits for 30522 tokens.
/// Shapes    [tokens] and [tokens x digits].
/// Errors    base < 2, digits < 1, more than 2^31 - 1 words, spans that do not fit, a token or
///           digit out of range: throws diffx::error.
class base_n {
 public:
  base_n(int base, int digits) : base_(base), digits_(digits) {
    detail::require(base >= 2, where, "base", base, "at least 2");
    detail::require(digits >= 1, where, "digits", digits, "at least 1");
    for (int j = 0; j < digits; ++j) {
      size_ *= base;
      detail::require(size_ <= largest, where, "base^digits", static_cast<long long>(size_),
                      "at most 2^31");
    }
  }

  /// As few digits as name every token of a vocabulary.
  static base_n of_vocabulary(int tokens, int base) {
    detail::require(tokens >= 1, where, "tokens", tokens, "at least 1");
    detail::require(base >= 2, where, "base", base, "at least 2");
    int digits = 1;
    for (std::int64_t size = base; size < tokens; size *= base) ++digits;
    return {base, digits};
  }

  int base() const noexcept { return base_; }
  int digits() const noexcept { return digits_; }
  /// Words that the digits name; some may be no tokens of the vocabulary.
  std::int64_t size() const noexcept { return size_; }

  template <class Token, class Digit>
  void encode(std::span<Token const> tokens, std::span<Digit> digits) const {
    require_lengths(tokens.size(), digits.size());
    std::size_t at = 0;
    for (Token const token : tokens) {
      auto rest = static_cast<std::int64_t>(token);
      detail::require(rest >= 0 && rest < size_, where, "token", static_cast<long long>(rest),
                      "in [0, base^digits)");
      for (int j = 0; j < digits_; ++j, rest /= base_) {
        digits[at++] = static_cast<Digit>(rest % base_);
      }
    }
  }

  template <class Digit, class Token>
  void decode(std::span<Digit const> digits, std::span<Token> tokens) const {
    require_lengths(tokens.size(), digits.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<Token>(word(digits.subspan(i * width(), width())));
    }
  }

  /// The whole tokens of a text of digits from the first place on where `first` is spelled out, at
  /// any offset; of all of it if it is nowhere. What is left over at the end is dropped.
  template <class Digit>
  std::vector<std::int32_t> tokens_from(std::span<Digit const> digits, std::int32_t first) const {
    std::vector<Digit> pattern(width());
    encode(std::span<std::int32_t const>(&first, 1), std::span<Digit>(pattern));
    auto const found = std::search(digits.begin(), digits.end(), pattern.begin(), pattern.end());
    std::size_t const skipped =
        found == digits.end() ? 0 : static_cast<std::size_t>(found - digits.begin());
    std::vector<std::int32_t> tokens((digits.size() - skipped) / width());
    decode(digits.subspan(skipped, tokens.size() * width()), std::span<std::int32_t>(tokens));
    return tokens;
  }

 private:
  static constexpr auto where = "diffx::domain::text::base_n";
  static constexpr std::int64_t largest = std::int64_t{1} << 31;

  std::size_t width() const noexcept { return static_cast<std::size_t>(digits_); }

  void require_lengths(std::size_t tokens, std::size_t digits) const {
    detail::require(digits == tokens * width(), where, "length of the digits",
                    static_cast<long long>(digits), "that of the tokens times digits()");
  }

  template <class Digit>
  std::int64_t word(std::span<Digit const> digits) const {
    std::int64_t value = 0;
    for (std::size_t j = digits.size(); j-- > 0;) {
      auto const digit = static_cast<std::int64_t>(digits[j]);
      detail::require(digit >= 0 && digit < base_, where, "digit", static_cast<long long>(digit),
                      "in [0, base)");
      value = value * base_ + digit;
    }
    return value;
  }

  int base_;
  int digits_;
  std::int64_t size_ = 1;
};

}  // namespace diffx::domain::text
