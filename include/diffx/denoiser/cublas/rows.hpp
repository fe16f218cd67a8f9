#pragma once

#include <diffx/config.hpp>

#include <cstdint>

/// Rows that threads of a device work on together, and one thread of a host by itself.
namespace diffx::denoiser::cublas {

/// What the threads of a block share while they work on one row.
struct row_tables {
  static constexpr int teams = 2;  // blocks that a multiprocessor shall have room for
  float part[64];
};

/// A thread by itself, for executors without blocks of threads.
struct lone_team {
  static constexpr int lanes = 1;

  DIFFX_HD int lane() const noexcept { return 0; }
  DIFFX_HD int group() const noexcept { return 0; }
  DIFFX_HD int groups() const noexcept { return 1; }
  DIFFX_HD int rank() const noexcept { return 0; }
  DIFFX_HD int size() const noexcept { return 1; }
  DIFFX_HD void wait() const noexcept {}
  DIFFX_HD void gather(float mine, float (&all)[lanes]) const noexcept { all[0] = mine; }
};

struct plus {
  DIFFX_HD float operator()(float a, float b) const noexcept { return a + b; }
};
struct larger {
  DIFFX_HD float operator()(float a, float b) const noexcept { return a > b ? a : b; }
};

/// What the threads of one row have found, joined in a fixed order; all of them get it. Whole: the
/// team works on one row, else each of its groups of `lanes` threads on a row of its own.
template <bool Whole, class Team, class Join>
DIFFX_HD inline float joined(Team const& team, row_tables& tables, float mine, Join const& join) {
  float all[Team::lanes];
  team.gather(mine, all);
  float result = all[0];
  for (int j = 1; j < Team::lanes; ++j) result = join(result, all[j]);
  if constexpr (Whole) {
    if (team.lane() == 0) tables.part[team.group()] = result;
    team.wait();
    result = tables.part[0];
    for (int g = 1; g < team.groups(); ++g) result = join(result, tables.part[g]);
    team.wait();  // before the table is written again
  }
  return result;
}

/// Of an Op of rows:
///
///     Op::whole                   a team a row, for long rows; else a team takes rows_of_a_team
///     op.row(i, live, part)       all threads of the row call it; live: there is such a row
///
/// where part.first(), part.step() are the elements of this thread, part.sum(x) and part.most(x)
/// what all of them say together, which all must ask for.
inline constexpr int rows_of_a_team = 16;

template <bool Whole, class Team>
struct row_part {
  Team const& team;
  row_tables& tables;

  DIFFX_HD int first() const noexcept { return Whole ? team.rank() : team.lane(); }
  DIFFX_HD int step() const noexcept { return Whole ? team.size() : Team::lanes; }
  DIFFX_HD float sum(float mine) const { return joined<Whole>(team, tables, mine, plus{}); }
  DIFFX_HD float most(float mine) const { return joined<Whole>(team, tables, mine, larger{}); }
};

/// The teams of an executor, each with its rows.
template <class Op>
struct team_op {
  using tables_type = row_tables;
  Op op;
  std::int64_t rows;

  template <class Team>
  DIFFX_HD void operator()(std::int64_t i, Team const& team, row_tables& tables) const {
    row_part<Op::whole, Team> const part{team, tables};
    if constexpr (Op::whole) {
      op.row(i, true, part);
    } else {
      for (int r = team.group(); r < rows_of_a_team; r += team.groups()) {
        std::int64_t const row = i * rows_of_a_team + r;
        op.row(row, row < rows, part);  // the others of a warp wait for this one's part
      }
    }
  }
};

/// The same by one thread a team.
template <class Op>
struct lone_op {
  team_op<Op> op;
  DIFFX_HD void operator()(std::int64_t i) const {
    row_tables tables;
    op(i, lone_team{}, tables);
  }
};

template <class Exec, class Op>
void for_each_row(Exec const& exec, std::int64_t rows, Op const& op) {
  std::int64_t const teams = Op::whole ? rows : (rows + rows_of_a_team - 1) / rows_of_a_team;
  team_op<Op> const all{op, rows};
  if constexpr (requires { exec.for_each_row(teams, all); }) {
    exec.for_each_row(teams, all);
  } else {
    exec.for_each_sample(teams, lone_op<Op>{all});
  }
}

}  // namespace diffx::denoiser::cublas
