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

/// Runs a pass that reads a row of logits for every index; no row has more than `classes`. On a
/// device a thread has room for a row of one tile, and not for the sums of a long one, which a team
/// shares.
///
///     pass(index)                    any row by one thread
///     pass.template alone<1>(index)  a row of one tile by one thread; not every pass has it
///     pass(index, team, tables)      any row by all threads of a team, with Pass::tables_type
template <class Exec, class Pass>
void for_each_row(Exec const& exec, std::int64_t rows, std::int64_t classes, Pass const& pass) {
  constexpr bool has_teams = requires { exec.for_each_row(rows, pass); };
  if constexpr (!Exec::on_host && requires { pass.template alone<1>(rows); }) {
    constexpr int tile = class_row<float, 1>::tile;
    if (classes <= tile) return exec.for_each_sample(rows, short_row_pass<Pass>{pass});
  }
  if constexpr (!Exec::on_host && has_teams) {
    exec.for_each_row(rows, pass);
  } else {
    exec.for_each_sample(rows, pass);
  }
}

}  // namespace diffx::detail
