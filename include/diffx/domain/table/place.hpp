#pragma once

#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace diffx::domain::table {

/// Where the cells of a column come from, so that an error can say it: the column's name and, for
/// a table read from a file, the line of every row. Rows count from 0, lines from 1.
struct place {
  std::string_view column{};
  std::span<std::int64_t const> lines{};
};

}  // namespace diffx::domain::table

namespace diffx::detail {

/// "row 3 (line 5), column 'age'"
inline std::string cell(domain::table::place const& at, std::size_t row) {
  std::string s = "row " + std::to_string(row);
  if (row < at.lines.size()) s += " (line " + std::to_string(at.lines[row]) + ")";
  if (!at.column.empty()) s += ", column '" + std::string(at.column) + "'";
  return s;
}

[[noreturn]] inline void fail_at(std::string_view where, domain::table::place const& at,
                                 std::size_t row, std::string_view what) {
  fail(std::string(where) + ": " + cell(at, row) + ": " + std::string(what));
}

[[noreturn]] inline void fail_in(std::string_view where, std::string_view column,
                                 std::string_view what) {
  fail(std::string(where) + ": " +
       (column.empty() ? std::string() : "column '" + std::string(column) + "': ") +
       std::string(what));
}

}  // namespace diffx::detail
