#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/logit_row.hpp>

#include <cstdint>

namespace diffx::detail {

/// What the threads of a team share of a row.
template <class T>
struct team_tables {
  // Teams of a multiprocessor: a thread has half its registers, or for rows of doubles all.
  static constexpr int teams = sizeof(T) == 4 ? 2 : 1;
  static constexpr int max_tiles = 1024, tile = 256, max_groups = 16;
  T top[max_tiles], sum[max_tiles];
  T other[max_tiles];  // of a tile its second largest logit, or what its entropy is made of
  T logit[tile], weight[tile];
  std::int64_t count[max_groups];
};

/// Where the sums of the tiles of rows lie that several teams scan, so that a few rows are work for
/// a whole device.
template <class T>
struct shared_sums {
  T* at = nullptr;  // [rows, 3, tiles]: the largest logit, the sum and what is measured besides
  std::int64_t tiles = 0;
  int parts = 1;  // teams of a row

  /// Of a row; null where every team scans a row of its own.
  DIFFX_HD T* of(std::int64_t row) const noexcept {
    return parts < 2 ? nullptr : at + row * 3 * tiles;
  }

  static std::int64_t tiles_of(int classes) noexcept {
    std::int64_t const tiles = (classes + team_tables<T>::tile - 1) / team_tables<T>::tile;
    return tiles < team_tables<T>::max_tiles ? tiles : team_tables<T>::max_tiles;
  }
  /// How often the groups of a team go over tiles, one each.
  DIFFX_HD static int rounds_of(std::int64_t tiles) noexcept {
    constexpr int groups = team_tables<T>::max_groups;
    return static_cast<int>((tiles + groups - 1) / groups);
  }
  /// Teams of a row, so that `rows` of them are up to 256 teams, two for every multiprocessor of a
  /// large device: a team reads at the speed of what it has under way at once, 16 KB of a row. They
  /// pay for a launch, and take whole rounds, equal but for the last.
  static int parts_of(std::int64_t rows, int classes) noexcept {
    constexpr std::int64_t teams = 256;
    if (rows < 1 || rows > teams / 2) return 1;
    int const rounds = rounds_of(tiles_of(classes)), share = static_cast<int>(teams / rows);
    int const each = (rounds + share - 1) / share;
    return (rounds + each - 1) / each;
  }
  static std::int64_t bytes(std::int64_t rows, int classes) noexcept {
    return rows * 3 * tiles_of(classes) * static_cast<std::int64_t>(sizeof(T));
  }
};

/// A long row that a team of threads reads once and draws from: with the numbers of class_row, bit
/// for bit, since sums are taken in the same order or are of whole numbers.
///
///     T::lanes            16: threads that hold neighbouring logits, a group
///     team.lane(), group(), groups()   at most 16 groups
///     team.rank(), size() among all
///     team.leads()        true for one thread
///     team.wait()         for all of the team
///     team.gather(v, all) the values of the group, by lane; all of the team call it
///
/// Every thread calls everything, with equal arguments, and gets the same answers.
///
/// With shared sums the first scan() takes them from there instead of reading the row. Where one
/// Part of the row is scanned, it leaves them there and is false, so that nothing is drawn.
template <class V, int G, class Team, bool Part = false>
class team_row : public logit_row<team_row<V, G, Team, Part>, V, G> {
  using parent = logit_row<team_row, V, G>;
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

  DIFFX_HD team_row(Team const& team, team_tables<T>& tables) noexcept
      : team_(team), tables_(&tables) {}
  DIFFX_HD team_row(Team const& team, team_tables<T>& tables, shared_sums<T> const& shared,
                    std::int64_t row, int part = 0) noexcept
      : team_(team),
        tables_(&tables),
        shared_(shared.of(row)),
        stride_(static_cast<int>(shared.tiles)),
        part_(part),
        parts_(shared.parts) {}

