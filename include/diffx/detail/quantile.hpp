#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace diffx::detail {

/// What the threads of a team share of a selection.
template <class T>
struct quantile_tables {
  static constexpr int teams = 2;  // of a multiprocessor
  static constexpr int groups = 16;
  std::uint32_t bin[256];
  T least[groups];
};

/// Per sample: the quantile of |x0| that dynamic thresholding clamps to, linearly interpolated
/// between two order statistics. A thread of the host partitions its row. A team, whose threads
/// share counts, finds the lower one byte by byte: the bits of a positive number are in its order.
template <class V, class P = V>
struct quantile_op {
  using T = arithmetic_t<V>;
  using tables_type = quantile_tables<T>;

  pass_data<V, P> data;
  int sources;
  T* scratch;  // [batch, features]
  double quantile, largest;
  T* limit;

  void operator()(std::int64_t sample) const {
    T* const row = scratch + sample * data.features;
    T const factor = factor_of(sample);
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < data.features; ++i) {
      if (stays(sample, i)) continue;
      row[n++] = size_of(sample, i, factor);
    }
    if (n == 0) {  // everything stays as it is
      limit[sample] = T(1);
      return;
    }
    double const place = quantile * static_cast<double>(n - 1);
    auto const rank = static_cast<std::int64_t>(place);
    double const fraction = place - static_cast<double>(rank);
    std::nth_element(row, row + rank, row + n);
    double const low = static_cast<double>(row[rank]);
    double next = low;
    if (fraction > 0.0) {
      next = static_cast<double>(*std::min_element(row + rank + 1, row + n));
    }
    limit[sample] = between(low, next, fraction);
  }

  template <class Team>
  DIFFX_HD void operator()(std::int64_t sample, Team const& team, tables_type& tables) const {
    using word = typename random::detail::bits<T>::word;
    constexpr int bytes = sizeof(T);
    T* const row = scratch + sample * data.features;
    T const factor = factor_of(sample);
    for (std::int64_t i = team.rank(); i < data.features; i += team.size()) {
      row[i] = stays(sample, i) ? T(-1) : size_of(sample, i, factor);
    }
    word prefix = 0;
    double fraction = 0.0;
    std::uint64_t rank = 0;
    for (int byte = bytes - 1; byte >= 0; --byte) {
      team.wait();  // the counts before are no longer read
      for (int b = team.rank(); b < 256; b += team.size()) tables.bin[b] = 0;
      team.wait();
      for (std::int64_t i = team.rank(); i < data.features; i += team.size()) {
        if (row[i] < T(0)) continue;
        word const w = random::detail::to_word(row[i]) >> (8 * byte);
        if (byte == bytes - 1 || w >> 8 == prefix) team.count(tables.bin[w & 255]);
      }
      team.wait();
      if (byte == bytes - 1) {
        std::uint64_t n = 0;
        for (int b = 0; b < 256; ++b) n += tables.bin[b];
        if (n == 0) {
          if (team.leads()) limit[sample] = T(1);
          return;
        }
        double const place = quantile * static_cast<double>(n - 1);
        rank = static_cast<std::uint64_t>(place);
        fraction = place - static_cast<double>(rank);
      }
      word b = 0;
      for (; b < 255 && rank >= tables.bin[b]; ++b) rank -= tables.bin[b];
      prefix = static_cast<word>(prefix << 8) | b;
    }
    T const low = random::detail::from_word<T>(prefix);
    T next = low;
    if (fraction > 0.0 && rank + 1 == tables.bin[prefix & 255]) {
      next = next_above(team, tables, row, low);
    }
    if (team.leads()) {
      limit[sample] = between(static_cast<double>(low), static_cast<double>(next), fraction);
    }
  }

 private:
  DIFFX_HD T factor_of(std::int64_t sample) const noexcept {
    return data.sample_factor != nullptr ? data.sample_factor[sample] : T(1);
  }
  DIFFX_HD bool stays(std::int64_t sample, std::int64_t i) const noexcept {
    return data.fixed != nullptr && data.fixed[sample * data.features + i] != 0;
  }
  /// |x0|
  DIFFX_HD T size_of(std::int64_t sample, std::int64_t i, T factor) const noexcept {
    T combined = T(0);
    for (int g = 0; g < sources; ++g) {
      std::int64_t const at = sample * data.prediction_features + i;
      combined = fma(data.source_weight[g], widened<T>(data.source[g][at]), combined);
    }
    T const x = widened<T>(data.state[0][sample * data.features + i]);
    T const of_state = rounded_product(data.to_x0_state, x);
    return static_cast<T>(::fabs(fma(data.to_x0, combined * factor, of_state)));
  }
  DIFFX_HD T between(double low, double next, double fraction) const noexcept {
    double const value = fma(fraction, next - low, low), least = value < 1.0 ? 1.0 : value;
    return static_cast<T>(least > largest ? largest : least);
  }

  /// The smallest number of the row above `low`, of which there is one.
  template <class Team>
  DIFFX_HD T next_above(Team const& team, tables_type& tables, T const* row, T low) const {
    T least = -1;
    auto const take = [&](T v) {
      if (v > low && (least < T(0) || v < least)) least = v;
    };
    for (std::int64_t i = team.rank(); i < data.features; i += team.size()) take(row[i]);
    T all[Team::lanes];
    team.gather(least, all);
    for (T v : all) take(v);
    if (team.lane() == 0) tables.least[team.group()] = least;
    team.wait();
    for (int g = 0; g < team.groups(); ++g) take(tables.least[g]);
    return least;
  }
};

}  // namespace diffx::detail
