#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/detail/codec_parts.hpp>
#include <diffx/detail/codec_text.hpp>
#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/table/min_max.hpp>
#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/per_column.hpp>
#include <diffx/domain/table/quantile_normal.hpp>
#include <diffx/domain/table/snap.hpp>
#include <diffx/domain/table/standard.hpp>
#include <diffx/domain/table/typed_table.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace diffx::domain::table {

enum class numeric_form : std::uint8_t { quantile_normal, standard, min_max };

/// How one column is coded. The first group is of numbers and dates, the last of categories.
struct codec_options {
  numeric_form form = numeric_form::quantile_normal;
  int levels = 0;                    // quantile_normal; 0: by the number of rows
  double low = -1.0;                 // min_max
  double high = 1.0;                 // min_max
  snap rounding = snap::few_levels;  // dates that have none are rounded to whole days
  missing on_missing = missing::refuse;
  bool indicator = false;  // a class more: 1 where the number is missing; with missing::mean

  ordinal_options categories{};
};

/// Rows as a joint state: numbers of the Gaussian part, classes of the categorical part.
struct encoded {
  std::int64_t rows = 0;
  std::int64_t width = 0;           // numbers in a row
  std::int64_t columns = 0;         // classes in a row
  std::vector<double> numbers;      // [rows, width]
  std::vector<std::int32_t> codes;  // [rows, columns]
  std::vector<std::size_t> kept;    // the table's row of each; some may have been dropped

  batch_view<double const> numbers_view() const noexcept { return {numbers.data(), rows, width}; }
  batch_view<std::int32_t const> codes_view() const noexcept {
    return {codes.data(), rows, columns};
  }
};

/// A table of mixed columns and the state that a process of a Gaussian and a categorical part
/// works on:
///
///     numbers: one of every numeric column and date, in the order of the table
///     codes:   one of every categorical column, and one of every number with an indicator
///
/// classes() gives their K, which one_hot turns into the row that a network is shown.
///
/// Source    Kotelnikov et al. 2023 (TabDDPM), arXiv:2209.15421.
/// Shapes    tables of `rows` rows; numbers [rows, width()], codes [rows, classes().size()].
/// Errors    an empty table; a column that is not there, is of another kind, or too many; a cell
///           that is infinite, missing where missing::refuse stands, or of no known category, with
///           row, line and column; an indicator without missing::mean; views of other shapes; a
///           file that is none, cut off or altered: throws diffx::error.
class table_codec {
 public:
  static constexpr std::string_view name = "domain::table::table_codec";
  static constexpr std::string_view source = "arXiv:2209.15421";

  static table_codec fit(typed_table const& t, per_column<codec_options> const& options = {}) {
    if (t.rows() == 0) detail::fail(std::string(where) + ": the table has no rows");
    options.require_names(t);
    table_codec out;
    for (column const& c : t.columns()) {
      codec_options const& o = options(c.type.name);
      place const at{c.type.name, t.lines()};
      one p;
      p.type = c.type;
      if (c.type.kind == column_kind::category) {
        p.categories = ordinal::fit(c.labels, o.categories, at);
      } else {
        p.on_missing = o.on_missing;
        p.indicator = o.indicator;
        if (o.indicator && o.on_missing != missing::mean) {
          detail::fail_in(where, c.type.name, "an indicator needs missing::mean beside it");
        }
        if (o.on_missing == missing::refuse) detail::require_cells(where, c.numbers, at);
        auto const there = observed(c.numbers, at);
        p.mean = mean_of(there);
        p.rounding = snapper::fit(there, rounding_of(c.type.kind, o.rounding), {c.type.name});
        p.form = form_of(there, o, {c.type.name});
      }
      out.columns_.push_back(std::move(p));
    }
    return out;
  }

