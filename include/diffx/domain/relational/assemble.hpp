#pragma once

#include <diffx/domain/relational/database.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// A database of generated rows: keys are made here and nowhere else, so that no key can miss its
/// parent. A primary key is the row's number, from 0; a foreign key is its parent's.
///
/// Shapes    features: of every table, its columns that are no keys; rows: of every table; links:
///           of every relation, the parent's row of every child row, or -1.
/// Errors    other shapes, a link that is no parent's row, -1 where the key is not nullable: throws
///           diffx::error.
inline database assemble(schema const& s, std::vector<table::typed_table> const& features,
                         std::vector<std::int64_t> const& rows,
                         std::vector<row_links> const& links) {
  constexpr auto where = "diffx::domain::relational::assemble";
  detail::require(features.size() == s.tables().size(), where, "tables of features",
                  features.size(), std::to_string(s.tables().size()));
  detail::require(rows.size() == s.tables().size(), where, "numbers of rows", rows.size(),
                  std::to_string(s.tables().size()));
  detail::require(links.size() == s.relations().size(), where, "lists of links", links.size(),
                  std::to_string(s.relations().size()));
  for (std::size_t r = 0; r < links.size(); ++r) {
    relation const& rel = s.relations()[r];
    detail::require(static_cast<std::int64_t>(links[r].size()) == rows[rel.child], where,
                    "links of " + s.text(r), links[r].size(), std::to_string(rows[rel.child]));
    bool const nullable = s.key(r).nullable;
    for (std::int64_t const p : links[r]) {
      detail::require(p >= (nullable ? -1 : 0) && p < rows[rel.parent], where,
                      "a link of " + s.text(r), static_cast<long long>(p),
                      "in [" + std::string(nullable ? "-1" : "0") + ", " +
                          std::to_string(rows[rel.parent]) + ")");
    }
  }
  auto const key_column = [](table::column_type const& type, std::int64_t n, auto const& value) {
    table::column out{type, {}, {}};
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t const k = value(i);
      if (type.kind == table::column_kind::category) {
        out.labels.push_back(k < 0 ? table::label() : table::label(std::to_string(k)));
      } else {
        out.numbers.push_back(k < 0 ? std::nan("") : static_cast<double>(k));
      }
    }
    return out;
  };
  std::vector<table::typed_table> tables;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    table_schema const& t = s.tables()[i];
    if (features[i].schema() != s.features(i)) {
      detail::fail(std::string(where) + ": table '" + t.name +
                   "': other features than the schema's, or in another order");
    }
    std::vector<table::column> columns;
    for (auto const& type : t.columns) {
      row_links const* link = nullptr;
      for (std::size_t const r : s.above(i)) {
        if (s.key(r).column == type.name) link = &links[r];
      }
      if (link != nullptr) {
        columns.push_back(key_column(type, rows[i], [&](std::int64_t row) {
          return (*link)[static_cast<std::size_t>(row)];
        }));
      } else if (type.name == t.primary_key) {
        columns.push_back(key_column(type, rows[i], [](std::int64_t row) { return row; }));
      } else {
        columns.push_back(features[i].at(type));
        detail::require(static_cast<std::int64_t>(columns.back().size()) == rows[i], where,
                        "rows of '" + t.name + "'", columns.back().size(), std::to_string(rows[i]));
      }
    }
    tables.emplace_back(std::move(columns));
  }
  return database(s, std::move(tables));
}

}  // namespace diffx::domain::relational
