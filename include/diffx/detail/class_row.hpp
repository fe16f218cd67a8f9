#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/random.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace diffx::detail {

/// What scan() finds besides the normaliser.
enum class row_measure { none, margin, entropy };

/// The logits of one position, mixed from G branches, read when a rule asks for them.
///
///     l_v = sum_g weight_g l_{g,v},    p = softmax(l), without the excluded class
///
/// Weights of log-probabilities that sum to 1 are discrete classifier-free guidance in probability
/// space: the normalisation of each branch is a constant of the row and cancels; weights that sum
/// to 1 / T are that at temperature T. A class that any branch rules out (-inf) is ruled out,
/// whatever the sign of its weight.
///
/// scan() reads the row once and keeps a maximum and a sum for every tile; draw() reads one tile
/// again. No probability is written to memory. Sums within a tile are taken in 16 lanes of T, sums
/// of tiles in double, always in the same order: a draw does not depend on threads or batch.
///
/// A filter is a least logit that a class must have: keep_top_k() and the like find it in two
/// reads, or four where more classes than a small buffer holds are near it, and need another scan()
/// then. Classes that tie with the last one kept are kept.
///
/// With Tiles = 1 it is a row of at most `tile` classes, without filters and measures, that reads
/// every logit twice and keeps none: on a device nothing but registers.
template <class T, int G, int Tiles = 1024>
class class_row {
 public:
  static constexpr T nothing = -std::numeric_limits<T>::infinity();
  static constexpr int tile = 256;
  static constexpr int max_tiles = Tiles;

