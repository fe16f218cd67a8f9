#pragma once

#include <diffx/config.hpp>

#include <cstdint>

namespace diffx::detail {

/// What the threads of a team share of K sums.
template <int K>
struct sum_tables {
  static constexpr int teams = 2;  // of a multiprocessor
  static constexpr int columns = 16;
  double part[columns][K];
};

/// Sums over the elements of a sample, in an order that a thread and a team share, so that both
/// give the same bits: lines of 64 elements lie in 16 columns of neighbouring lines. Every place of
/// a line is summed down its column, the 64 places are halved until one is left, and the columns
/// are added up.
///
///     Op::sums, op.features        how many sums, over how many elements
///     op.row(sample)               an object with
///       add<W>(first, n, part)       adds elements first ... first + n - 1, n <= W: the i-th of
///                                    them to part[k][i]
///       finish(total)                takes the sums
///     team.halved(v)               the v of the lanes, halved until one is left: in all of them
template <class Op>
struct sample_sums {
  static constexpr int sums = Op::sums, columns = sum_tables<sums>::columns, line = 64;
  using tables_type = sum_tables<sums>;

  Op op;

  DIFFX_HD void operator()(std::int64_t sample) const {
    auto const row = op.row(sample);
    std::int64_t const length = column_length();
    double total[sums] = {};
    for (std::int64_t first = 0; first < op.features; first += length) {
      double part[sums][line] = {};
      std::int64_t const end = end_of(first, length);
      for (std::int64_t at = first; at < end; at += line) {
        row.template add<line>(at, static_cast<int>(end - at < line ? end - at : line), part);
      }
      for (int k = 0; k < sums; ++k) total[k] += halved(part[k]);
    }
    row.finish(total);
  }

  /// By all threads of a team: a lane takes four neighbouring places of a line.
  template <class Team>
  DIFFX_HD void operator()(std::int64_t sample, Team const& team, tables_type& tables) const {
    constexpr int width = 4;
    static_assert(Team::lanes * width == line);
    auto const row = op.row(sample);
    std::int64_t const length = column_length();
    team.wait();  // the sums of the sample before are no longer read
    for (int c = team.group(); c - team.group() < columns; c += team.groups()) {
      double part[sums][width] = {};
      std::int64_t const first = c * length, end = end_of(first, length);
      for (std::int64_t at = first + team.lane() * width; at < end; at += line) {
        row.template add<width>(at, static_cast<int>(end - at < width ? end - at : width), part);
      }
      for (int k = 0; k < sums; ++k) {
        for (int i = 0; i < width; ++i) part[k][i] = team.halved(part[k][i]);
        double const sum = (part[k][0] + part[k][2]) + (part[k][1] + part[k][3]);
        if (team.lane() == 0 && c < columns) tables.part[c][k] = sum;
      }
    }
    team.wait();
    if (!team.leads()) return;
    double total[sums] = {};
    for (int c = 0; c < columns && c * length < op.features; ++c) {
      for (int k = 0; k < sums; ++k) total[k] += tables.part[c][k];
    }
    row.finish(total);
  }

 private:
  // Short columns would be more halving than adding.
  DIFFX_HD std::int64_t column_length() const noexcept {
    constexpr std::int64_t least = 4 * line;
    std::int64_t const lines = (op.features + line - 1) / line;
    std::int64_t const length = (lines + columns - 1) / columns * line;
    return length < least ? least : length;
  }
  /// With loops of known length, which vectorise.
  DIFFX_HD static double halved(double (&v)[line]) noexcept {
    for (int j = 0; j < 32; ++j) v[j] += v[j + 32];
    for (int j = 0; j < 16; ++j) v[j] += v[j + 16];
    for (int j = 0; j < 8; ++j) v[j] += v[j + 8];
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
  }
  DIFFX_HD std::int64_t end_of(std::int64_t first, std::int64_t length) const noexcept {
    return op.features - first < length ? op.features : first + length;
  }
};

/// op for every sample: by a team where the execution object has teams, by a thread elsewhere.
template <class Exec, class Op>
void for_each_by_team(Exec const& exec, std::int64_t batch, Op const& op) {
  if constexpr (!Exec::on_host && requires { exec.for_each_row(batch, op); }) {
    exec.for_each_row(batch, op);
  } else {
    exec.for_each_sample(batch, op);
  }
}

template <class Exec, class Op>
void for_each_sum(Exec const& exec, std::int64_t batch, Op const& op) {
  for_each_by_team(exec, batch, sample_sums<Op>{op});
}

}  // namespace diffx::detail
