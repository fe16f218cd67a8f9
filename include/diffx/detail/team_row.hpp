#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/class_row.hpp>
#include <diffx/detail/exp.hpp>

#include <cstdint>

namespace diffx::detail {

/// What the threads of a team share of a row.
template <class T>
struct team_tables {
  static constexpr int max_tiles = 1024, tile = 256;
  T top[max_tiles], sum[max_tiles];
  T logit[tile], weight[tile];
};

/// A long row that a team of threads reads once and draws from: with the numbers of class_row, bit
/// for bit, since sums are taken in the same order.
///
///     T::lanes            16: threads that hold neighbouring logits, a group
///     team.lane(), group(), groups()
///     team.rank(), size() among all
///     team.leads()        true for one thread
///     team.wait()         for all of the team
///     team.gather(v, all) the values of the group, by lane; all of the team call it
///
/// Every thread calls everything, with equal arguments, and gets the same answers.
template <class T, int G, class Team>
class team_row {
 public:
  static constexpr T nothing = class_row<T, G>::nothing;

  T const* source[G];
  T weight[G];
  int classes;
  int excluded = -1;

  DIFFX_HD team_row(Team const& team, team_tables<T>& tables) noexcept
      : team_(team), tables_(&tables) {}

  /// False if the row is no distribution.
  DIFFX_HD bool scan() noexcept {
    width_ = tile;
    while (static_cast<std::int64_t>(width_) * team_tables<T>::max_tiles < classes) width_ *= 2;
    tiles_ = (classes + width_ - 1) / width_;
    team_.wait();  // the tables of the row before are no longer read
    for (int i = team_.group(); i - team_.group() < tiles_; i += team_.groups()) {
      T top = nothing, sum = 0;
      // A group without a tile of its own goes along: all of the team gather.
      for (int first = i * width_; first < (i + 1) * width_; first += tile) {
        add_chunk(first, top, sum);
      }
      if (team_.lane() == 0 && i < tiles_) {
        tables_->top[i] = top;
        tables_->sum[i] = sum;
      }
    }
    team_.wait();
    largest_ = nothing;
    for (int i = 0; i < tiles_; ++i) {
      largest_ = tables_->top[i] > largest_ ? tables_->top[i] : largest_;
    }
    for (int i = team_.rank(); i < tiles_; i += team_.size()) {
      tables_->sum[i] *= exp_weight(tables_->top[i] - largest_);  // of nothing 0, or NaN
    }
    team_.wait();
    total_ = 0.0;
    for (int i = 0; i < tiles_; ++i) total_ += static_cast<double>(tables_->sum[i]);
    return total_ > 0.0;  // and not NaN
  }

  /// The probability of one class; after scan().
  DIFFX_HD double probability(int k) const noexcept {
    T const l = logit(k);
    return l == nothing ? 0.0 : static_cast<double>(exp(l - largest_)) / total_;
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
    int const end = (chosen + 1) * width_ < classes ? (chosen + 1) * width_ : classes;
    for (int first = likeliest; first < end && found < 0; first += tile) {
      int const n = end - first < tile ? end - first : tile;
      team_.wait();  // nobody reads the chunk before any more
      for (int k = team_.rank(); k < n; k += team_.size()) {
        T const l = logit(first + k);
        tables_->logit[k] = l;
        tables_->weight[k] = l == nothing ? T(0) : exp_weight(l - largest_);
      }
      team_.wait();
      for (int k = 0; k < n && found < 0; ++k) {
        T const l = tables_->logit[k];
        if (l == nothing) continue;
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
  static constexpr int tile = team_tables<T>::tile;
  static_assert(Team::lanes == 16 && tile == class_row<T, G>::tile);

  DIFFX_HD T logit(int k) const noexcept {
    T const first = source[0][k];
    if (k == excluded || first == nothing) return nothing;
    T sum = rounded_product(weight[0], first);
    for (int g = 1; g < G; ++g) {
      if (weight[g] == T(0)) continue;
      T const other = source[g][k];
      if (other == nothing) return nothing;
      sum = fma(weight[g], other, sum);
    }
    return sum;
  }

  /// Adds a chunk to a running maximum and the sum relative to it: a column a lane.
  DIFFX_HD void add_chunk(int first, T& top, T& sum) const noexcept {
    constexpr int lanes = Team::lanes, rows = tile / lanes;
    T l[rows], high = nothing;
    for (int i = 0; i < rows; ++i) {
      int const k = first + i * lanes + team_.lane();
      l[i] = k < classes ? logit(k) : nothing;
      high = i == 0 || l[i] > high ? l[i] : high;
    }
    T all[lanes];
    team_.gather(high, all);
    T now = top;
    for (int j = 0; j < lanes; ++j) now = all[j] > now ? all[j] : now;
    T const base = now == nothing ? T(0) : now;
    T part = 0;
    for (int i = 0; i < rows; ++i) part += exp_weight(l[i] - base);
    team_.gather(part, all);
    T added = 0;
    for (int j = 0; j < lanes; ++j) added += all[j];
    sum = top == nothing ? sum + added : fma(sum, exp(top - now), added);
    top = now;
  }

  Team team_;
  team_tables<T>* tables_;
  int width_ = tile, tiles_ = 0;
  T largest_ = 0;
  double total_ = 0.0;
};

}  // namespace diffx::detail
