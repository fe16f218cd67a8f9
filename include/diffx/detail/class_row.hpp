#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>

#include <cstdint>
#include <limits>

namespace diffx::detail {

/// The logits of one position, mixed from G branches, read when a rule asks for them.
///
///     l_v = sum_g weight_g l_{g,v},    p = softmax(l), without the excluded class
///
/// Weights of log-probabilities that sum to 1 are discrete classifier-free guidance in probability
/// space: the normalisation of each branch is a constant of the row and cancels. A class that the
/// first branch rules out (-inf) stays ruled out, whatever the others say. One that only a branch
/// of negative weight rules out would be infinitely likely: such a row is no distribution.
///
/// scan() reads the row once and keeps a maximum and a sum for every tile; draw() reads one tile
/// again. No probability is written to memory. Sums within a tile are taken in 16 lanes of T, sums
/// of tiles in double, always in the same order: a draw does not depend on threads or batch.
template <class T, int G>
class class_row {
 public:
  static constexpr int tile = 256;
  static constexpr int max_tiles = 1024;

  T const* source[G];
  T weight[G];
  int classes;        // logits of the row
  int excluded = -1;  // a class that is no data: the mask

  /// False if the row holds NaN or +inf, or nothing but -inf: it is no distribution.
  DIFFX_HD bool scan() noexcept {
    width_ = tile;
    while (static_cast<std::int64_t>(width_) * max_tiles < classes) width_ *= 2;
    largest_ = nothing;
    int const tiles = (classes + width_ - 1) / width_;
    for (int i = 0; i < tiles; ++i) {
      T top = nothing;
      T sum = 0;
      for (int first = i * width_, last = end_of(i); first < last; first += tile) {
        add_chunk(first, last - first < tile ? last - first : tile, top, sum);
      }
      top_[i] = top;
      sum_[i] = sum;
      largest_ = top > largest_ ? top : largest_;
    }
    total_ = 0.0;
    for (int i = 0; i < tiles; ++i) total_ += mass_of(i);
    return total_ > 0.0 && total_ - total_ == 0.0;  // neither NaN nor infinite
  }

  /// The probability of one class; after scan().
  DIFFX_HD double probability(int k) const noexcept {
    T const l = logit(k);
    return is_nothing(l) ? 0.0 : static_cast<double>(exp(l - largest_)) / total_;
  }

  /// The inverse of the distribution function at u in (0, 1); after scan(). A class of probability
  /// 0 is never drawn.
  DIFFX_HD int draw(double u) const noexcept {
    double left = u * total_;
    int const tiles = (classes + width_ - 1) / width_;
    int chosen = 0;
    for (int i = 0; i < tiles; ++i) {
      double const mass = mass_of(i);
      if (mass > 0.0) chosen = i;
      if (left < mass) break;
      left -= mass;
    }
    // What rounding leaves of the tile's mass goes to its likeliest class.
    int likeliest = chosen * width_;
    for (int k = likeliest, end = end_of(chosen); k < end; ++k) {
      T const l = logit(k);
      if (is_nothing(l)) continue;
      left -= static_cast<double>(exp(l - largest_));
      if (left < 0.0) return k;
      if (l > logit(likeliest)) likeliest = k;
    }
    return likeliest;
  }

 private:
  static constexpr int lanes = 16;
  static constexpr T nothing = -std::numeric_limits<T>::infinity();

  DIFFX_HD static bool is_nothing(T l) noexcept { return l == nothing; }
  DIFFX_HD int end_of(int i) const noexcept {
    return (i + 1) * width_ < classes ? (i + 1) * width_ : classes;
  }
  DIFFX_HD double mass_of(int i) const noexcept {
    if (is_nothing(top_[i])) return static_cast<double>(sum_[i]);  // 0, or NaN
    return static_cast<double>(sum_[i]) * static_cast<double>(exp(top_[i] - largest_));
  }

  DIFFX_HD T logit(int k) const noexcept {
    T const first = source[0][k];
    if (k == excluded || is_nothing(first)) return nothing;
    T sum = weight[0] * first;  // as add_chunk has it
    for (int g = 1; g < G; ++g) {
      if (weight[g] != T(0)) sum = fma(weight[g], source[g][k], sum);
    }
    return sum;
  }

  /// Raises `now` to the largest of groups x lanes logits, and sums exp(l - now). One lane is one
  /// column, so that compilers turn the columns into a vector.
  [[gnu::always_inline]] DIFFX_HD static inline void reduce(T (&l)[tile], int groups, T& now,
                                                            T& added) noexcept {
    T column[lanes];
    for (int j = 0; j < lanes; ++j) {
      T high = l[j];
      for (int i = 1; i < groups; ++i) {
        T const other = l[i * lanes + j];
        high = other > high ? other : high;
      }
      column[j] = high;
    }
    for (int j = 0; j < lanes; ++j) now = column[j] > now ? column[j] : now;
    // Not exp of -inf, which it does not know, but exactly 0; NaN goes through.
    for (int k = 0; k < groups * lanes; ++k) {
      T const e = exp(l[k] - now);
      l[k] = l[k] == nothing ? T(0) : e;
    }
    for (int j = 0; j < lanes; ++j) {
      T part = 0;
      for (int i = 0; i < groups; ++i) part += l[i * lanes + j];
      column[j] = part;
    }
    for (int j = 0; j < lanes; ++j) added += column[j];
  }

  /// Adds at most `tile` logits to a running maximum and a sum relative to it.
  DIFFX_HD void add_chunk(int first, int n, T& top, T& sum) const noexcept {
    T l[tile];
    T const* const p0 = source[0] + first;
    for (int k = 0; k < n; ++k) l[k] = weight[0] * p0[k];
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      T const* const p = source[g] + first;
      for (int k = 0; k < n; ++k) {
        l[k] = is_nothing(p0[k]) ? p0[k] : fma(weight[g], p[k], l[k]);
      }
    }
    if (excluded >= first && excluded < first + n) {
      l[excluded - first] = nothing;
    }
    int const groups = (n + lanes - 1) / lanes;  // short rows stay short
    for (int k = n; k < groups * lanes; ++k) l[k] = nothing;
    T now = top, added = 0;
    if (groups == tile / lanes) {
      reduce(l, tile / lanes, now, added);  // a bound that the compiler knows
    } else {
      reduce(l, groups, now, added);
    }
    sum = is_nothing(top) ? sum + added : fma(sum, exp(top - now), added);
    top = now;
  }

  int width_ = tile;
  T largest_ = 0;
  double total_ = 0.0;
  T top_[max_tiles];
  T sum_[max_tiles];
};

}  // namespace diffx::detail
