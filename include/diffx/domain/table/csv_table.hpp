#pragma once

#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/table/csv.hpp>
#include <diffx/domain/table/dates.hpp>
#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

namespace diffx::domain::table {

struct csv_options {
  char separator = ',';
  std::vector<std::string> missing{};  // fields that are missing cells, beside the empty ones
  std::vector<column_type> types{};    // kinds that are known; the others are inferred
  bool trim = false;                   // blanks around a field without quotes are no part of it
  bool exact = false;                  // the header must be `types`, all of them in their order
  std::string end_of_line = "\n";      // written; RFC 4180 names "\r\n"
};

/// What reading found out about a column.
struct column_report {
  column_type type;
  bool inferred = true;
  std::int64_t missing = 0;
  std::int64_t distinct = 0;  // different fields that are not missing
  std::string reason{};       // why it is no numeric column, with the line: "line 7: 'abc' is ..."
};

struct csv_table {
  typed_table table;  // knows the line of every row
  std::vector<column_report> report;
};

}  // namespace diffx::domain::table

namespace diffx::detail {

/// Digits after a leading 0: a label (a postcode, an account), which a number would cut.
inline bool is_digit_code(std::string_view s) noexcept {
  std::size_t const sign = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
  return s.size() > sign + 1 && s[sign] == '0' && s[sign + 1] >= '0' && s[sign + 1] <= '9';
}

/// A number that uses all of its text, finite or not; nothing if it is none.
inline std::optional<double> number_of(std::string_view s) noexcept {
  if (s.size() > 1 && s[0] == '+' && s[1] != '-') s.remove_prefix(1);
  double v = 0.0;
  auto const r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (r.ptr != s.data() + s.size() || s.empty()) return std::nullopt;
  if (r.ec == std::errc::result_out_of_range) return INFINITY;
  if (r.ec != std::errc()) return std::nullopt;
  return v;
}

/// A column's fields while the table is read.
struct csv_column {
  std::string name;
  std::vector<domain::table::label> cells;
};

inline std::string_view trimmed(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

/// The start of a field, for a message.
inline std::string excerpt(std::string_view s) {
  return "'" + std::string(s.substr(0, 40)) + (s.size() > 40 ? "...'" : "'");
}

/// A text of records, with blanks cut off where that was asked for.
class csv_records {
 public:
  csv_records(std::string_view text, domain::table::csv_options const& options)
      : reader_(text, options.separator), trim_(options.trim) {}

  bool next() {
    bool const some = reader_.next(fields);
    for (domain::table::csv_field& f : fields) {
      if (trim_ && !f.quoted) f.text = std::string(trimmed(f.text));
    }
    return some;
  }
  bool is_blank() const noexcept {
    return fields.size() == 1 && fields[0].text.empty() && !fields[0].quoted;
  }
  std::int64_t line() const noexcept { return reader_.line(); }
  [[noreturn]] void fail(std::string const& what) const {
    detail::fail("diffx::domain::table::read_csv: line " + std::to_string(line()) + ": " + what);
  }

  std::vector<domain::table::csv_field> fields;

 private:
  domain::table::csv_reader reader_;
  bool trim_;
};

/// The columns that the header names, as yet without cells.
inline std::vector<csv_column> read_csv_header(csv_records& in,
                                               domain::table::csv_options const& options) {
  bool some = in.next();
  while (some && in.is_blank()) some = in.next();
  if (!some) fail("diffx::domain::table::read_csv: the text is empty; it needs a header");
  std::vector<csv_column> columns;
  auto const has = [&](std::string_view name) {
    return std::any_of(columns.begin(), columns.end(),
                       [&](csv_column const& c) { return c.name == name; });
  };
  for (domain::table::csv_field const& f : in.fields) {
    if (f.text.empty()) in.fail("column " + std::to_string(columns.size()) + " has no name");
    if (has(f.text)) in.fail("column " + excerpt(f.text) + " twice");
    columns.push_back({f.text, {}});
  }
  for (auto const& known : options.types) {
    if (!has(known.name)) in.fail("the header has no column " + excerpt(known.name));
  }
  if (!options.exact) return columns;
  if (columns.size() != options.types.size()) {
    in.fail("the header has " + std::to_string(columns.size()) + " columns, must have " +
            std::to_string(options.types.size()));
  }
  for (std::size_t j = 0; j < columns.size(); ++j) {
    if (columns[j].name != options.types[j].name) {
      in.fail("column " + std::to_string(j) + " is " + excerpt(columns[j].name) + ", must be " +
              excerpt(options.types[j].name));
    }
  }
  return columns;
}

/// A column of the kind that is known or that its cells have.
inline domain::table::column type_csv_column(csv_column&& c, std::span<std::int64_t const> lines,
                                             domain::table::csv_options const& options,
                                             domain::table::column_report& r) {
  using domain::table::column_kind;
  constexpr auto where = "diffx::domain::table::read_csv";
  r.type.name = c.name;
  std::unordered_set<std::string_view> different;
  std::optional<std::size_t> no_number, digit_code, no_date, not_finite;  // the first such cells
  for (std::size_t i = 0; i < c.cells.size(); ++i) {
    if (!c.cells[i]) {
      ++r.missing;
      continue;
    }
    std::string_view const cell = *c.cells[i];
    different.insert(cell);
    auto const number = number_of(cell);
    if (!number && !no_number) no_number = i;
    if (!digit_code && is_digit_code(cell)) digit_code = i;
    if (number && !std::isfinite(*number) && !not_finite) not_finite = i;
    if (!no_date && !domain::table::days_of(cell)) no_date = i;
  }
  r.distinct = static_cast<std::int64_t>(different.size());
  auto const at = [&](std::size_t i) {
    return "line " + std::to_string(lines[i]) + ": " + excerpt(*c.cells[i]);
  };
  if (digit_code) r.reason = at(*digit_code) + " begins with 0 like a code";
  if (no_number) r.reason = at(*no_number) + " is no number";
  if (different.empty()) r.reason = "every cell is missing";
  r.type.kind = r.reason.empty()                 ? column_kind::numeric
                : !different.empty() && !no_date ? column_kind::date
                                                 : column_kind::category;
  for (auto const& known : options.types) {
    if (known.name != c.name) continue;
    r.inferred = false;
    r.type.kind = known.kind;
    auto const& wrong = known.kind == column_kind::date ? no_date : no_number;
    if (known.kind != column_kind::category && wrong) {
      bool const date = known.kind == column_kind::date;
      fail_in(where, c.name,
              at(*wrong) + " is no " + (date ? "date YYYY-MM-DD" : "number") +
                  ", but the column is " + std::string(name_of(known.kind)));
    }
  }
  if (r.type.kind == column_kind::numeric && not_finite) {
    fail_in(where, c.name,
            at(*not_finite) +
                " is no finite number; name it in csv_options::missing if it stands for a missing "
                "cell, or the column in csv_options::types if it is a label");
  }
  domain::table::column out{r.type, {}, {}};
  if (r.type.kind == column_kind::category) {
    out.labels = std::move(c.cells);
    return out;
  }
  for (auto const& cell : c.cells) {
    out.numbers.push_back(!cell                              ? std::nan("")
                          : r.type.kind == column_kind::date ? *domain::table::days_of(*cell)
                                                             : *number_of(*cell));
  }
  return out;
}

}  // namespace diffx::detail

namespace diffx::domain::table {

/// A table from a CSV text with a header.
///
/// A column that is not named in `types` is numeric if every cell that is not missing is a finite
/// number and none has a digit after a leading 0, else a date if every one is YYYY-MM-DD, else of
/// categories; so is one whose cells are all missing. A field is missing if it is empty and has no
/// quotes, or is one of `missing`. Lines without any text are skipped, unless the table has one
/// column, where each is a missing cell.
///
/// Errors    what csv_reader refuses; no header, a column without a name or one name twice, a
///           header that is not the one asked for; a record of more or fewer fields than the
///           header; a cell that is not of its column's kind; NaN, inf and what no double holds
///           among numbers: throws diffx::error with line and column.
inline csv_table read_csv(std::string_view text, csv_options const& options = {}) {
  detail::csv_records in(text, options);
  auto columns = detail::read_csv_header(in, options);
  std::vector<std::int64_t> lines;
  while (in.next()) {
    if (columns.size() > 1 && in.is_blank()) continue;
    if (in.fields.size() != columns.size()) {
      in.fail(std::to_string(in.fields.size()) + " fields, must be " +
              std::to_string(columns.size()) + " as in the header");
    }
    lines.push_back(in.line());
    for (std::size_t j = 0; j < columns.size(); ++j) {
      csv_field& f = in.fields[j];
      bool const missing = (f.text.empty() && !f.quoted) ||
                           std::find(options.missing.begin(), options.missing.end(), f.text) !=
                               options.missing.end();
      columns[j].cells.push_back(missing ? label() : label(std::move(f.text)));
    }
  }
  csv_table out;
  std::vector<column> typed;
  for (auto& c : columns) {
    out.report.emplace_back();
    typed.push_back(detail::type_csv_column(std::move(c), lines, options, out.report.back()));
  }
  out.table = typed_table(std::move(typed), std::move(lines));
  return out;
}

inline csv_table read_csv_file(std::string const& path, csv_options const& options = {}) {
  return read_csv(detail::read_whole_file("diffx::domain::table::read_csv_file", path), options);
}

/// A table as a CSV text with a header, which read_csv with its schema() turns into the same table:
/// numbers have as many digits as that takes, and a label that would be read as a missing cell
/// stands in quotes.
///
/// Errors    a table without columns, an infinite number, a date outside the years 0001 to 9999, a
///           label that is one of `missing` or holds a byte 0: throws diffx::error with row and
///           column.
inline std::string write_csv(typed_table const& t, csv_options const& options = {}) {
  constexpr auto where = "diffx::domain::table::write_csv";
  if (t.columns().empty()) detail::fail(std::string(where) + ": the table has no columns");
  detail::require(options.end_of_line == "\n" || options.end_of_line == "\r\n", where,
                  "length of end_of_line", static_cast<long long>(options.end_of_line.size()),
                  "that of \\n or \\r\\n");
  std::string out;
  auto const would_trim = [&](std::string_view field) {
    return options.trim && detail::trimmed(field).size() != field.size();
  };
  std::vector<csv_field> record(t.columns().size());
  for (std::size_t j = 0; j < record.size(); ++j) {
    record[j].text = t.columns()[j].type.name;
    record[j].quoted = would_trim(record[j].text);
    if (record[j].text.find('\0') != std::string::npos) {
      detail::fail(std::string(where) + ": column " + std::to_string(j) +
                   ": the name holds a byte 0");
    }
  }
  put_csv_record(out, record, options.separator, options.end_of_line);
  for (std::size_t i = 0; i < t.rows(); ++i) {
    for (std::size_t j = 0; j < record.size(); ++j) {
      column const& c = t.columns()[j];
      place const at{c.type.name, t.lines()};
      csv_field& f = record[j];
      f = {};
      if (c.type.kind == column_kind::category) {
        if (!c.labels[i]) continue;
        f.text = *c.labels[i];
        f.quoted = f.text.empty() || would_trim(f.text);
      } else {
        double const x = c.numbers[i];
        if (std::isnan(x)) continue;
        if (std::isinf(x)) detail::fail_at(where, at, i, "an infinite number");
        if (c.type.kind == column_kind::date && !is_day(x)) {
          detail::fail_at(where, at, i,
                          detail::text(x) + " days are outside the years 0001 to 9999");
        }
        f.text = c.type.kind == column_kind::date ? date_of(x) : detail::text(x);
      }
      if (std::find(options.missing.begin(), options.missing.end(), f.text) !=
          options.missing.end()) {
        detail::fail_at(where, at, i, detail::excerpt(f.text) + " would be read as a missing cell");
      }
      if (f.text.find('\0') != std::string::npos) {
        detail::fail_at(where, at, i, "the label holds a byte 0");
      }
    }
    put_csv_record(out, record, options.separator, options.end_of_line);
  }
  return out;
}

/// The same into a file, which is there as a whole or not at all.
inline void write_csv_file(std::string const& path, typed_table const& t,
                           csv_options const& options = {}) {
  detail::write_whole_file("diffx::domain::table::write_csv_file", path, write_csv(t, options));
}

}  // namespace diffx::domain::table
