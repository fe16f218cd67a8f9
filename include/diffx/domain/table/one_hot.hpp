#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// What a network is shown of a class.
enum class class_view : std::uint8_t {
  one_hot,      // 1, and 0 elsewhere
  log_one_hot,  // 0, and log 1e-30 = -69.0776 elsewhere
};

/// Classes of several columns as one row of numbers, a block per column, and back:
///
///     [K_1 | K_2 | ... | K_m],  with a mask [K_1 + 1 | ...], whose last slot is class K
///
/// Reading takes the largest of a block, of equal ones the first. A mask is no class of the data,
/// so that slot is never read.
///
/// Source    log_one_hot: Hoogeboom et al. 2021, arXiv:2102.05379, as the network of TabDDPM,
///           arXiv:2209.15421, is fed; the mask's slot: Shi et al. 2024 (TabDiff),
///           arXiv:2410.20626.
/// Shapes    codes [rows, columns], x [rows, width()]; host memory.
/// Errors    no classes in a column, shapes that do not fit, a code outside its column's classes,
///           NaN in a block: throws diffx::error.
class one_hot {
 public:
  static constexpr std::string_view name = "domain::table::one_hot";
  static constexpr std::string_view source = "arXiv:2102.05379";

  explicit one_hot(std::vector<int> classes, class_view view = class_view::one_hot,
                   bool mask = false)
      : classes_(std::move(classes)), view_(view) {
    offsets_.push_back(0);
    for (std::size_t j = 0; j < classes_.size(); ++j) {
      detail::require(classes_[j] >= 1, where, column(j, "classes"), classes_[j], "at least 1");
      offsets_.push_back(offsets_.back() + classes_[j] + (mask ? 1 : 0));
    }
  }

  std::int64_t columns() const noexcept { return static_cast<std::int64_t>(classes_.size()); }
  std::int64_t width() const noexcept { return offsets_.back(); }
  /// Where the block of a column begins.
  std::int64_t offset(std::size_t column) const noexcept { return offsets_[column]; }
  /// The code of the mask in a column.
  int mask(std::size_t column) const noexcept { return classes_[column]; }

  template <class Code, class T>
  void write(batch_view<Code const> codes, batch_view<T> x) const {
    require_shapes(codes, x);
    auto const off = static_cast<T>(view_ == class_view::one_hot ? 0.0 : std::log(1e-30));
    auto const on = static_cast<T>(view_ == class_view::one_hot ? 1.0 : 0.0);
    for (std::int64_t i = 0; i < codes.batch; ++i) {
      T* const row = x.row(i);
      for (std::int64_t k = 0; k < x.features; ++k) row[k] = off;
      for (std::size_t j = 0; j < classes_.size(); ++j) {
        auto const code = static_cast<std::int64_t>(codes.row(i)[j]);
        if (code < 0 || code >= offsets_[j + 1] - offsets_[j]) {
          detail::reject(where, "row " + number(i) + ", " + column(j, "code"),
                         static_cast<long long>(code),
                         "in [0, " + number(offsets_[j + 1] - offsets_[j]) + ")");
        }
        row[offsets_[j] + code] = on;
      }
    }
  }

  template <class T, class Code>
  void read(batch_view<T const> x, batch_view<Code> codes) const {
    require_shapes(codes, x);
    for (std::int64_t i = 0; i < codes.batch; ++i) {
      for (std::size_t j = 0; j < classes_.size(); ++j) {
        T const* const block = x.row(i) + offsets_[j];
        int best = 0;
        for (int k = 0; k < classes_[j]; ++k) {
          if (std::isnan(block[k])) {
            detail::fail(std::string(where) + ": NaN in row " + number(i) + ", " +
                         column(j, "class ") + number(k));
          }
          if (block[k] > block[best]) best = k;
        }
        codes.row(i)[j] = static_cast<Code>(best);
      }
    }
  }

 private:
  static constexpr auto where = "diffx::domain::table::one_hot";

  static std::string number(std::int64_t n) { return detail::text(static_cast<long long>(n)); }
  static std::string column(std::size_t j, char const* what) {
    return "column " + number(static_cast<std::int64_t>(j)) + ", " + what;
  }
  template <class Code, class T>
  void require_shapes(batch_view<Code> codes, batch_view<T> x) const {
    detail::require(codes.features == columns(), where, "columns",
                    static_cast<long long>(codes.features), number(columns()));
    detail::require(x.features == width(), where, "width", static_cast<long long>(x.features),
                    number(width()));
    detail::require(x.batch == codes.batch, where, "rows", static_cast<long long>(x.batch),
                    number(codes.batch));
  }

  std::vector<int> classes_;
  std::vector<std::int64_t> offsets_;
  class_view view_;
};

}  // namespace diffx::domain::table
