#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/exp.hpp>
#include <diffx/detail/log.hpp>
#include <diffx/noise/counted.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace diffx::detail {

/// floor(a b / 2^64).
DIFFX_HD constexpr std::uint64_t high_product(std::uint64_t a, std::uint64_t b) noexcept {
  constexpr std::uint64_t low = 0xFFFFFFFFu;
  std::uint64_t const middle = (a >> 32) * (b & low) + ((a & low) * (b & low) >> 32);
  std::uint64_t const cross = (a & low) * (b >> 32) + (middle & low);
  return (a >> 32) * (b >> 32) + (middle >> 32) + (cross >> 32);
}

/// The points (k W + r) / K at which the running sum of whole weights is asked for child k.
struct resample_points {
  std::uint64_t total, shift, particles;

  DIFFX_HD resample_points(random::words4 const& w, std::uint64_t sum, std::uint64_t n) noexcept
      : total(sum),
        shift(high_product(static_cast<std::uint64_t>(w.word[0]) << 32 | w.word[1], sum)),
        particles(n) {}

  /// In parts that fit 64 bits.
  DIFFX_HD std::uint64_t at(std::uint64_t k) const noexcept {
    return k * (total / particles) + (k * (total % particles) + shift) / particles;
  }
  /// How many of them are below a running sum.
  DIFFX_HD std::uint64_t below(std::uint64_t sum) const noexcept {
    std::uint64_t first = 0, end = particles;
    while (first < end) {
      std::uint64_t const k = (first + end) / 2;
      if (at(k) < sum) {
        first = k + 1;
      } else {
        end = k;
      }
    }
    return first;
  }
};

/// exp(log_weight - most) as a whole number of `digits` binary digits.
DIFFX_HD inline std::uint64_t whole_weight(double log_weight, double most, int digits) noexcept {
  return static_cast<std::uint64_t>(::ldexp(exp_weight(log_weight - most), digits) + 0.5);
}

/// What the threads of a team share of a group of particles.
struct resample_tables {
  static constexpr int teams = 2;  // of a multiprocessor
  static constexpr int most_groups = 64;
  std::uint64_t part[most_groups];
  double most[most_groups];
};

/// A group of particles by a team: the ancestors that search::resample finds. A group that is
/// refused keeps its particles, and its largest weight is NaN.
struct resample_op {
  using tables_type = resample_tables;

  double const* log_weights;  // [groups, particles]
  std::int64_t particles;
  int digits;
  noise::counted noise;
  noise::key key;
  std::int64_t first_group;
  std::int64_t* ancestors;
  std::uint64_t* weights;  // [groups, particles], kept for the sums that follow
  std::uint64_t* places;   // [groups, particles]: vacant places, and further children from above
  double* most;            // [groups]

  template <class Team>
  DIFFX_HD void operator()(std::int64_t group, Team const& team, tables_type& tables) const {
    std::int64_t const row = group * particles;
    double const largest = largest_of(team, tables, log_weights + row);
    if (team.leads()) most[group] = largest;
    if (!(largest == largest)) {
      for (std::int64_t j = team.rank(); j < particles; j += team.size()) {
        ancestors[row + j] = j;
        weights[row + j] = 1;
      }
      return;
    }
    std::uint64_t mine = 0;
    for (std::int64_t j = team.rank(); j < particles; j += team.size()) {
      mine += weights[row + j] = whole_weight(log_weights[row + j], largest, digits);
    }
    std::uint64_t total = 0;
    before(team, tables, mine, total);
    resample_points const points(noise.words(key, first_group + group, 0), total,
                                 static_cast<std::uint64_t>(particles));
    // Places without a child and children beyond the first, counted together.
    constexpr int half = 32;
    std::uint64_t sum = 0, found = 0;
    for (std::int64_t base = 0; base < particles; base += team.size()) {
      std::int64_t const j = base + team.rank();
      bool const there = j < particles;
      std::uint64_t const weight = there ? weights[row + j] : 0;
      std::uint64_t in_tile = 0, counted = 0;
      std::uint64_t const low = sum + before(team, tables, weight, in_tile);
      std::uint64_t const children = there ? points.below(low + weight) - points.below(low) : 0;
      std::uint64_t const further = children > 1 ? children - 1 : 0;
      std::uint64_t const vacant = there && children == 0 ? 1 : 0;
      std::uint64_t const until = found + before(team, tables, vacant << half | further, counted);
      if (there) {
        places[row + j] = until & 0xFFFFFFFFu;  // the first of its further children
        ancestors[row + j] = j;
      }
      // Vacant places are known by a number of their own, below the tile that holds them.
      if (vacant != 0) ancestors[row + j] = -1 - static_cast<std::int64_t>(until >> half);
      sum += in_tile;
      found += counted;
    }
    team.wait();
    for (std::int64_t j = team.rank(); j < particles; j += team.size()) {
      std::int64_t const to = ancestors[row + j];
      if (to < 0) ancestors[row + j] = parent_of(places + row, static_cast<std::uint64_t>(-1 - to));
    }
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  static constexpr double refused = std::numeric_limits<double>::quiet_NaN();

  /// The last particle whose further children begin at or before this one.
  DIFFX_HD std::int64_t parent_of(std::uint64_t const* first, std::uint64_t child) const noexcept {
    std::int64_t low = 0, high = particles;
    while (low < high) {
      std::int64_t const middle = (low + high) / 2;
      if (first[middle] <= child) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - 1;
  }

  /// The sum of what the threads before this one have; of all in `total`.
  template <class Team>
  DIFFX_HD static std::uint64_t before(Team const& team, tables_type& tables, std::uint64_t mine,
                                       std::uint64_t& total) {
    std::uint64_t all[Team::lanes];
    team.gather(mine, all);
    std::uint64_t sum = 0, of_group = 0;
    for (int j = 0; j < Team::lanes; ++j) {
      if (j < team.lane()) sum += all[j];
      of_group += all[j];
    }
    team.wait();  // the sums before are no longer read
    if (team.lane() == 0) tables.part[team.group()] = of_group;
    team.wait();
    total = 0;
    for (int g = 0; g < team.groups(); ++g) {
      if (g < team.group()) sum += tables.part[g];
      total += tables.part[g];
    }
    return sum;
  }

  /// NaN if one of them is NaN or +inf, or all are -inf.
  template <class Team>
  DIFFX_HD double largest_of(Team const& team, tables_type& tables, double const* logs) const {
    double top = -infinity;
    auto const take = [&](double v) {
      if (!(v < infinity)) {
        top = refused;
      } else if (v > top) {
        top = v;
      }
    };
    for (std::int64_t j = team.rank(); j < particles; j += team.size()) take(logs[j]);
    double all[Team::lanes];
    team.gather(top, all);
    for (double v : all) take(v);
    team.wait();
    if (team.lane() == 0) tables.most[team.group()] = top;
    team.wait();
    for (int g = 0; g < team.groups(); ++g) take(tables.most[g]);
    return top == -infinity ? refused : top;
  }
};

/// Copies rows in place: of each group of particles row j becomes row ancestors[j], whose own
/// ancestor it is.
template <class T>
struct replace_rows_op {
  T* rows;
  std::int64_t features, particles;
  std::int64_t const* ancestors;  // [batch]

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
    std::int64_t const from = sample / particles * particles + ancestors[sample];
    if (from == sample) return;
    T const* const source = rows + from * features + first;
    T* const target = rows + sample * features + first;
    for (int i = 0; i < n; ++i) target[i] = source[i];
  }
};

}  // namespace diffx::detail
