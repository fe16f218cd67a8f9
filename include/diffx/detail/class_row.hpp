#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/logit_row.hpp>

#include <cstdint>
#include <type_traits>

namespace diffx::detail {

/// The logits of one position (logit_row), read when a rule asks for them.
///
/// scan() reads the row once and keeps a maximum and a sum for every tile; draw() reads one tile
/// again. No probability is written to memory. Sums within a tile are taken in 16 lanes of T, sums
/// of tiles in double, always in the same order: a draw does not depend on threads or batch.
///
/// A filter finds its least logit in two reads, or four where more classes than a small buffer
/// holds are near it.
///
/// With Tiles = 1 it is a row of at most `tile` classes, without filters and measures, that reads
/// every logit twice and keeps none: on a device nothing but registers.
template <class V, int G, int Tiles = 1024>
class class_row : public logit_row<class_row<V, G, Tiles>, V, G> {
  using parent = logit_row<class_row, V, G>;
  friend parent;
  using parent::is_nothing;
  using parent::lanes;
  using parent::largest_;
  using parent::logit;
  using parent::lowest;
  using parent::total_;

 public:
  using T = arithmetic_t<V>;
  using parent::classes;
  using parent::excluded;
  using parent::least;
  using parent::nothing;
  using parent::source;
  using parent::tile;
  using parent::weight;
  static constexpr int max_tiles = Tiles;

  /// False if the row holds NaN or +inf, or nothing but -inf: it is no distribution.
  template <row_measure Measure = row_measure::none>
  DIFFX_HD bool scan() noexcept {
    if constexpr (Tiles == 1) {
      return scan_here<Measure>();  // a call would put the row into memory
    } else {
      return scan_apart<Measure>();
    }
  }

  /// scan() in line.
  template <row_measure Measure>
  [[gnu::always_inline]] DIFFX_HD bool scan_here() noexcept {
    width_ = tile;
    while (static_cast<std::int64_t>(width_) * max_tiles < classes) width_ *= 2;
    largest_ = nothing;
    T second = nothing;
    entropy_sums<T> entropy;
    int const tiles = tile_count();
    for (int i = 0; i < tiles; ++i) {
      chunk_sums sums{nothing, 0, nothing, 0};
      for (int first = i * width_, last = end_of(i); first < last; first += tile) {
        add_chunk<Measure>(first, last - first < tile ? last - first : tile, sums);
      }
      top_[i] = sums.top;
      sum_[i] = sums.sum;
      if constexpr (Measure == row_measure::margin) {
        T const lower = sums.top > largest_ ? largest_ : sums.top;
        second = sums.second > second ? sums.second : second;
        second = lower > second ? lower : second;
      }
      if constexpr (Measure == row_measure::entropy) {
        entropy.join(sums.top, sums.sum, sums.weighted);
      }
      largest_ = sums.top > largest_ ? sums.top : largest_;
    }
    for (int i = 0; i < tiles; ++i) {
      T const mass = sum_[i] * exp_weight(top_[i] - largest_);
      sum_[i] = is_nothing(top_[i]) ? sum_[i] : mass;  // 0, or NaN
    }
    total_ = 0.0;
    for (int i = 0; i < tiles; ++i) total_ += static_cast<double>(sum_[i]);
    if (!(total_ > 0.0 && total_ - total_ == 0.0)) return false;  // NaN or infinite
    if constexpr (Measure == row_measure::margin) parent::measure_margin(second);
    if constexpr (Measure == row_measure::entropy) parent::measure_entropy(entropy.weighted);
    return true;
  }

  /// The likeliest class, the lowest of equals; after scan().
  DIFFX_HD int likeliest() const noexcept {
    int const tiles = tile_count();
    for (int i = 0; i < tiles; ++i) {
      if (top_[i] != largest_) continue;
      for (int k = i * width_, end = end_of(i); k < end; ++k) {
        if (logit(k) == largest_) return k;
      }
    }
    return 0;
  }