  /// False if the row is no distribution.
  template <row_measure Measure = row_measure::none>
  DIFFX_HD bool scan() noexcept {
    width_ = tile;
    while (static_cast<std::int64_t>(width_) * team_tables<T>::max_tiles < classes) width_ *= 2;
    tiles_ = (classes + width_ - 1) / width_;
    if constexpr (Part) {
      if (shared_ == nullptr) return false;
      int const rounds = shared_sums<T>::rounds_of(tiles_);
      int const each = (rounds + parts_ - 1) / parts_ * team_tables<T>::max_groups;
      int const from = part_ * each;
      add_tiles<Measure>(from, from + each < tiles_ ? from + each : tiles_, shared_,
                         shared_ + stride_, shared_ + 2 * stride_);
      shared_ = nullptr;
      return false;
    }
    team_.wait();  // the tables of the row before are no longer read
    if (shared_ == nullptr) {
      add_tiles<Measure>(0, tiles_, tables_->top, tables_->sum, tables_->other);
    } else {
      for (int i = team_.rank(); i < tiles_; i += team_.size()) {
        tables_->top[i] = shared_[i];
        tables_->sum[i] = shared_[stride_ + i];
        if constexpr (Measure != row_measure::none) tables_->other[i] = shared_[2 * stride_ + i];
      }
      shared_ = nullptr;  // what is scanned next is shaped
    }
    team_.wait();
    largest_ = nothing;
    T second = nothing;
    entropy_sums<T> entropy;
    for (int i = 0; i < tiles_; ++i) {
      T const top = tables_->top[i];
      if constexpr (Measure == row_measure::margin) second = second_of(second, largest_, top, i);
      if constexpr (Measure == row_measure::entropy) {
        entropy.join(top, tables_->sum[i], tables_->other[i]);
      }
      largest_ = top > largest_ ? top : largest_;
    }
    if constexpr (Measure == row_measure::entropy) team_.wait();  // all have read the sums
    for (int i = team_.rank(); i < tiles_; i += team_.size()) {
      tables_->sum[i] *= exp_weight(tables_->top[i] - largest_);  // of nothing 0, or NaN
    }
    team_.wait();
    total_ = 0.0;
    for (int i = 0; i < tiles_; ++i) total_ += static_cast<double>(tables_->sum[i]);
    if (!(total_ > 0.0)) return false;  // or NaN
    if constexpr (Measure == row_measure::margin) parent::measure_margin(second);
    if constexpr (Measure == row_measure::entropy) parent::measure_entropy(entropy.weighted);
    return true;
  }

  /// The likeliest class, the lowest of equals; after scan().
  DIFFX_HD int likeliest() const noexcept {
    int i = 0;
    while (i + 1 < tiles_ && tables_->top[i] != largest_) ++i;
    int const end = end_of(i);
    for (int first = i * width_; first < end; first += tile) {
      int const n = end - first < tile ? end - first : tile;
      team_.wait();  // nobody reads the chunk before any more
      for (int k = team_.rank(); k < n; k += team_.size()) tables_->logit[k] = logit(first + k);
      team_.wait();
      for (int k = 0; k < n; ++k) {
        if (tables_->logit[k] == largest_) return first + k;
      }
    }
    return 0;
  }

  /// The inverse of the distribution function at u in (0, 1); after scan().
  DIFFX_HD int draw(double u) const noexcept {
    double left = u * total_;
    int chosen = 0;
    for (int i = 0; i < tiles_; ++i) {
      auto const mass = static_cast<double>(tables_->sum[i]);
      if (mass > 0.0) chosen = i;
      if (left < mass) break;
      left -= mass;
    }
    int likeliest = chosen * width_, found = -1;
    T top = nothing;
    int const end = end_of(chosen);
    for (int first = likeliest; first < end && found < 0; first += tile) {
      int const n = end - first < tile ? end - first : tile;
      team_.wait();  // nobody reads the chunk before any more
      for (int k = team_.rank(); k < n; k += team_.size()) {
        T const l = logit(first + k);
        tables_->logit[k] = l;
        tables_->weight[k] = is_nothing(l) ? T(0) : exp_weight(l - largest_);
      }
      team_.wait();
      for (int k = 0; k < n && found < 0; ++k) {
        T const l = tables_->logit[k];
        if (is_nothing(l)) continue;
        left -= static_cast<double>(tables_->weight[k]);
        if (left < 0.0) found = first + k;
        if (l > top) {
          top = l;
          likeliest = first + k;
        }
      }
    }
    return found < 0 ? likeliest : found;
  }

