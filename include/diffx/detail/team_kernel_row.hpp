#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/kernel_row.hpp>

namespace diffx::detail {

/// What the threads of a team share of a guided kernel.
struct team_kernel_tables {
  static constexpr int teams = 2;  // of a multiprocessor
  static constexpr int max_tiles = 256, tile = 256;
  double top[max_tiles], mass[max_tiles];
  double log_mass[tile], weight[tile];
};

/// The guided reverse kernel (kernel_mix) of many classes, read by a team of threads: with the
/// numbers of kernel_row, bit for bit. Teams are as in team_row.
template <class V, int G, class Team>
class team_kernel_row : public kernel_mix<team_kernel_row<V, G, Team>, V, G> {
  using parent = kernel_mix<team_kernel_row, V, G>;
  friend parent;
  using parent::lanes;
  using parent::largest_;
  using parent::tile;
  using parent::total_;

 public:
  using parent::law;
  using parent::nothing;

  DIFFX_HD team_kernel_row(Team const& team, team_kernel_tables& tables) noexcept
      : team_(team), tables_(&tables) {}

  /// The class at u in (0, 1) of the distribution function of the classes; after scan().
  DIFFX_HD int draw(double u) const noexcept {
    double left = u * total_;
    int chosen = 0;
    for (int i = 0; i < tiles_; ++i) {
      double const mass = tables_->mass[i];
      if (mass > 0.0) chosen = i;
      if (left < mass) break;
      left -= mass;
    }
    int likeliest = chosen * width_, found = -1;
    double top = nothing;
    int const end = (chosen + 1) * width_ < law.classes ? (chosen + 1) * width_ : law.classes;
    for (int first = likeliest; first < end && found < 0; first += tile) {
      int const n = end - first < tile ? end - first : tile;
      team_.wait();  // nobody reads the chunk before any more
      for (int k = team_.rank(); k < n; k += team_.size()) {
        double const l = parent::log_mass(first + k);
        tables_->log_mass[k] = l;
        tables_->weight[k] = exp_weight(l - largest_);
      }
      team_.wait();
      for (int k = 0; k < n && found < 0; ++k) {
        double const l = tables_->log_mass[k];
        if (l == nothing) continue;
        left -= tables_->weight[k];
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
  static_assert(Team::lanes == lanes && tile == team_kernel_tables::tile);

  template <class L>
  DIFFX_HD void sum_all(L const& l) noexcept {
    constexpr int most = team_kernel_tables::max_tiles;
    while (width_ < (law.classes + most - 1) / most) width_ *= 2;
    tiles_ = (law.classes + width_ - 1) / width_;
    team_.wait();  // the tables of the sums before are no longer read
    for (int i = team_.group(); i - team_.group() < tiles_; i += team_.groups()) {
      double top = nothing, sum = 0.0;
      // A group without a tile of its own goes along: all of the team gather.
      for (int first = i * width_; first < (i + 1) * width_; first += tile) {
        add_chunk(l, first, top, sum);
      }
      if (team_.lane() == 0 && i < tiles_) {
        tables_->top[i] = top;
        tables_->mass[i] = sum;
      }
    }
    team_.wait();
    largest_ = nothing;
    for (int i = 0; i < tiles_; ++i) {
      largest_ = tables_->top[i] > largest_ ? tables_->top[i] : largest_;
    }
    for (int i = team_.rank(); i < tiles_; i += team_.size()) {
      tables_->mass[i] = parent::mass_of(tables_->top[i], tables_->mass[i]);
    }
    team_.wait();
    total_ = 0.0;
    for (int i = 0; i < tiles_; ++i) total_ += tables_->mass[i];
  }

  /// Adds a chunk to a running maximum and a sum relative to it: a column a lane. Terms are cheaper
  /// to find again than 16 of them to keep.
  template <class L>
  DIFFX_HD void add_chunk(L const& l, int first, double& top, double& sum) const noexcept {
    int const left = law.classes - first, n = left < tile ? left : tile;
    double high = nothing, all[lanes];
    for (int k = team_.lane(); k < n; k += lanes) {
      double const value = l(first + k);
      high = value > high ? value : high;
    }
    team_.gather(high, all);
    double peak = top;
    for (int j = 0; j < lanes; ++j) peak = all[j] > peak ? all[j] : peak;
    double const base = peak == nothing ? 0.0 : peak;
    double column = 0.0, added = 0.0;
    for (int k = team_.lane(); k < n; k += lanes) column += exp_weight(l(first + k) - base);
    team_.gather(column, all);
    for (int j = 0; j < lanes; ++j) added += all[j];
    parent::join(peak, added, top, sum);
  }

  Team team_;
  team_kernel_tables* tables_;
  int width_ = tile, tiles_ = 0;
};

}  // namespace diffx::detail
