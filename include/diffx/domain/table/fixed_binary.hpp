#pragma once

#include <diffx/detail/codec_parts.hpp>
#include <diffx/detail/codec_text.hpp>
#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/table/bits.hpp>
#include <diffx/domain/table/missing.hpp>
#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/per_column.hpp>
#include <diffx/domain/table/snap.hpp>
#include <diffx/domain/table/typed_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::table {

enum class binary_rounding : std::uint8_t {
  nearest,
  truncate,  // as the paper does; a number comes back up to a code step too small
};

struct binary_options {
  int bits = 32;  // of a number
  binary_rounding rounding = binary_rounding::nearest;
  snap snapping = snap::whole_numbers;  // after decoding
  bool may_miss = false;                // of a number: a bit more says whether it is there
  ordinal_options categories{};
};

/// A table's row as a fixed number of bits, the highest of a column first:
///
///     number:    code = round((x - min) / (max - min) (2^bits - 1)), 32 bits; a date is a number
///                a number that may miss has a 1 before it, or nothing but zeros
///     category:  its number in ceil(log2 K) bits, 1 if K = 1
///
/// A number comes back within half a code step (truncate: within one), and exactly where it is
/// snapped to whole or observed values that are farther apart than that; whole numbers too close
/// for their bits are refused by snap::integer and left as they are by snap::whole_numbers. A
/// constant column is code 0, and any code is the constant. The codes >= K name no category: such
/// a cell is missing and counted.
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882, which truncates
///           and numbers categories by first appearance.
/// Shapes    bits [rows, row_bits()], one byte each; see bits.hpp for words of 32 and 64.
/// Errors    an empty table; bits outside [1, 32]; a number that is missing but may not, infinite
/// or
///           outside the fitted range, a label of no known category, with row, line and column; a
///           column that is not there, is of another kind, or too many; bytes other than 0 and 1,
///           or no whole rows; a file that is none, cut off or altered: throws diffx::error.
class fixed_binary {
 public:
  static constexpr std::string_view name = "domain::table::fixed_binary";
  static constexpr std::string_view source = "arXiv:2409.13882";