 private:
  static constexpr int rows = tile / lanes;  // logits of a chunk that a lane holds
  static_assert(Team::lanes == lanes && tile == team_tables<T>::tile);

  struct chunk_sums {
    T top, sum;
    T other;  // the second largest, or the sum of exp(l - top) (l - top)
  };

  /// The sums of tiles, a group of threads each.
  template <row_measure Measure>
  DIFFX_HD void add_tiles(int begin, int end, T* top, T* sum, T* other) const noexcept {
    for (int i = begin + team_.group(); i - team_.group() < end; i += team_.groups()) {
      chunk_sums sums{nothing, 0, Measure == row_measure::margin ? nothing : T(0)};
      // A group without a tile of its own goes along: all of the team gather.
      for (int first = i * width_; first < (i + 1) * width_; first += tile) {
        add_chunk<Measure>(first, sums);
      }
      if (team_.lane() == 0 && i < end) {
        top[i] = sums.top;
        sum[i] = sums.sum;
        if constexpr (Measure != row_measure::none) other[i] = sums.other;
      }
    }
  }

  DIFFX_HD int end_of(int i) const noexcept {
    return (i + 1) * width_ < classes ? (i + 1) * width_ : classes;
  }

  /// This lane's logits of a chunk.
  DIFFX_HD void read(int first, T (&l)[rows]) const noexcept {
    // A branch around each load would let one at a time be under way.
    if (is_plain(first)) return read_plain(first, l);
    for (int i = 0; i < rows; ++i) {
      int const k = first + i * lanes + team_.lane();
      l[i] = k < classes ? logit(k) : nothing;
    }
  }

  /// True of a chunk that is whole, and of which nothing is ruled out but by -inf.
  DIFFX_HD bool is_plain(int first) const noexcept {
    bool const excludes = excluded >= first && excluded < first + tile;
    return first + tile <= classes && !excludes && is_nothing(least) && weight[0] > T(0);
  }
  /// What logit() says of it.
  DIFFX_HD void read_plain(int first, T (&l)[rows]) const noexcept {
    V const* const p = source[0] + first + team_.lane();
    T own[rows];
    for (int i = 0; i < rows; ++i) own[i] = widened<T>(p[i * lanes]);
    for (int i = 0; i < rows; ++i) l[i] = rounded_product(weight[0], own[i]);
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      V const* const q = source[g] + first + team_.lane();
      for (int i = 0; i < rows; ++i) {
        T const other = widened<T>(q[i * lanes]);
        l[i] = is_nothing(own[i]) || is_nothing(other) ? nothing : fma(weight[g], other, l[i]);
      }
    }
  }

