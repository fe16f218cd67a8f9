#pragma once

#include <diffx/domain/relational/schema.hpp>
#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// Tables of a schema, in its order of declaration. Host memory.
///
/// Errors    another number of tables, or columns that are not those of the schema in their order:
///           throws diffx::error.
class database {
 public:
  database(relational::schema s, std::vector<table::typed_table> tables)
      : schema_(std::move(s)), tables_(std::move(tables)) {
    constexpr auto where = "diffx::domain::relational::database";
    detail::require(tables_.size() == schema_.tables().size(), where, "tables", tables_.size(),
                    std::to_string(schema_.tables().size()) + " as in the schema");
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      table_schema const& t = schema_.tables()[i];
      if (tables_[i].schema() != t.columns) {
        detail::fail(std::string(where) + ": table '" + t.name +
                     "' has other columns than the schema, or in another order");
      }
    }
  }

  relational::schema const& schema() const noexcept { return schema_; }
  std::vector<table::typed_table> const& tables() const noexcept { return tables_; }
  table::typed_table const& at(std::string_view name) const { return tables_[schema_.index(name)]; }

 private:
  relational::schema schema_;
  std::vector<table::typed_table> tables_;
};

enum class violation_kind : std::uint8_t {
  no_primary_key,         // a missing cell
  primary_key_twice,      // the key of an earlier row
  no_foreign_key,         // a missing cell of a key that is not nullable
  foreign_key_not_there,  // no parent has it
};

inline std::string_view name_of(violation_kind k) noexcept {
  constexpr std::string_view names[] = {"no primary key", "a primary key that stands twice",
                                        "no foreign key", "a foreign key that no parent has"};
  return names[static_cast<std::size_t>(k)];
}

/// A cell that breaks referential integrity.
struct violation {
  violation_kind kind{};
  std::string table;
  std::string column;
  std::size_t row = 0;
  std::int64_t line = 0;  // of the file; 0: the table was not read from one
  std::string key;        // its text; empty: missing

  /// "table 'visit', row 3 (line 5), column 'person': a foreign key that no parent has: '17'"
  std::string text() const {
    return "table '" + table + "', row " + std::to_string(row) +
           (line > 0 ? " (line " + std::to_string(line) + ")" : "") + ", column '" + column +
           "': " + std::string(name_of(kind)) + (key.empty() ? "" : ": '" + key + "'");
  }
};

}  // namespace diffx::domain::relational

namespace diffx::detail {

inline bool has_key(domain::table::column const& c, std::size_t row) noexcept {
  return c.type.kind == domain::table::column_kind::category ? c.labels[row].has_value()
                                                             : !std::isnan(c.numbers[row]);
}
inline std::string key_text(domain::table::column const& c, std::size_t row) {
  if (!has_key(c, row)) return {};
  return c.type.kind == domain::table::column_kind::category ? *c.labels[row]
                                                             : detail::text(c.numbers[row]);
}

/// Rows by their keys; of equal keys the first row. Whole numbers without wide gaps, which most
/// keys are, are places in a list; others are hashed.
class key_rows {
 public:
  explicit key_rows(domain::table::column const& keys) {
    if (keys.type.kind != domain::table::column_kind::category) {
      for (double const k : keys.numbers) {
        if (std::fabs(k) >= 0x1p53) {
          fail("diffx::domain::relational: column '" + keys.type.name + "': the key " + text(k) +
               " is no number that is told from its neighbours; make the column a category");
        }
      }
      plan(keys.numbers);
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (!has_key(keys, i)) continue;
      auto const row = static_cast<std::int64_t>(i);
      if (keys.type.kind == domain::table::column_kind::category) {
        labels_.try_emplace(*keys.labels[i], row);
      } else if (list_.empty()) {
        numbers_.try_emplace(keys.numbers[i], row);
      } else {
        auto& first = list_[static_cast<std::size_t>(keys.numbers[i] - least_)];
        if (first < 0) first = row;
      }
    }
  }
  /// The row of a key that is there; -1: none has it.
  std::int64_t find(domain::table::column const& c, std::size_t row) const {
    if (c.type.kind == domain::table::column_kind::category) {
      auto const at = labels_.find(*c.labels[row]);
      return at == labels_.end() ? -1 : at->second;
    }
    double const key = c.numbers[row];
    if (list_.empty()) {
      auto const at = numbers_.find(key);
      return at == numbers_.end() ? -1 : at->second;
    }
    double const place = key - least_;
    bool const inside = place >= 0.0 && place < static_cast<double>(list_.size());
    return inside && key == std::floor(key) ? list_[static_cast<std::size_t>(place)] : -1;
  }

 private:
  void plan(std::vector<double> const& keys) {
    double most = -INFINITY;
    least_ = INFINITY;
    for (double const k : keys) {
      if (std::isnan(k)) continue;
      if (k != std::floor(k) || std::fabs(k) > 0x1p52) return;  // places would not be exact
      least_ = std::min(least_, k);
      most = std::max(most, k);
    }
    if (most >= least_ && most - least_ < 4.0 * static_cast<double>(keys.size())) {
      list_.assign(static_cast<std::size_t>(most - least_) + 1, -1);
    }
  }

