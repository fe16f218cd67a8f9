#pragma once

#include <diffx/domain/table/place.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace diffx::domain::table {

/// What becomes of a row whose numeric cell is missing (NaN).
enum class missing : std::uint8_t {
  refuse,    // an error that names the cell
  mean,      // the column's mean takes its place
  drop_row,  // the row is left out
};

/// The cells that are there. The infinite ones are no numbers of a table.
///
/// Errors    an infinite cell, or nothing but missing ones: throws diffx::error.
inline std::vector<double> observed(std::span<double const> x, place const& at = {}) {
  constexpr auto where = "diffx::domain::table::observed";
  std::vector<double> out;
  out.reserve(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) continue;
    if (std::isinf(x[i])) detail::fail_at(where, at, i, "an infinite number");
    out.push_back(x[i]);
  }
  if (out.empty()) detail::fail_in(where, at.column, "every cell is missing");
  return out;
}

/// The mean, from the deviations of a first estimate, so that a large offset costs no digits.
inline double mean_of(std::span<double const> x) noexcept {
  if (x.empty()) return NAN;
  double const n = static_cast<double>(x.size());
  double first = 0.0, rest = 0.0;
  for (double const v : x) first += v / n;
  for (double const v : x) rest += (v - first) / n;
  return first + rest;
}

}  // namespace diffx::domain::table

namespace diffx::detail {

/// A column to fit on: some rows, every cell finite.
inline void require_cells(std::string_view where, std::span<double const> x,
                          domain::table::place const& at) {
  if (x.empty()) fail_in(where, at.column, "no rows to fit on");
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) fail_at(where, at, i, "the number is missing (NaN)");
    if (std::isinf(x[i])) fail_at(where, at, i, "an infinite number");
  }
}

}  // namespace diffx::detail
