#pragma once

#include <diffx/detail/codec_text.hpp>
#include <diffx/domain/table/ordinal.hpp>
#include <diffx/domain/table/round_to_observed.hpp>
#include <diffx/domain/table/snap.hpp>
#include <diffx/domain/table/typed_table.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

// What the codecs of tables share: parts of their files, and the cells of a numeric column.
namespace diffx::detail {

inline void put_type(codec_text_writer& out, domain::table::column_type const& type) {
  out.put(static_cast<std::int64_t>(type.kind));
  out.put(std::string_view(type.name));
}
inline domain::table::column_type get_type(codec_text_reader& in) {
  auto const kind = static_cast<domain::table::column_kind>(in.integer(0, 2));
  domain::table::column_type type{in.string(), kind};
  if (type.name.empty()) in.broken("a column has no name");
  return type;
}
/// A column of this name must not have come before.
template <class Columns>
void require_new(codec_text_reader const& in, Columns const& columns, std::string const& name) {
  for (auto const& c : columns) {
    if (c.type.name == name) in.broken("column '" + name + "' stands twice");
  }
}

inline void put_ordinal(codec_text_writer& out, domain::table::ordinal const& o) {
  out.put(static_cast<std::int64_t>(o.order()));
  out.put(static_cast<std::int64_t>(o.missing_code().has_value()));
  out.put(static_cast<std::int64_t>(o.unknown().has_value()));
  out.put(std::string_view(o.merged_label()));
  out.put_list(o.labels());
  out.put_list(o.rare());
}
inline domain::table::ordinal get_ordinal(codec_text_reader& in, std::string const& name) {
  domain::table::ordinal_options o;
  o.order = static_cast<domain::table::category_order>(in.integer(0, 1));
  bool const has_missing = in.integer(0, 1) == 1;
  o.reserve_unknown = in.integer(0, 1) == 1;
  o.merged_label = in.string();
  auto labels = in.strings();
  auto rare = in.strings();
  domain::table::ordinal codes(std::move(labels), std::move(rare), o, has_missing, {name});
  if (codes.size() < 1) in.broken("column '" + name + "' has no categories");
  return codes;
}

inline void put_snapper(codec_text_writer& out, domain::table::snapper const& s) {
  out.put(static_cast<std::int64_t>(s.how()));
  if (s.how() == domain::table::snap::integer) {
    out.put(s.min());
    out.put(s.max());
  }
  if (s.how() == domain::table::snap::observed) out.put_list(s.values());
}
inline domain::table::snapper get_snapper(codec_text_reader& in) {
  using domain::table::snap;
  using domain::table::snapper;
  auto const how = static_cast<snap>(in.integer(0, static_cast<std::int64_t>(snap::observed)));
  if (how == snap::integer) {
    double const min = in.real();
    return snapper::within(min, in.real());
  }
  if (how == snap::observed) return snapper::to(domain::table::round_to_observed(in.reals()));
  return {};
}

/// The text of a codec: its columns, a line each. put_numbers(out, column) writes what a column of
/// numbers needs.
template <class Columns, class PutNumbers>
std::string columns_to_text(std::string_view kind, Columns const& columns,
                            PutNumbers const& put_numbers) {
  codec_text_writer out(kind);
  out.put(static_cast<std::int64_t>(columns.size()));
  out.end_line();
  for (auto const& c : columns) {
    put_type(out, c.type);
    if (c.categories) {
      put_ordinal(out, *c.categories);
    } else {
      put_numbers(out, c);
    }
    out.end_line();
  }
  return out.finish();
}

/// The way back. get_numbers(in, column) reads what put_numbers wrote.
template <class Column, class GetNumbers>
std::vector<Column> columns_from_text(std::string_view where, std::string_view kind,
                                      std::string_view text, GetNumbers const& get_numbers) {
  codec_text_reader in(where, kind, text);
  std::vector<Column> out;
  std::size_t const columns = in.length();
  if (columns == 0) in.broken("it has no columns");
  for (std::size_t j = 0; j < columns; ++j) {
    Column c;
    c.type = get_type(in);
    require_new(in, out, c.type.name);
    if (c.type.kind == domain::table::column_kind::category) {
      c.categories = get_ordinal(in, c.type.name);
    } else {
      get_numbers(in, c);
    }
    out.push_back(std::move(c));
  }
  in.finish();
  return out;
}

/// Refuses a table that has other columns than a codec; those of one name must be of one kind.
template <class Columns>
void require_schema(std::string_view where, Columns const& columns,
                    domain::table::typed_table const& t) {
  for (auto const& c : columns) t.at(c.type);
  for (auto const& have : t.columns()) {
    bool known = false;
    for (auto const& c : columns) known = known || c.type.name == have.type.name;
    if (!known) fail_in(where, have.type.name, "the codec was fitted without this column");
  }
}

}  // namespace diffx::detail
