#pragma once

#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// Rows of which every cell means something, and what they cost.
struct valid_rows {
  typed_table table;
  std::int64_t drawn = 0;
  std::int64_t rejected = 0;
};

/// Draws until there are `rows` valid ones: draw(round, count) samples and decodes `count` rows, a
/// `decoded`, with noise that is new in every round. Rows that decode to cells without a meaning
/// are dropped and counted; rejecting them leaves the law of the valid ones as it is.
///
/// Errors    rows < 1, a share outside (0, 1), draw() that gives another number of rows: throws
///           diffx::error; so do more rejected rows than most_rejected of those drawn, once there
///           were 100.
template <class Draw>
valid_rows draw_valid_rows(std::int64_t rows, Draw const& draw, double most_rejected = 0.5) {
  constexpr auto where = "diffx::domain::table::draw_valid_rows";
  diffx::detail::require(rows >= 1, where, "rows", static_cast<long long>(rows), "at least 1");
  diffx::detail::require(most_rejected > 0.0 && most_rejected < 1.0, where, "most_rejected",
                         most_rejected, "in (0, 1)");
  valid_rows out;
  std::vector<column> columns;
  std::int64_t kept = 0;
  for (int round = 0; kept < rows; ++round) {
    std::int64_t const count = rows - kept;
    decoded const d = draw(round, count);
    auto const got = static_cast<std::int64_t>(d.table.rows());
    diffx::detail::require(got == count, where, "rows that were drawn", static_cast<long long>(got),
                           "as many as were asked for");
    diffx::detail::require(static_cast<std::int64_t>(d.bad_rows.size()) == got, where,
                           "marks in bad_rows", static_cast<long long>(d.bad_rows.size()),
                           "one of every row");
    if (columns.empty()) {
      for (column const& c : d.table.columns()) columns.push_back({c.type, {}, {}});
    }
    for (std::size_t j = 0; j < columns.size(); ++j) {
      column const& from = d.table.at(columns[j].type);
      for (std::size_t i = 0; i < d.bad_rows.size(); ++i) {
        if (d.bad_rows[i] != 0) continue;
        if (from.type.kind == column_kind::category) {
          columns[j].labels.push_back(from.labels[i]);
        } else {
          columns[j].numbers.push_back(from.numbers[i]);
        }
      }
    }
    for (std::uint8_t const bad : d.bad_rows) (bad != 0 ? out.rejected : kept) += 1;
    out.drawn += got;
    auto const share = static_cast<double>(out.rejected) / static_cast<double>(out.drawn);
    if (out.drawn >= 100 && share > most_rejected) {
      diffx::detail::fail(std::string(where) + ": " + std::to_string(out.rejected) + " of " +
                          std::to_string(out.drawn) +
                          " rows have cells without a meaning, more than most_rejected = " +
                          diffx::detail::text(most_rejected) +
                          " allows; the network or its codec is not the one of these rows");
    }
  }
  out.table = typed_table(std::move(columns));
  return out;
}

}  // namespace diffx::domain::table
