#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/class_row.hpp>

#include <cstdint>

namespace diffx::detail {

/// A pass over short rows, each by one thread.
template <class Pass>
struct short_row_pass {
  Pass pass;
  DIFFX_HD void operator()(std::int64_t index) const { pass.template alone<1>(index); }
};

/// A part of a row by each team.
template <class Pass>
struct part_pass {
  using tables_type = typename Pass::tables_type;
  Pass pass;

  template <class Team>
  DIFFX_HD void operator()(std::int64_t index, Team const& team, tables_type& tables) const {
    std::int64_t const row = index / pass.shared.parts;
    pass.scan_part(row, static_cast<int>(index - row * pass.shared.parts), team, tables);
  }
};

/// Runs a pass that reads a row of logits for every index; no row has more than `classes`. On a
/// device a thread has room for a row of one tile, and not for the sums of a long one, which a team
/// shares, or several, each a part of it.
///
///     pass(index)                    any row by one thread
///     pass.template alone<1>(index)  a row of one tile by one thread; not every pass has it
///     pass(index, team, tables)      any row by all threads of a team, with Pass::tables_type
///     pass.scan_part(index, part, team, tables)   leaves the sums of a part in pass.shared
template <class Exec, class Pass>
void for_each_row(Exec const& exec, std::int64_t rows, std::int64_t classes, Pass const& pass) {
  constexpr bool has_teams = requires { exec.for_each_row(rows, pass); };
  if constexpr (!Exec::on_host && requires { pass.template alone<1>(rows); }) {
    constexpr int tile = class_row<float, 1>::tile;
    if (classes <= tile) return exec.for_each_sample(rows, short_row_pass<Pass>{pass});
  }
  if constexpr (!Exec::on_host && has_teams) {
    if constexpr (requires { pass.shared.parts; }) {
      if (pass.shared.parts > 1) {
        exec.for_each_row(rows * pass.shared.parts, part_pass<Pass>{pass});
      }
    }
    exec.for_each_row(rows, pass);
  } else {
    exec.for_each_sample(rows, pass);
  }
}

}  // namespace diffx::detail