  /// The inverse of the distribution function at u in (0, 1); after scan(). A class of probability
  /// 0 is never drawn.
  DIFFX_HD int draw(double u) const noexcept {
    double left = u * total_;
    int const tiles = tile_count();
    int chosen = 0;
    for (int i = 0; i < tiles; ++i) {
      double const mass = static_cast<double>(sum_[i]);
      if (mass > 0.0) chosen = i;
      if (left < mass) break;
      left -= mass;
    }
    // What rounding leaves of the tile's mass goes to its likeliest class.
    int likeliest = chosen * width_;
    T top = nothing;
    for (int k = likeliest, end = end_of(chosen); k < end; ++k) {
      T const l = logit(k);
      if (is_nothing(l)) continue;
      left -= static_cast<double>(exp_weight(l - largest_));
      if (left < 0.0) return k;
      if (l > top) {
        top = l;
        likeliest = k;
      }
    }
    return likeliest;
  }

 private:
  static constexpr int bins = 1024;

  struct chunk_sums {
    T top, sum;  // the largest logit, and sum of exp(l - top)
    T second;    // the second largest
    T weighted;  // sum of exp(l - top) (l - top)
  };

  template <row_measure Measure>
  [[gnu::noinline]] DIFFX_HD bool scan_apart() noexcept {
    return scan_here<Measure>();
  }