  std::vector<column_type> schema() const {
    std::vector<column_type> out;
    for (one const& c : columns_) out.push_back(c.type);
    return out;
  }
  /// Numbers in a row.
  std::int64_t width() const noexcept {
    std::int64_t n = 0;
    for (one const& c : columns_) n += c.categories ? 0 : 1;
    return n;
  }
  /// Classes of every code in a row.
  std::vector<int> classes() const {
    std::vector<int> out;
    for (one const& c : columns_) {
      if (c.categories) out.push_back(c.categories->size());
      if (c.indicator) out.push_back(2);
    }
    return out;
  }
  /// The categories of a column.
  ordinal const& categories(std::string_view column_name) const {
    for (one const& c : columns_) {
      if (c.type.name == column_name && c.categories) return *c.categories;
    }
    detail::fail_in(where, column_name, "the codec has no such column of categories");
  }

  encoded encode(typed_table const& t) const {
    detail::require_schema(where, columns_, t);
    encoded out;
    out.width = width();
    out.columns = static_cast<std::int64_t>(classes().size());
    out.kept = rows_kept(t);
    out.rows = static_cast<std::int64_t>(out.kept.size());
    out.numbers.resize(static_cast<std::size_t>(out.rows * out.width));
    out.codes.resize(static_cast<std::size_t>(out.rows * out.columns));
    std::int64_t number = 0, code = 0;
    for (one const& c : columns_) {
      column const& from = t.at(c.type);
      place const at{c.type.name, t.lines()};
      auto const put_code = [&](std::int64_t i, std::int32_t value) {
        out.codes[static_cast<std::size_t>(i * out.columns + code)] = value;
      };
      for (std::int64_t i = 0; i < out.rows; ++i) {
        std::size_t const row = out.kept[static_cast<std::size_t>(i)];
        if (c.categories) {
          put_code(i, c.categories->encode(from.labels[row], row, at));
          continue;
        }
        double const x = from.numbers[row];
        if (std::isinf(x)) detail::fail_at(where, at, row, "an infinite number");
        if (std::isnan(x) && c.on_missing == missing::refuse) {
          detail::fail_at(where, at, row, "the number is missing; see missing::mean and drop_row");
        }
        out.numbers[static_cast<std::size_t>(i * out.width + number)] =
            c.forward(std::isnan(x) ? c.mean : x);
        if (c.indicator) put_code(i, std::isnan(x) ? 1 : 0);
      }
      number += c.categories ? 0 : 1;
      code += c.categories || c.indicator ? 1 : 0;
    }
    return out;
  }

  template <class T, class Code>
  decoded decode(batch_view<T const> numbers, batch_view<Code const> codes) const {
    auto const coded = static_cast<std::int64_t>(classes().size());
    detail::require(numbers.batch == codes.batch && numbers.batch >= 0, where, "rows of the codes",
                    static_cast<long long>(codes.batch), "those of the numbers");
    detail::require(numbers.features == width(), where, "numbers in a row",
                    static_cast<long long>(numbers.features),
                    detail::text(static_cast<long long>(width())));
    detail::require(codes.features == coded, where, "codes in a row",
                    static_cast<long long>(codes.features),
                    detail::text(static_cast<long long>(coded)));
    decoded out;
    out.bad_rows.assign(static_cast<std::size_t>(numbers.batch), 0);
    auto const bad = [&](std::int64_t i) {
      ++out.invalid;
      out.bad_rows[static_cast<std::size_t>(i)] = 1;
    };
    std::vector<column> columns;
    std::int64_t number = 0, code = 0;
    for (one const& c : columns_) {
      column to{c.type, {}, {}};
      for (std::int64_t i = 0; i < numbers.batch; ++i) {
        if (c.categories) {
          auto const k = static_cast<std::int64_t>(codes.row(i)[code]);
          if (!c.categories->is_valid(k)) bad(i);
          to.labels.push_back(c.categories->is_valid(k) ? c.categories->decode(k) : std::nullopt);
          continue;
        }
        std::int64_t const absent = c.indicator ? static_cast<std::int64_t>(codes.row(i)[code]) : 0;
        double const x = c.backward(static_cast<double>(numbers.row(i)[number]));
        bool const good = std::isfinite(x) && (absent == 0 || absent == 1);
        if (!good) bad(i);
        to.numbers.push_back(good && absent == 0 ? x : std::nan(""));
      }
      number += c.categories ? 0 : 1;
      code += c.categories || c.indicator ? 1 : 0;
      columns.push_back(std::move(to));
    }
    out.table = typed_table(std::move(columns));
    return out;
  }