  T const* source[G];
  T weight[G];
  int classes;        // logits of the row
  int excluded = -1;  // a class that is no data: the mask
  T least = nothing;  // logits below it are ruled out

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
    double entropy_part = 0.0;  // sum of e^(l - largest) (l - largest) over the tiles so far
    double total = 0.0;         // sum of e^(l - largest), for the entropy alone
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
        join_entropy(sums, total, entropy_part);
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
    if constexpr (Measure == row_measure::margin) {
      measured_ =
          (1.0 - (is_nothing(second) ? 0.0 : static_cast<double>(exp(second - largest_)))) / total_;
    }
    if constexpr (Measure == row_measure::entropy) {
      measured_ = std::log(total_) - entropy_part / total_;
    }
    return true;
  }

  /// What scan() was told to measure: the two largest probabilities' difference, or the entropy in
  /// nats.
  DIFFX_HD double measured() const noexcept { return measured_; }

  /// The probability of one class; after scan().
  DIFFX_HD double probability(int k) const noexcept {
    T const l = logit(k);
    return is_nothing(l) ? 0.0 : static_cast<double>(exp(l - largest_)) / total_;
  }

  /// The logit of one class, -inf if it is ruled out.
  DIFFX_HD double log_weight(int k) const noexcept { return static_cast<double>(logit(k)); }

  /// The logarithm of sum_v e^(l_v), -inf if every class is ruled out; after scan().
  DIFFX_HD double log_sum() const noexcept {
    return static_cast<double>(largest_) + (total_ > 0.0 ? std::log(total_) : total_);
  }

  /// The logarithm of a probability; after scan().
  DIFFX_HD double log_probability(int k) const noexcept {
    return static_cast<double>(logit(k) - largest_) - std::log(total_);
  }

  /// log(p_a / p_b), for an a that is not ruled out; no scan() is needed.
  DIFFX_HD double log_odds(int a, int b) const noexcept {
    return static_cast<double>(logit(a)) - static_cast<double>(logit(b));
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

  /// Keeps the n likeliest classes.
  [[gnu::noinline]] DIFFX_HD void keep_top_k(int n) noexcept {
    if (n >= classes || !scan()) return;
    T low = lowest;
    int const tiles = tile_count();
    if (tiles >= n) {  // every tile has its top: the n-th of these has n classes from it on
      T top[max_tiles];
      for (int i = 0; i < tiles; ++i) top[i] = top_[i];
      make_heap(top, tiles);
      for (int i = 1; i < n; ++i) pop_heap(top, tiles - i + 1);
      low = top[0] > low ? top[0] : low;
    }
    raise(least_with(
        low, [](T) { return T(1); }, [n](double count) { return count >= n; }));
  }

  /// Keeps the likeliest classes that together have at least the share p of the probability: the
  /// class that crosses p is kept, or if `inclusive` is false dropped, but for the likeliest.
  [[gnu::noinline]] DIFFX_HD void keep_top_p(double p, bool inclusive = true) noexcept {
    if (!(p < 1.0) || !scan()) return;
    // What is below has less than 1 - p in all.
    double const depth = std::log(classes / (1.0 - p)) + 1.0;
    T const low = static_cast<T>(static_cast<double>(largest_) - depth), top = largest_;
    double const bound = p * total_;
    T const crossing = least_with(
        low > lowest ? low : lowest, [top](T l) { return exp_weight(l - top); },
        [bound](double sum) { return sum > bound; });
    T const above_it = from_ordered(to_ordered(crossing) + 1);
    raise(inclusive ? crossing : above_it < top ? above_it : top);
  }

  /// Keeps the classes at least `share` times as likely as the likeliest.
  DIFFX_HD void keep_min_p(double share) noexcept {
    if (!(share > 0.0) || !scan()) return;
    raise(static_cast<T>(static_cast<double>(largest_) + std::log(share)));
  }

  /// A class that the filters let through.
  DIFFX_HD bool keeps(int k) const noexcept { return !is_nothing(logit(k)); }

 private:
  static constexpr int lanes = 16;
  static constexpr int bins = 1024;
  static constexpr T lowest = -std::numeric_limits<T>::max();
  static constexpr int bits = static_cast<int>(sizeof(T)) * 8;
  using word = typename random::detail::bits<T>::word;

  struct chunk_sums {
    T top, sum;  // the largest logit, and sum of exp(l - top)
    T second;    // the second largest
    T weighted;  // sum of exp(l - top) (l - top)
  };

  template <row_measure Measure>
  [[gnu::noinline]] DIFFX_HD bool scan_apart() noexcept {
    return scan_here<Measure>();
  }

  /// Words that are ordered as the numbers are.
  DIFFX_HD static word to_ordered(T l) noexcept {
    // + 0: -0 is 0.
    word const w = random::detail::to_word(l + T(0)), sign = word{1} << (bits - 1);
    return (w & sign) != 0 ? ~w : w | sign;
  }
  DIFFX_HD static T from_ordered(word w) noexcept {
    word const sign = word{1} << (bits - 1);
    return random::detail::from_word<T>((w & sign) != 0 ? w ^ sign : ~w);
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

  /// The largest logit l such that the weights of the classes from l on, summed from the likeliest
  /// down, cross; `low` if all do not. After scan(), whose largest logit is the first. Classes are
  /// sorted into bins, and those of the crossing bin again, until they fit into a small heap.
  template <class Weigh, class Crosses>
  [[gnu::noinline]] DIFFX_HD T least_with(T low, Weigh const& weigh,
                                          Crosses const& crosses) const noexcept {
    binning range{low, largest_, T(0)};  // one bin
    int bin = 0;
    double above = 0.0;  // the weight of what is surely kept
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
          above += static_cast<double>(weigh(last));
          if (crosses(above)) break;
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
      double sum[bins + 1] = {};
      for_each_chunk(range, [&](T const* l, int const* bins_of, int n) {
        T w[tile];
        for (int k = 0; k < n; ++k) w[k] = weigh(l[k]);
        for (int k = 0; k < n; ++k) sum[bins_of[k]] += static_cast<double>(w[k]);
      });
      int last = 0;  // where rounding leaves too little in all, the lowest
      for (bin = 0; bin < bins; ++bin) {
        if (sum[bin] > 0.0) last = bin;
        if (crosses(above + sum[bin])) break;
        above += sum[bin];
      }
      if (bin == bins) {
        bin = last;
        above -= sum[bin];
      }
    }
  }

  DIFFX_HD void raise(T to) noexcept { least = to > least ? to : least; }

  DIFFX_HD static bool is_nothing(T l) noexcept { return l == nothing; }
  DIFFX_HD int tile_count() const noexcept {
    return Tiles == 1 ? 1 : (classes + width_ - 1) / width_;
  }
  DIFFX_HD int end_of(int i) const noexcept {
    if constexpr (Tiles == 1) return classes;
    return (i + 1) * width_ < classes ? (i + 1) * width_ : classes;
  }
  DIFFX_HD T logit(int k) const noexcept {
    T const first = source[0][k];
    if (k == excluded || is_nothing(first)) return nothing;
    T sum = rounded_product(weight[0], first);
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      T const other = source[g][k];
      if (is_nothing(other)) return nothing;
      sum = fma(weight[g], other, sum);
    }
    return sum < least ? nothing : sum;
  }

  /// Joins a tile to the sums relative to the largest logit so far.
  DIFFX_HD void join_entropy(chunk_sums const& tile_sums, double& total,
                             double& weighted) const noexcept {
    if (is_nothing(tile_sums.top)) return;
    T const now = tile_sums.top > largest_ ? tile_sums.top : largest_;
    double const sum = static_cast<double>(tile_sums.sum);
    double const fall = static_cast<double>(tile_sums.top - now);
    double const scale = static_cast<double>(exp(tile_sums.top - now));
    double part = scale * (static_cast<double>(tile_sums.weighted) + sum * fall);
    double mass_now = scale * sum;
    if (!is_nothing(largest_)) {
      double const old_fall = static_cast<double>(largest_ - now);
      double const old_scale = static_cast<double>(exp(largest_ - now));
      part += old_scale * (weighted + total * old_fall);
      mass_now += old_scale * total;
    }
    weighted = part;
    total = mass_now;
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
        if constexpr (Measure == row_measure::entropy) product[j] += e == T(0) ? e : e * x;
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
    T const* const p0 = source[0] + first;
    for (int k = 0; k < n; ++k) l[k] = weight[0] * p0[k];
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      T const* const p = source[g] + first;
      for (int k = 0; k < n; ++k) {
        T const mixed = is_nothing(p0[k]) ? nothing : fma(weight[g], p[k], l[k]);
        l[k] = is_nothing(p[k]) ? nothing : mixed;
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
    if constexpr (G == 1) {
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
  T largest_ = 0;
  double total_ = 0.0, measured_ = 0.0;
  T top_[max_tiles];
  T sum_[max_tiles];
};

}  // namespace diffx::detail