  /// The largest first, as std::make_heap has it.
  DIFFX_HD static void sift_down(T* heap, int n, int i) noexcept {
    T const v = heap[i];
    for (int child = 2 * i + 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && heap[child + 1] > heap[child]) ++child;
      if (!(heap[child] > v)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = v;
  }
  DIFFX_HD static void make_heap(T* heap, int n) noexcept {
    for (int i = n / 2 - 1; i >= 0; --i) sift_down(heap, n, i);
  }
  /// Takes the largest of n away.
  DIFFX_HD static void pop_heap(T* heap, int n) noexcept {
    heap[0] = heap[n - 1];
    sift_down(heap, n - 1, 0);
  }

  /// Logits from `low` to `high` in equal bins, the largest first.
  struct binning {
    T low, high, scale;

    DIFFX_HD static binning of(T low, T high) noexcept {
      T const width = high - low;
      return {low, high, T(bins) / (width < -lowest ? width : -lowest)};
    }
    /// `bins` for a logit outside.
    DIFFX_HD int operator()(T l) const noexcept {
      T const place = (high - l) * scale;
      T const inside = place > T(0) ? place : T(0);  // 0 for 0 times infinity, too
      int const bin = static_cast<int>(inside < T(bins - 1) ? inside : T(bins - 1));
      return l >= low && l <= high ? bin : bins;
    }
  };

  /// Calls f(logits, bin of each, their number) chunk by chunk.
  template <class F>
  DIFFX_HD void for_each_chunk(binning const& bin_of, F const& f) const noexcept {
    T l[tile];
    int bin[tile];
    for (int first = 0; first < classes; first += tile) {
      int const n = classes - first < tile ? classes - first : tile;
      load(first, n, l);
      for (int k = 0; k < n; ++k) bin[k] = bin_of(l[k]);
      f(l, bin, n);
    }
  }

  /// Every tile has its top: the n-th of these has n classes from it on.
  DIFFX_HD T nth_top(int n) const noexcept {
    int const tiles = tile_count();
    if (tiles < n) return lowest;
    T top[max_tiles];
    for (int i = 0; i < tiles; ++i) top[i] = top_[i];
    make_heap(top, tiles);
    for (int i = 1; i < n; ++i) pop_heap(top, tiles - i + 1);
    return top[0] > lowest ? top[0] : lowest;
  }

  /// After scan(), whose largest logit is the first. Classes are sorted into bins, and those of the
  /// crossing bin again, until they fit into a small heap.
  template <class Weigh>
  [[gnu::noinline]] DIFFX_HD T least_with(T low, std::int64_t bound,
                                          Weigh const& weigh) const noexcept {
    binning range{low, largest_, T(0)};  // one bin
    int bin = 0;
    std::int64_t above = 0;  // the weight of what is surely kept
    for (;;) {
      T near[max_tiles];
      int count = 0;
      for_each_chunk(range, [&](T const* l, int const* bins_of, int n) {
        int inside = 0;
        for (int k = 0; k < n; ++k) inside += bins_of[k] == bin ? 1 : 0;
        if (inside > 0 && count + inside <= max_tiles) {
          for (int k = 0, at = count; k < n; ++k) {
            if (bins_of[k] == bin) near[at++] = l[k];
          }
        }
        count += inside;
      });
      if (count <= max_tiles) {
        T last = low;
        make_heap(near, count);
        for (; count > 0; --count) {
          last = near[0];
          above += weigh(last);
          if (above > bound) break;
          pop_heap(near, count);
        }
        return last;
      }
      if (range.scale > T(0)) {
        T smallest = range.high, largest = range.low;
        for_each_chunk(range, [&](T const* l, int const* bins_of, int n) {
          for (int k = 0; k < n; ++k) {
            if (bins_of[k] != bin) continue;
            smallest = l[k] < smallest ? l[k] : smallest;
            largest = l[k] > largest ? l[k] : largest;
          }
        });
        range = binning{smallest, largest, T(0)};
      }
      if (range.low == range.high) return range.low;
      range = binning::of(range.low, range.high);
      std::int64_t sum[bins + 1] = {};
      for_each_chunk(range, [&](T const* l, int const* bins_of, int n) {
        std::int64_t w[tile];
        for (int k = 0; k < n; ++k) w[k] = weigh(l[k]);
        for (int k = 0; k < n; ++k) sum[bins_of[k]] += w[k];
      });
      int last = 0;  // where rounding leaves too little in all, the lowest
      for (bin = 0; bin < bins; ++bin) {
        if (sum[bin] > 0) last = bin;
        if (above + sum[bin] > bound) break;
        above += sum[bin];
      }
      if (bin == bins) {
        bin = last;
        above -= sum[bin];
      }
    }
  }

  DIFFX_HD int tile_count() const noexcept {
    return Tiles == 1 ? 1 : (classes + width_ - 1) / width_;
  }
  DIFFX_HD int end_of(int i) const noexcept {
    if constexpr (Tiles == 1) return classes;
    return (i + 1) * width_ < classes ? (i + 1) * width_ : classes;
  }
  /// Raises `s.top` to the largest of groups x lanes logits w l, w > 0, and sums exp(w l - top).
  /// One lane is one column, so that compilers turn the columns into a vector.
  template <row_measure Measure>
  [[gnu::always_inline]] DIFFX_HD static inline void reduce(T const* l, T w, int groups,
                                                            chunk_sums& s) noexcept {
    T const before = s.top;
    T column[lanes];
    if constexpr (Measure == row_measure::margin) {
      T lower[lanes];
      for (int j = 0; j < lanes; ++j) {
        T high = l[j], next = nothing;
        for (int i = 1; i < groups; ++i) {
          T const other = l[i * lanes + j];
          T const less = other > high ? high : other;
          next = less > next ? less : next;
          high = other > high ? other : high;
        }
        column[j] = high;
        lower[j] = next;
      }
      T second = s.second, top = before;
      for (int j = 0; j < lanes; ++j) {
        column[j] *= w;
        lower[j] *= w;
        T const less = column[j] > top ? top : column[j];
        second = less > second ? less : second;
        second = lower[j] > second ? lower[j] : second;
        top = column[j] > top ? column[j] : top;
      }
      s.second = second;
    } else {
      for (int j = 0; j < lanes; ++j) {
        T high = l[j];
        for (int i = 1; i < groups; ++i) {
          T const other = l[i * lanes + j];
          high = other > high ? other : high;
        }
        column[j] = w * high;
      }
    }
    T now = before;
    for (int j = 0; j < lanes; ++j) now = column[j] > now ? column[j] : now;
    T const base = is_nothing(now) ? T(0) : now;  // -inf - -inf is NaN
    T part[lanes] = {}, product[lanes] = {};
    for (int i = 0; i < groups; ++i) {
      for (int j = 0; j < lanes; ++j) {
        T const x =
            rounded_product(w, l[i * lanes + j]) - base;  // rounded twice, as every logit is
        T const e = exp_weight(x);
        part[j] += e;
        if constexpr (Measure == row_measure::entropy) {
          product[j] = fma(e, e == T(0) ? T(0) : x, product[j]);  // not 0 times -infinity
        }
      }
    }
    T added = 0, weighted = 0;
    for (int j = 0; j < lanes; ++j) added += part[j];
    for (int j = 0; j < lanes; ++j) weighted += product[j];
    if (is_nothing(before)) {
      s.sum += added;
      s.weighted += weighted;
    } else {
      T const scale = exp(before - now);
      if constexpr (Measure == row_measure::entropy) {
        s.weighted = fma(fma(before - now, s.sum, s.weighted), scale, weighted);
      }
      s.sum = fma(s.sum, scale, added);
    }
    s.top = now;
  }

  /// Mixes n logits from class `first` on.
  DIFFX_HD void load(int first, int n, T (&l)[tile]) const noexcept {
    V const* const p0 = source[0] + first;
    for (int k = 0; k < n; ++k) l[k] = weight[0] * widened<T>(p0[k]);
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      V const* const p = source[g] + first;
      for (int k = 0; k < n; ++k) {
        T const other = widened<T>(p[k]);
        T const mixed = is_nothing(widened<T>(p0[k])) ? nothing : fma(weight[g], other, l[k]);
        l[k] = is_nothing(other) ? nothing : mixed;
      }
    }
    if (!is_nothing(least)) {
      T const floor = least;
      for (int k = 0; k < n; ++k) l[k] = l[k] < floor ? nothing : l[k];
    }
    if (excluded >= first && excluded < first + n) l[excluded - first] = nothing;
  }