  /// The fitted codec as text, which is the same on every machine.
  std::string to_text() const {
    return detail::columns_to_text(file_kind, columns_,
                                   [](detail::codec_text_writer& out, one const& c) {
                                     out.put(static_cast<std::int64_t>(c.on_missing));
                                     out.put(static_cast<std::int64_t>(c.indicator));
                                     out.put(c.mean);
                                     detail::put_snapper(out, c.rounding);
                                     out.put(static_cast<std::int64_t>(c.form.index()));
                                     std::visit([&](auto const& f) { put_form(out, f); }, c.form);
                                   });
  }

  static table_codec from_text(std::string_view text) {
    table_codec out;
    out.columns_ = detail::columns_from_text<one>(
        where, file_kind, text, [](detail::codec_text_reader& in, one& c) {
          c.on_missing = static_cast<missing>(in.integer(0, 2));
          c.indicator = in.integer(0, 1) == 1;
          c.mean = in.real();
          c.rounding = detail::get_snapper(in);
          c.form = get_form(in);
        });
    return out;
  }

  void save(std::string const& path) const { detail::write_whole_file(where, path, to_text()); }
  static table_codec load(std::string const& path) {
    return from_text(detail::read_whole_file(where, path));
  }

 private:
  static constexpr auto where = "diffx::domain::table::table_codec";
  static constexpr auto file_kind = "table_codec";
  using any_form = std::variant<quantile_normal, standard, min_max>;

  struct one {
    column_type type;
    std::optional<ordinal> categories{};  // of a categorical column; the rest is of the others
    missing on_missing = missing::refuse;
    bool indicator = false;
    double mean = 0.0;
    snapper rounding{};
    any_form form{standard(0.0, 1.0)};

    double forward(double x) const {
      return std::visit([&](auto const& f) { return f.encode(x); }, form);
    }
    double backward(double z) const {
      return std::isfinite(z)
                 ? rounding(std::visit([&](auto const& f) { return f.decode(z); }, form))
                 : z;
    }
  };

  static snap rounding_of(column_kind kind, snap asked) {
    bool const none = asked != snap::integer && asked != snap::observed;
    return kind == column_kind::date && none ? snap::integer : asked;
  }
  static any_form form_of(std::span<double const> x, codec_options const& o, place const& at) {
    if (o.form == numeric_form::standard) return standard::fit(x, at);
    if (o.form == numeric_form::min_max) return min_max::fit(x, o.low, o.high, at);
    return quantile_normal::fit(x, o.levels, at);
  }

  std::vector<std::size_t> rows_kept(typed_table const& t) const {
    std::vector<std::uint8_t> dropped(t.rows(), 0);
    for (one const& c : columns_) {
      if (c.categories || c.on_missing != missing::drop_row) continue;
      auto const& numbers = t.at(c.type).numbers;
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (std::isnan(numbers[i])) dropped[i] = 1;
      }
    }
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < dropped.size(); ++i) {
      if (dropped[i] == 0) out.push_back(i);
    }
    return out;
  }

  static void put_form(detail::codec_text_writer& out, quantile_normal const& f) {
    out.put_list(f.quantiles());
  }
  static void put_form(detail::codec_text_writer& out, standard const& f) {
    out.put(f.mean());
    out.put(f.std());
  }
  static void put_form(detail::codec_text_writer& out, min_max const& f) {
    for (double const v : {f.min(), f.max(), f.low(), f.high()}) out.put(v);
  }
  static any_form get_form(detail::codec_text_reader& in) {
    auto const kind = in.integer(0, 2);
    if (kind == 0) return quantile_normal(in.reals());
    double const a = in.real(), b = in.real();
    if (kind == 1) return standard(a, b);
    double const low = in.real();
    return min_max(a, b, low, in.real());
  }

  std::vector<one> columns_;
};

}  // namespace diffx::domain::table