  std::unordered_map<std::string_view, std::int64_t> labels_;
  std::unordered_map<double, std::int64_t> numbers_;
  std::vector<std::int64_t> list_;
  double least_ = 0.0;
};

}  // namespace diffx::detail

namespace diffx::domain::relational {

/// Every cell that breaks referential integrity, table by table; none in a sound database.
inline std::vector<violation> check_integrity(database const& d) {
  std::vector<violation> out;
  schema const& s = d.schema();
  for (std::size_t i = 0; i < s.tables().size(); ++i) {
    table_schema const& t = s.tables()[i];
    auto const add = [&](violation_kind kind, table::column const& c, std::size_t row) {
      auto const lines = d.tables()[i].lines();
      out.push_back({kind, t.name, c.type.name, row, lines.empty() ? 0 : lines[row],
                     detail::key_text(c, row)});
    };
    if (!t.primary_key.empty()) {
      table::column const& own = d.tables()[i].at(t.primary_key);
      detail::key_rows const rows(own);
      for (std::size_t row = 0; row < own.size(); ++row) {
        if (!detail::has_key(own, row)) {
          add(violation_kind::no_primary_key, own, row);
        } else if (rows.find(own, row) != static_cast<std::int64_t>(row)) {
          add(violation_kind::primary_key_twice, own, row);
        }
      }
    }
    for (foreign_key const& f : t.foreign_keys) {
      std::size_t const p = s.index(f.parent);
      detail::key_rows const rows(d.tables()[p].at(s.tables()[p].primary_key));
      table::column const& c = d.tables()[i].at(f.column);
      for (std::size_t row = 0; row < c.size(); ++row) {
        if (!detail::has_key(c, row)) {
          if (!f.nullable) add(violation_kind::no_foreign_key, c, row);
        } else if (rows.find(c, row) < 0) {
          add(violation_kind::foreign_key_not_there, c, row);
        }
      }
    }
  }
  return out;
}

/// Throws diffx::error with the first violation and their number.
inline void require_integrity(std::string_view where, database const& d) {
  auto const found = check_integrity(d);
  if (found.empty()) return;
  detail::fail(std::string(where) + ": " + found[0].text() + " (the first of " +
               std::to_string(found.size()) + ")");
}

inline void require_relation(std::string_view where, schema const& s, std::size_t r) {
  detail::require(r < s.relations().size(), where, "relation", r,
                  "below " + std::to_string(s.relations().size()) + ", those of the schema");
}

/// For every row of a relation's child, the parent's row; -1 where the key is missing.
using row_links = std::vector<std::int64_t>;

/// Errors    no such relation, a key that no parent has: throws diffx::error.
inline row_links links_of(database const& d, std::size_t r) {
  schema const& s = d.schema();
  require_relation("diffx::domain::relational::links_of", s, r);
  relation const& rel = s.relations()[r];
  table::column const& c = d.tables()[rel.child].at(s.key(r).column);
  detail::key_rows const rows(d.tables()[rel.parent].at(s.tables()[rel.parent].primary_key));
  row_links out(c.size(), -1);
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (!detail::has_key(c, i)) continue;
    out[i] = rows.find(c, i);
    if (out[i] < 0) {
      detail::fail("diffx::domain::relational::links_of: " + s.text(r) + ": row " +
                   std::to_string(i) + " has the key '" + detail::key_text(c, i) +
                   "', which no parent has");
    }
  }
  return out;
}

/// Children of every parent row.
///
/// Errors    a link that is neither -1 nor a parent's row: throws diffx::error.
inline std::vector<std::int64_t> children_of(row_links const& links, std::int64_t parents) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(parents), 0);
  for (std::int64_t const p : links) {
    detail::require(p >= -1 && p < parents, "diffx::domain::relational::children_of", "link",
                    static_cast<long long>(p), "-1 or in [0, " + std::to_string(parents) + ")");
    if (p >= 0) ++out[static_cast<std::size_t>(p)];
  }
  return out;
}

/// The child rows of every parent: those of row p are rows[offsets[p]] up to offsets[p + 1].
struct children {
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> rows;
};

inline children group_by_parent(row_links const& links, std::int64_t parents) {
  children out;
  out.offsets.assign(1, 0);
  for (std::int64_t const n : children_of(links, parents)) {
    out.offsets.push_back(out.offsets.back() + n);
  }
  out.rows.resize(static_cast<std::size_t>(out.offsets.back()));
  std::vector<std::int64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i] < 0) continue;
    auto& at = next[static_cast<std::size_t>(links[i])];
    out.rows[static_cast<std::size_t>(at++)] = static_cast<std::int64_t>(i);
  }
  return out;
}

}  // namespace diffx::domain::relational
