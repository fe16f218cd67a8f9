#pragma once

#include <diffx/detail/class_row.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/row_group.hpp>

#include <cstdint>

namespace diffx::detail {

/// Up to 16 rows of few classes, mixed and summed side by side: a class of all rows is a vector,
/// where a row on its own is a loop or two over a handful of numbers.
///
/// Every number is that of class_row, bit for bit: sums are taken in the same order.
template <class V, int G>
class short_rows {
 public:
  using T = arithmetic_t<V>;
  static constexpr int lanes = row_group::most, most_classes = row_group::most_classes;
  static constexpr T nothing = class_row<V, G>::nothing;

  /// Reads the rows of a group, of `classes` <= most_classes; `excluded` is a class that is no
  /// data.
  void scan(V const* const (&source)[G], T const (&weight)[G], row_group const& rows, int classes,
            int excluded) noexcept {
    classes_ = classes;
    transpose(source[0], rows, logit_);
    for (int k = 0; k < classes; ++k) {
      for (int i = 0; i < lanes; ++i) logit_[k][i] *= weight[0];
    }
    if constexpr (G > 1) mix(source, weight, rows);
    if (excluded >= 0 && excluded < classes) {
      for (int i = 0; i < lanes; ++i) logit_[excluded][i] = nothing;
    }
    for (int i = 0; i < lanes; ++i) largest_[i] = nothing;
    for (int k = 0; k < classes; ++k) {
      for (int i = 0; i < lanes; ++i) {
        largest_[i] = logit_[k][i] > largest_[i] ? logit_[k][i] : largest_[i];
      }
    }
    for (int k = 0; k < classes; ++k) {  // NaN where a row has none but -inf
      for (int i = 0; i < lanes; ++i) part_[k][i] = exp_weight(logit_[k][i] - largest_[i]);
    }
    T sum[lanes] = {};
    for (int first = 0; first < lanes && first < classes; ++first) {
      T column[lanes] = {};
      for (int k = first; k < classes; k += lanes) {
        for (int i = 0; i < lanes; ++i) column[i] += part_[k][i];
      }
      for (int i = 0; i < lanes; ++i) sum[i] += column[i];
    }
    for (int i = 0; i < lanes; ++i) total_[i] = static_cast<double>(sum[i]);
  }

  /// False where the row is no distribution.
  DIFFX_HD bool is_law(int lane) const noexcept { return total_[lane] > 0.0; }

  /// A class of every row, as row::draw has it. Numbers of one kind alone, for vectors.
  void draw(double const (&u)[lanes], double (&drawn)[lanes]) const noexcept {
    double left[lanes];
    for (int i = 0; i < lanes; ++i) {
      left[i] = u[i] * total_[i];
      drawn[i] = 0.0;
    }
    for (int k = 0; k < classes_; ++k) {
      for (int i = 0; i < lanes; ++i) {
        left[i] -= static_cast<double>(part_[k][i]);
        drawn[i] += left[i] < 0.0 ? 0.0 : 1.0;
      }
    }
    double const end = classes_;
    for (int i = 0; i < lanes; ++i) {
      if (drawn[i] == end && is_law(i)) drawn[i] = likeliest(i);
    }
  }

  /// One of the rows, with what class_row offers to a solver that takes_short_rows.
  class row {
   public:
    DIFFX_HD row(short_rows const& rows, int lane) noexcept : rows_(&rows), lane_(lane) {}

    /// False if the row is no distribution.
    DIFFX_HD bool scan() const noexcept { return rows_->is_law(lane_); }

    DIFFX_HD double probability(int k) const noexcept {
      T const l = rows_->logit_[k][lane_];
      return l == nothing
                 ? 0.0
                 : static_cast<double>(exp(l - rows_->largest_[lane_])) / rows_->total_[lane_];
    }

    DIFFX_HD int draw(double u) const noexcept {
      double left = u * rows_->total_[lane_];
      // No way out of the loop, which would be mispredicted: what is left never grows.
      int passed = 0;
      for (int k = 0; k < rows_->classes_; ++k) {
        left -= static_cast<double>(rows_->part_[k][lane_]);
        passed += left < 0.0 ? 0 : 1;
      }
      return passed < rows_->classes_ ? passed : rows_->likeliest(lane_);
    }

   private:
    short_rows const* rows_;
    int lane_;
  };

 private:
  /// The class that what rounding leaves goes to.
  DIFFX_HD int likeliest(int lane) const noexcept {
    int k = 0;
    while (logit_[k][lane] != largest_[lane]) ++k;
    return k;
  }

  /// Row by row, since that is how they are read from memory.
  void transpose(V const* source, row_group const& rows, T (&to)[most_classes][lanes]) const {
    V const* p = source + rows.first_logit;
    for (int i = 0; i < rows.count; ++i, p += rows.logit_step) {
      for (int k = 0; k < classes_; ++k) to[k][i] = widened<T>(p[k]);
    }
    for (int i = rows.count; i < lanes; ++i) {
      for (int k = 0; k < classes_; ++k) to[k][i] = T(0);
    }
  }

  /// Adds the other branches.
  void mix(V const* const (&source)[G], T const (&weight)[G], row_group const& rows) noexcept {
    T first[most_classes][lanes], other[most_classes][lanes];
    transpose(source[0], rows, first);
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      transpose(source[g], rows, other);
      for (int k = 0; k < classes_; ++k) {
        for (int i = 0; i < lanes; ++i) {
          T const mixed = fma(weight[g], other[k][i], logit_[k][i]);
          bool const out = first[k][i] == nothing || other[k][i] == nothing;
          logit_[k][i] = out ? nothing : mixed;
        }
      }
    }
  }

  int classes_;
  T largest_[lanes];
  double total_[lanes];
  T logit_[most_classes][lanes];
  T part_[most_classes][lanes];  // e^(logit - largest)
};

}  // namespace diffx::detail