  /// Adds a chunk to a running maximum and the sums relative to it: a column a lane.
  template <row_measure Measure>
  DIFFX_HD void add_chunk(int first, chunk_sums& s) const noexcept {
    T l[rows], all[lanes];
    read(first, l);
    T high = l[0], next = nothing;
    for (int i = 1; i < rows; ++i) {
      T const less = l[i] > high ? high : l[i];
      next = less > next ? less : next;
      high = l[i] > high ? l[i] : high;
    }
    team_.gather(high, all);
    T now = s.top;
    if constexpr (Measure == row_measure::margin) {
      T lower[lanes];
      team_.gather(next, lower);
      for (int j = 0; j < lanes; ++j) {
        T const less = all[j] > now ? now : all[j];
        s.other = less > s.other ? less : s.other;
        s.other = lower[j] > s.other ? lower[j] : s.other;
        now = all[j] > now ? all[j] : now;
      }
    } else {
      for (int j = 0; j < lanes; ++j) now = all[j] > now ? all[j] : now;
    }
    T const base = is_nothing(now) ? T(0) : now;
    T part = 0, product = 0;
    for (int i = 0; i < rows; ++i) {
      T const x = l[i] - base, e = exp_weight(x);
      part += e;
      if constexpr (Measure == row_measure::entropy) {
        product = fma(e, e == T(0) ? T(0) : x, product);  // not 0 times -infinity
      }
    }
    bool const begins = is_nothing(s.top);
    T const scale = begins ? T(0) : exp(s.top - now);
    if constexpr (Measure == row_measure::entropy) {
      T const weighted = sum_of(product);
      s.other =
          begins ? s.other + weighted : fma(fma(s.top - now, s.sum, s.other), scale, weighted);
    }
    T const added = sum_of(part);
    s.sum = begins ? s.sum + added : fma(s.sum, scale, added);
    s.top = now;
  }

  /// Of a value of every lane.
  DIFFX_HD T sum_of(T mine) const noexcept {
    T all[lanes], sum = 0;
    team_.gather(mine, all);
    for (int j = 0; j < lanes; ++j) sum += all[j];
    return sum;
  }

  /// The second largest logit, with tile i.
  DIFFX_HD T second_of(T second, T largest, T top, int i) const noexcept {
    T const other = tables_->other[i], lower = top > largest ? largest : top;
    second = other > second ? other : second;
    return lower > second ? lower : second;
  }

  DIFFX_HD T nth_top(int n) const noexcept {
    if (tiles_ < n) return lowest;
    sort(tables_->top, tiles_, tables_->other);
    T const top = tables_->other[n - 1];
    return top > lowest ? top : lowest;
  }

  /// Sorts numbers of a table into another, the largest first: each goes where its rank says.
  DIFFX_HD void sort(T const* from, int n, T* to) const noexcept {
    for (int i = team_.rank(); i < n; i += team_.size()) {
      T const mine = from[i];
      int before = 0;
      for (int j = 0; j < n; ++j) before += from[j] > mine || (from[j] == mine && j < i) ? 1 : 0;
      to[before] = mine;
    }
    team_.wait();
  }

  /// Calls f(logit) for this thread's share of the classes of tiles that reach `low`.
  template <class F>
  DIFFX_HD void for_my_logits(T low, F const& f) const noexcept {
    for (int i = team_.group(); i < tiles_; i += team_.groups()) {
      if (tables_->top[i] < low) continue;
      int const end = end_of(i);
      for (int k = i * width_ + team_.lane(); k < end; k += lanes) f(logit(k));
    }
  }

  /// The sum of a number of every thread, and of those before this one.
  struct team_sum {
    std::int64_t all, before;
  };
  DIFFX_HD team_sum sum_up(std::int64_t mine) const noexcept {
    std::int64_t near[lanes];
    team_.gather(mine, near);
    team_sum sum{0, 0};
    std::int64_t group = 0;
    for (int j = 0; j < lanes; ++j) {
      sum.before += j < team_.lane() ? near[j] : 0;
      group += near[j];
    }
    team_.wait();  // nobody reads the numbers before any more
    if (team_.lane() == 0) tables_->count[team_.group()] = group;
    team_.wait();
    for (int i = 0; i < team_.groups(); ++i) {
      sum.before += i < team_.group() ? tables_->count[i] : 0;
      sum.all += tables_->count[i];
    }
    return sum;
  }
  /// The largest of a number of every thread.
  DIFFX_HD T largest_of(T mine) const noexcept {
    T near[lanes], largest = mine;
    team_.gather(mine, near);
    for (int j = 0; j < lanes; ++j) largest = near[j] > largest ? near[j] : largest;
    team_.wait();
    if (team_.lane() == 0) tables_->logit[team_.group()] = largest;
    team_.wait();
    for (int i = 0; i < team_.groups(); ++i) {
      largest = tables_->logit[i] > largest ? tables_->logit[i] : largest;
    }
    return largest;
  }