  static fixed_binary fit(typed_table const& t, per_column<binary_options> const& options = {}) {
    if (t.rows() == 0) detail::fail(std::string(where) + ": the table has no rows");
    options.require_names(t);
    fixed_binary out;
    for (column const& c : t.columns()) {
      binary_options const& o = options(c.type.name);
      place const at{c.type.name, t.lines()};
      one p;
      p.type = c.type;
      if (c.type.kind == column_kind::category) {
        p.categories = ordinal::fit(c.labels, o.categories, at);
        p.bits = bits_for(p.categories->size());
      } else {
        if (o.bits < 1 || o.bits > most_bits) {
          detail::fail_in(where, c.type.name,
                          "bits = " + detail::text(o.bits) + ", must be in [1, 32]");
        }
        p.may_miss = o.may_miss;
        auto const numbers = o.may_miss ? filled(c) : c.numbers;
        detail::require_cells(where, numbers, at);
        auto const [least, most] = std::minmax_element(numbers.begin(), numbers.end());
        p.min = *least;
        p.max = *most;
        p.bits = o.bits;
        p.rounding = o.rounding;
        if (!std::isfinite(p.max - p.min)) {
          detail::fail_in(where, c.type.name, "max - min does not fit a double");
        }
        auto const snapping = c.type.kind == column_kind::date && o.snapping == snap::none
                                  ? snap::whole_numbers
                                  : o.snapping;
        bool const close =
            (p.max - p.min) / p.last_code() > (o.rounding == binary_rounding::nearest ? 1.0 : 0.5);
        if (snapping == snap::integer && close) {
          detail::fail_in(where, c.type.name,
                          detail::text(p.bits) + " bits do not tell the whole numbers from " +
                              detail::text(p.min) + " to " + detail::text(p.max) + " apart");
        }
        p.snapping = snapper::fit(
            numbers, snapping == snap::whole_numbers && close ? snap::none : snapping, at);
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
  std::vector<int> bits() const {
    std::vector<int> out;
    for (one const& c : columns_) out.push_back(c.width());
    return out;
  }
  std::int64_t row_bits() const noexcept {
    std::int64_t n = 0;
    for (one const& c : columns_) n += c.width();
    return n;
  }
  /// The fitted range of a numeric column.
  std::pair<double, double> range(std::string_view column_name) const {
    for (one const& c : columns_) {
      if (c.type.name == column_name && !c.categories) return {c.min, c.max};
    }
    detail::fail_in(where, column_name, "the codec has no such column of numbers");
  }

  std::vector<std::uint8_t> encode(typed_table const& t) const {
    detail::require_schema(where, columns_, t);
    auto const width = static_cast<std::size_t>(row_bits());
    std::vector<std::uint8_t> out(t.rows() * width);
    std::size_t first = 0;
    for (one const& c : columns_) {
      column const& from = t.at(c.type);
      place const at{c.type.name, t.lines()};
      for (std::size_t i = 0; i < t.rows(); ++i) {
        auto cell = std::span(out).subspan(i * width + first, static_cast<std::size_t>(c.width()));
        if (c.may_miss) {
          if (std::isnan(from.numbers[i])) continue;
          cell[0] = 1;
          cell = cell.subspan(1);
        }
        put_bits(c.categories
                     ? static_cast<std::uint32_t>(c.categories->encode(from.labels[i], i, at))
                     : c.code_of(from.numbers[i], i, at),
                 cell);
      }
      first += static_cast<std::size_t>(c.width());
    }
    return out;
  }

  decoded decode(std::span<std::uint8_t const> bits) const {
    auto const width = static_cast<std::size_t>(row_bits());
    detail::require(width > 0 && bits.size() % width == 0, where, "length of the bits",
                    static_cast<long long>(bits.size()),
                    "a multiple of " + detail::text(static_cast<long long>(width)));
    std::size_t const rows = bits.size() / width;
    decoded out;
    out.bad_rows.assign(rows, 0);
    std::vector<column> columns;
    std::size_t first = 0;
    for (one const& c : columns_) {
      column to{c.type, {}, {}};
      for (std::size_t i = 0; i < rows; ++i) {
        auto const cell = bits.subspan(i * width + first, static_cast<std::size_t>(c.width()));
        std::uint32_t const code = get_bits(cell.subspan(c.may_miss ? 1 : 0));
        if (!c.categories) {
          bool const is_there = !c.may_miss || get_bits(cell.first(1)) != 0;
          to.numbers.push_back(is_there ? c.number_of(code)
                                        : std::numeric_limits<double>::quiet_NaN());
        } else if (c.categories->is_valid(std::int64_t{code})) {
          to.labels.push_back(c.categories->decode(std::int64_t{code}));
        } else {
          to.labels.push_back(std::nullopt);
          ++out.invalid;
          out.bad_rows[i] = 1;
        }
      }
      first += static_cast<std::size_t>(c.width());
      columns.push_back(std::move(to));
    }
    out.table = typed_table(std::move(columns));
    return out;
  }

  /// The fitted codec as text, which is the same on every machine.
  std::string to_text() const {
    return detail::columns_to_text(file_kind, columns_,
                                   [](detail::codec_text_writer& out, one const& c) {
                                     out.put(static_cast<std::int64_t>(c.bits));
                                     out.put(static_cast<std::int64_t>(c.rounding));
                                     out.put(c.min);
                                     out.put(c.max);
                                     detail::put_snapper(out, c.snapping);
                                     out.put(std::int64_t{c.may_miss ? 1 : 0});
                                   });
  }

  static fixed_binary from_text(std::string_view text) {
    fixed_binary out;
    out.columns_ = detail::columns_from_text<one>(
        where, file_kind, text, [](detail::codec_text_reader& in, one& c) {
          c.bits = static_cast<int>(in.integer(1, most_bits));
          c.rounding = static_cast<binary_rounding>(in.integer(0, 1));
          c.min = in.real();
          c.max = in.real();
          if (!(c.max >= c.min) || !std::isfinite(c.max - c.min)) {
            in.broken("column '" + c.type.name + "' has no range");
          }
          c.snapping = detail::get_snapper(in);
          c.may_miss = in.integer(0, 1) != 0;
        });
    for (one& c : out.columns_) {
      if (c.categories) c.bits = bits_for(c.categories->size());
    }
    return out;
  }

  void save(std::string const& path) const { detail::write_whole_file(where, path, to_text()); }
  static fixed_binary load(std::string const& path) {
    return from_text(detail::read_whole_file(where, path));
  }

 private:
  static constexpr auto where = "diffx::domain::table::fixed_binary";
  static constexpr auto file_kind = "fixed_binary";

  /// A number of the column in place of those that are missing.
  static std::vector<double> filled(column const& c) {
    auto out = c.numbers;
    auto const some = std::find_if(out.begin(), out.end(), [](double x) { return !std::isnan(x); });
    if (some == out.end()) detail::fail_in(where, c.type.name, "every cell is missing");
    double const x = *some;
    for (double& v : out) v = std::isnan(v) ? x : v;
    return out;
  }

  struct one {
    column_type type;
    std::optional<ordinal> categories{};  // of a categorical column; the rest is of the others
    int bits = most_bits;
    binary_rounding rounding = binary_rounding::nearest;
    double min = 0.0, max = 0.0;
    snapper snapping{};
    bool may_miss = false;

    int width() const noexcept { return bits + (may_miss ? 1 : 0); }
    double last_code() const noexcept {
      return static_cast<double>((std::uint64_t{1} << bits) - 1);
    }
    std::uint32_t code_of(double x, std::size_t row, place const& at) const {
      if (std::isnan(x)) detail::fail_at(where, at, row, "the number is missing (NaN)");
      if (!(x >= min && x <= max)) {
        detail::fail_at(where, at, row,
                        detail::text(x) + " is outside the fitted range, [" + detail::text(min) +
                            ", " + detail::text(max) + "]");
      }
      if (min == max) return 0;
      double const code = (x - min) / (max - min) * last_code();
      return static_cast<std::uint32_t>(
          rounding == binary_rounding::nearest ? std::floor(code + 0.5) : code);
    }
    double number_of(std::uint32_t code) const noexcept {
      // The ends themselves: min + (max - min) may be one rounding away from max.
      double const share = static_cast<double>(code) / last_code();
      double const x = share < 1.0 ? min + share * (max - min) : max;
      return min == max ? min : snapping(x);
    }
  };

  std::vector<one> columns_;
};

}  // namespace diffx::domain::table