  /// Adds at most `tile` logits to a running maximum and sums relative to it.
  template <row_measure Measure>
  DIFFX_HD void add_chunk(int first, int n, chunk_sums& s) const noexcept {
    if constexpr (Tiles == 1) {
      static_assert(Measure == row_measure::none);
      return add_row(n, s);
    }
#ifndef __CUDA_ARCH__  // where a bound that is known would unroll both loops
    if constexpr (G == 1 && std::is_same_v<V, T>) {  // as they lie in memory
      bool const excludes = excluded >= first && excluded < first + n;
      if (n == tile && !excludes && is_nothing(least) && weight[0] > T(0)) {
        reduce<Measure>(source[0] + first, weight[0], tile / lanes, s);
        return;
      }
    }
#endif
    T l[tile];
    load(first, n, l);
    int const groups = (n + lanes - 1) / lanes;  // short rows stay short
    for (int k = n; k < groups * lanes; ++k) l[k] = nothing;
#ifndef __CUDA_ARCH__
    if (groups == tile / lanes) return reduce<Measure>(l, T(1), tile / lanes, s);
#endif
    reduce<Measure>(l, T(1), groups, s);
  }

  /// All of a short row: column by column, as reduce() adds.
  DIFFX_HD void add_row(int n, chunk_sums& s) const noexcept {
    for (int k = 0; k < n; ++k) {
      T const l = logit(k);
      s.top = l > s.top ? l : s.top;
    }
    T const base = is_nothing(s.top) ? T(0) : s.top;
    for (int j = 0; j < lanes && j < n; ++j) {
      T column = 0;
      for (int k = j; k < n; k += lanes) column += exp_weight(logit(k) - base);
      s.sum += column;
    }
  }

  int width_ = tile;
  T top_[max_tiles];
  T sum_[max_tiles];
};

}  // namespace diffx::detail