  /// Classes that a table holds are sorted; of more, the range that they lie in is cut into parts,
  /// and the part in which the sum crosses again.
  template <class Weigh>
  DIFFX_HD T least_with(T low, std::int64_t bound, Weigh const& weigh) const noexcept {
    constexpr int most = team_tables<T>::max_tiles, parts = 4;
    T from = low, below = -nothing;  // what is looked for lies in [from, below)
    std::int64_t above = 0;          // the weight of what is surely kept
    for (;;) {
      int mine = 0;
      T smallest = -nothing, largest = nothing;
      for_my_logits(from, [&](T l) {
        if (l < from || !(l < below)) return;
        ++mine;
        smallest = l < smallest ? l : smallest;
        largest = l > largest ? l : largest;
      });
      team_sum const near = sum_up(mine);
      if (near.all == 0) return low;
      if (near.all <= most) {
        auto at = static_cast<int>(near.before);
        for_my_logits(from, [&](T l) {
          if (l >= from && l < below) tables_->other[at++] = l;
        });
        team_.wait();
        return crossing(static_cast<int>(near.all), above, bound, weigh);
      }
      from = -largest_of(-smallest);
      T const to = largest_of(largest);
      if (from == to) return from;
      T cut[parts - 1];  // the largest first, each in (from, to]
      std::int64_t weight_from[parts - 1];
      for (int j = 0; j < parts - 1; ++j) {
        T const share = T(j + 1) / T(parts);
        T const c = fma(from, share, rounded_product(to, T(1) - share));
        cut[j] = c > from && c <= to ? c : to;
        weight_from[j] = 0;
      }
      for_my_logits(from, [&](T l) {
        if (l < from || !(l < below)) return;
        std::int64_t const w = weigh(l);
        for (int j = 0; j < parts - 1; ++j) weight_from[j] += l >= cut[j] ? w : 0;
      });
      std::int64_t passed = 0;
      bool found = false;
      for (int j = 0; j < parts - 1; ++j) {
        std::int64_t const sum = sum_up(weight_from[j]).all;
        if (found) continue;
        if (above + sum > bound) {
          from = cut[j];
          found = true;
        } else {
          below = cut[j];
          passed = sum;
        }
      }
      above += passed;
    }
  }

  /// least_with() of the n logits in `other`, which alone are left in tables that it uses up.
  template <class Weigh>
  DIFFX_HD T crossing(int n, std::int64_t above, std::int64_t bound,
                      Weigh const& weigh) const noexcept {
    sort(tables_->other, n, tables_->sum);
    // Every thread sums neighbours, and finds where the sum crosses among them.
    int const each = (n + team_.size() - 1) / team_.size(), first = team_.rank() * each;
    int const end = first + each < n ? first + each : n;
    std::int64_t mine = 0;
    for (int i = first; i < end; ++i) mine += weigh(tables_->sum[i]);
    above += sum_up(mine).before;
    T found = nothing;
    for (int i = first; i < end && is_nothing(found); ++i) {
      above += weigh(tables_->sum[i]);
      if (above > bound) found = tables_->sum[i];
    }
    T const largest = largest_of(found);
    return is_nothing(largest) ? tables_->sum[n - 1] : largest;
  }

  Team team_;
  team_tables<T>* tables_;
  int width_ = tile, tiles_ = 0;
  T* shared_ = nullptr;  // this row's
  int stride_ = 0, part_ = 0, parts_ = 1;
};

}  // namespace diffx::detail
