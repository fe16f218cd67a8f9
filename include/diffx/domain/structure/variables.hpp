#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/domain/table/one_hot.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::structure {

/// The variables of a problem as one row of numbers, all of which get Gaussian noise:
///
///     [numbers | one-hot of class 1 | one-hot of class 2 | ...]
///
/// Variable v is number v for v < numbers(), else class v - numbers(). Reading takes numbers as
/// they are and of every block the largest entry, of equal ones the first; what was observed comes
/// back as it was. Host only.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633.
/// Shapes    numbers [rows, numbers()], codes [rows, classes()], x [rows, features()]; masks of
///           variables [rows, size()], of features [rows, features()].
/// Errors    fewer than 0 numbers, no variable at all, a class of fewer than 2 options, shapes that
///           do not fit, a code outside its options, a number that is not finite, NaN in a block,
///           an observed block that is not one-hot: throws diffx::error.
class variables {
 public:
  static constexpr std::string_view name = "domain::structure::variables";
  static constexpr std::string_view source = "arXiv:2210.11633";

  variables(int numbers, std::vector<int> options)
      : numbers_(numbers), options_(checked(std::move(options))), blocks_(options_) {
    detail::require(numbers >= 0, where, "numbers", numbers, "at least 0");
    detail::require(size() >= 1, where, "variables", size(), "at least 1");
  }

  int numbers() const noexcept { return numbers_; }
  int classes() const noexcept { return static_cast<int>(options_.size()); }
  int size() const noexcept { return numbers_ + classes(); }
  std::int64_t features() const noexcept { return numbers_ + blocks_.width(); }
  /// Options of a variable; 0: it is a number.
  int options(int variable) const {
    check(variable);
    return variable < numbers_ ? 0 : options_[static_cast<std::size_t>(variable - numbers_)];
  }
  /// Its first feature, and how many there are.
  std::int64_t offset(int variable) const {
    check(variable);
    if (variable < numbers_) return variable;
    return numbers_ + blocks_.offset(static_cast<std::size_t>(variable - numbers_));
  }
  int width(int variable) const { return variable < numbers_ ? 1 : options(variable); }

  template <class Number, class Code, class T>
  void write(batch_view<Number const> numbers, batch_view<Code const> codes,
             batch_view<T> x) const {
    check_shapes(numbers, codes, x);
    std::vector<T> block(static_cast<std::size_t>(x.batch * blocks_.width()));
    blocks_.write(codes, batch_view<T>{block.data(), x.batch, blocks_.width()});
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t j = 0; j < numbers_; ++j) {
        if (!std::isfinite(numbers.row(i)[j])) refuse(i, j, "a number that is not finite");
        x.row(i)[j] = static_cast<T>(numbers.row(i)[j]);
      }
      for (std::int64_t j = 0; j < blocks_.width(); ++j) {
        x.row(i)[numbers_ + j] = block[static_cast<std::size_t>(i * blocks_.width() + j)];
      }
    }
  }

  template <class T, class Number, class Code>
  void read(batch_view<T const> x, batch_view<Number> numbers, batch_view<Code> codes) const {
    check_shapes(numbers, codes, x);
    std::vector<T> block(static_cast<std::size_t>(x.batch * blocks_.width()));
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (std::int64_t j = 0; j < numbers_; ++j) {
        numbers.row(i)[j] = static_cast<Number>(x.row(i)[j]);
      }
      for (std::int64_t j = 0; j < blocks_.width(); ++j) {
        block[static_cast<std::size_t>(i * blocks_.width() + j)] = x.row(i)[numbers_ + j];
      }
    }
    blocks_.read(batch_view<T const>{block.data(), x.batch, blocks_.width()}, codes);
  }

  /// A mask of variables as one of features, for denoiser::clamp_clean.
  std::vector<std::uint8_t> features_of(batch_view<std::uint8_t const> mask) const {
    expect(mask.features, size(), "variables of the mask");
    std::vector<std::uint8_t> out;
    out.reserve(static_cast<std::size_t>(mask.batch * features()));
    for (std::int64_t i = 0; i < mask.batch; ++i) {
      for (int v = 0; v < size(); ++v) {
        out.insert(out.end(), static_cast<std::size_t>(width(v)),
                   mask.row(i)[v] != 0 ? std::uint8_t{1} : std::uint8_t{0});
      }
    }
    return out;
  }

  /// Throws unless every observed number is finite and every observed block is one-hot.
  template <class T>
  void check_observed(batch_view<T const> x, batch_view<std::uint8_t const> mask) const {
    expect(x.features, features(), "features of the state");
    expect(mask.features, size(), "variables of the mask");
    expect(mask.batch, x.batch, "rows of the mask");
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (int v = 0; v < size(); ++v) {
        if (mask.row(i)[v] == 0) continue;
        T const* const value = x.row(i) + offset(v);
        if (v < numbers_) {
          if (!std::isfinite(value[0])) refuse(i, v, "an observed number that is not finite");
          continue;
        }
        int ones = 0, zeros = 0;
        for (int k = 0; k < width(v); ++k) {
          ones += value[k] == T(1) ? 1 : 0;
          zeros += value[k] == T(0) ? 1 : 0;
        }
        if (ones != 1 || zeros != width(v) - 1) {
          refuse(i, v, "an observed block that is not one-hot");
        }
      }
    }
  }

 private:
  static std::vector<int> checked(std::vector<int> options) {
    for (std::size_t c = 0; c < options.size(); ++c) {
      detail::require(options[c] >= 2, where, "options of class " + std::to_string(c), options[c],
                      "at least 2");
    }
    return options;
  }

  static constexpr std::string_view where = "diffx::domain::structure::variables";

  void check(int variable) const {
    detail::require(variable >= 0 && variable < size(), where, "variable", variable,
                    "in [0, " + std::to_string(size()) + ")");
  }
  static void expect(std::int64_t value, std::int64_t wanted, char const* what) {
    detail::require(value == wanted, where, what, static_cast<long long>(value),
                    std::to_string(wanted));
  }
  template <class A, class B, class C>
  void check_shapes(A const& numbers, B const& codes, C const& x) const {
    expect(numbers.features, numbers_, "numbers of a row");
    expect(codes.features, classes(), "codes of a row");
    expect(x.features, features(), "features of the state");
    expect(numbers.batch, x.batch, "rows of the numbers");
    expect(codes.batch, x.batch, "rows of the codes");
  }
  [[noreturn]] static void refuse(std::int64_t row, std::int64_t variable, char const* what) {
    detail::fail(std::string(where) + ": row " + std::to_string(row) + ", variable " +
                 std::to_string(variable) + ": " + what);
  }

  int numbers_;
  std::vector<int> options_;
  table::one_hot blocks_;
};

}  // namespace diffx::domain::structure
