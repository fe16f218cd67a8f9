#pragma once

#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/place.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::table {

enum class column_kind : std::uint8_t {
  numeric,   // numbers; NaN is a missing cell
  date,      // numbers as well: days since 1970-01-01
  category,  // labels
};

inline std::string_view name_of(column_kind k) noexcept {
  return k == column_kind::numeric ? "numeric" : k == column_kind::date ? "date" : "category";
}

/// A column's name and kind.
struct column_type {
  std::string name;
  column_kind kind = column_kind::numeric;

  friend bool operator==(column_type const&, column_type const&) = default;
};

/// One column: numbers of a numeric column or of dates, labels of a categorical one.
struct column {
  column_type type;
  std::vector<double> numbers;
  std::vector<label> labels;

  std::size_t size() const noexcept {
    return type.kind == column_kind::category ? labels.size() : numbers.size();
  }
};

inline column numeric_column(std::string name, std::vector<double> numbers) {
  return {{std::move(name), column_kind::numeric}, std::move(numbers), {}};
}
inline column date_column(std::string name, std::vector<double> days) {
  return {{std::move(name), column_kind::date}, std::move(days), {}};
}
inline column category_column(std::string name, std::vector<label> labels) {
  return {{std::move(name), column_kind::category}, {}, std::move(labels)};
}

/// Columns of one length and different names. Host memory.
///
/// Errors    columns of different lengths, no name or one twice, a column that is not there, or
///           is of another kind: throws diffx::error with the column's name.
class typed_table {
 public:
  typed_table() = default;
  explicit typed_table(std::vector<column> columns, std::vector<std::int64_t> lines = {})
      : columns_(std::move(columns)), lines_(std::move(lines)) {
    for (std::size_t j = 0; j < columns_.size(); ++j) {
      column const& c = columns_[j];
      if (c.type.name.empty()) {
        detail::fail(std::string(where) + ": column " + std::to_string(j) + " has no name");
      }
      if (c.size() != rows()) {
        detail::fail_in(where, c.type.name,
                        std::to_string(c.size()) + " rows, must be " + std::to_string(rows()) +
                            " as in '" + columns_[0].type.name + "'");
      }
      if (find(c.type.name) != j) detail::fail_in(where, c.type.name, "this name stands twice");
    }
    detail::require(lines_.empty() || lines_.size() == rows(), where, "lines",
                    static_cast<long long>(lines_.size()), "one per row, or none");
  }

  std::size_t rows() const noexcept { return columns_.empty() ? 0 : columns_[0].size(); }
  std::span<column const> columns() const noexcept { return columns_; }
  /// The line of every row in the file it was read from; empty for other tables.
  std::span<std::int64_t const> lines() const noexcept { return lines_; }

  std::vector<column_type> schema() const {
    std::vector<column_type> out;
    for (column const& c : columns_) out.push_back(c.type);
    return out;
  }

  column const& at(std::string_view name) const {
    std::size_t const j = find(name);
    if (j == columns_.size()) detail::fail_in(where, name, "there is no such column");
    return columns_[j];
  }
  /// The column, which must be of this kind.
  column const& at(column_type const& type) const {
    column const& c = at(type.name);
    if (c.type.kind != type.kind) {
      detail::fail_in(where, type.name,
                      "it is " + std::string(name_of(c.type.kind)) + ", must be " +
                          std::string(name_of(type.kind)));
    }
    return c;
  }

 private:
  static constexpr auto where = "diffx::domain::table::typed_table";

  std::size_t find(std::string_view name) const noexcept {
    std::size_t j = 0;
    while (j < columns_.size() && columns_[j].type.name != name) ++j;
    return j;
  }

  std::vector<column> columns_;
  std::vector<std::int64_t> lines_;
};

/// What a codec makes of sampled rows. Cells that mean nothing are missing ones in the table, and
/// counted: codes that no category has, numbers that are not finite.
struct decoded {
  typed_table table;
  std::int64_t invalid = 0;              // cells
  std::vector<std::uint8_t> bad_rows{};  // 1 where a row has such a cell
};

}  // namespace diffx::domain::table
