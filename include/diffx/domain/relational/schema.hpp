#pragma once

#include <diffx/domain/table/typed_table.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

namespace table = domain::table;

/// A column whose values are primary keys of another table, or of the same one.
struct foreign_key {
  std::string column;
  std::string parent;     // the table
  bool nullable = false;  // a row may have none: a missing cell
};

/// One table: its columns, keys included, in the order of its file.
struct table_schema {
  std::string name;
  std::vector<table::column_type> columns;
  std::string primary_key{};  // a column; empty: the table has none and nothing refers to it
  std::vector<foreign_key> foreign_keys{};
};

/// A foreign key by the places of its tables in the schema.
struct relation {
  std::size_t child = 0;
  std::size_t parent = 0;
  std::size_t key = 0;    // among the child's foreign keys
  bool deferred = false;  // its parents come later in the order (or are the same table)
};

/// Tables and how they refer to each other, known at run time.
///
/// order() has parents before children, of those that may come next the one declared first (Kahn).
/// A cycle is broken at a table whose keys within it are nullable, by the first such one; these
/// keys are `deferred`. relations() lists every foreign key, table by table as declared.
///
/// Errors    no tables; a name that is empty or stands twice; a key that is no column, is a date,
///           or is the key of two references; a primary key that is a foreign key as well; a parent
///           that is not there or has no primary key, or one of another kind; a cycle of keys that
///           are not nullable: throws diffx::error naming table and column.
class schema {
 public:
  explicit schema(std::vector<table_schema> tables) : tables_(std::move(tables)) {
    if (tables_.empty()) detail::fail(std::string(where) + ": there are no tables");
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (tables_[i].name.empty()) {
        detail::fail(std::string(where) + ": table " + std::to_string(i) + " has no name");
      }
      if (find(tables_[i].name) != i) fail(i, "this name stands twice");
      check_columns(i);
    }
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      for (std::size_t k = 0; k < tables_[i].foreign_keys.size(); ++k) {
        relations_.push_back({i, parent_of(i, k), k, false});
      }
    }
    sort();
  }

  std::span<table_schema const> tables() const noexcept { return tables_; }
  std::span<relation const> relations() const noexcept { return relations_; }
  std::span<std::size_t const> order() const noexcept { return order_; }

  std::size_t index(std::string_view name) const {
    std::size_t const i = find(name);
    if (i == tables_.size()) {
      detail::fail(std::string(where) + ": there is no table '" + std::string(name) + "'");
    }
    return i;
  }
  /// The relation of a foreign key.
  std::size_t relation_of(std::string_view child, std::string_view column) const {
    std::size_t const i = index(child);
    for (std::size_t r = 0; r < relations_.size(); ++r) {
      if (relations_[r].child == i && key(r).column == column) return r;
    }
    fail(i, "'" + std::string(column) + "' is no foreign key");
  }
  foreign_key const& key(std::size_t r) const {
    return tables_[relations_[r].child].foreign_keys[relations_[r].key];
  }
  /// The kind of a table's primary key.
  table::column_kind key_kind(std::size_t i) const {
    return column(i, tables_[i].primary_key)->kind;
  }
  /// "child.column -> parent"
  std::string text(std::size_t r) const {
    return tables_[relations_[r].child].name + "." + key(r).column + " -> " + key(r).parent;
  }

  /// Relations in which a table is the child, or the parent.
  std::vector<std::size_t> above(std::size_t i) const {
    std::vector<std::size_t> out;
    for (std::size_t r = 0; r < relations_.size(); ++r) {
      if (relations_[r].child == i) out.push_back(r);
    }
    return out;
  }
  std::vector<std::size_t> below(std::size_t i) const {
    std::vector<std::size_t> out;
    for (std::size_t r = 0; r < relations_.size(); ++r) {
      if (relations_[r].parent == i) out.push_back(r);
    }
    return out;
  }

  /// Columns of a table that are no keys.
  std::vector<table::column_type> features(std::size_t i) const {
    std::vector<table::column_type> out;
    for (auto const& c : tables_[i].columns) {
      if (c.name != tables_[i].primary_key && !refers(i, c.name)) out.push_back(c);
    }
    return out;
  }

 private:
  static constexpr auto where = "diffx::domain::relational::schema";

  [[noreturn]] void fail(std::size_t i, std::string const& what) const {
    detail::fail(std::string(where) + ": table '" + tables_[i].name + "': " + what);
  }
  std::size_t find(std::string_view name) const noexcept {
    std::size_t i = 0;
    while (i < tables_.size() && tables_[i].name != name) ++i;
    return i;
  }
  table::column_type const* column(std::size_t i, std::string_view name) const noexcept {
    for (auto const& c : tables_[i].columns) {
      if (c.name == name) return &c;
    }
    return nullptr;
  }
  bool refers(std::size_t i, std::string_view column) const noexcept {
    auto const& keys = tables_[i].foreign_keys;
    return std::any_of(keys.begin(), keys.end(),
                       [&](foreign_key const& k) { return k.column == column; });
  }

  void check_columns(std::size_t i) const {
    table_schema const& t = tables_[i];
    if (t.columns.empty()) fail(i, "it has no columns");
    for (std::size_t j = 0; j < t.columns.size(); ++j) {
      auto const& name = t.columns[j].name;
      if (name.empty()) fail(i, "column " + std::to_string(j) + " has no name");
      if (column(i, name) != &t.columns[j]) fail(i, "column '" + name + "' stands twice");
    }
    if (!t.primary_key.empty()) check_key(i, t.primary_key);
    for (std::size_t k = 0; k < t.foreign_keys.size(); ++k) {
      auto const& name = t.foreign_keys[k].column;
      check_key(i, name);
      if (name == t.primary_key) {
        fail(i, "column '" + name +
                    "' is a primary and a foreign key; of tables that are one to one, give the "
                    "child a key of its own");
      }
      for (std::size_t l = 0; l < k; ++l) {
        if (t.foreign_keys[l].column == name) {
          fail(i, "column '" + name + "' is a foreign key twice");
        }
      }
    }
  }
  void check_key(std::size_t i, std::string const& name) const {
    auto const* const c = column(i, name);
    if (c == nullptr) fail(i, "the key '" + name + "' is no column");
    if (c->kind == table::column_kind::date) {
      fail(i, "the key '" + name + "' is a date, must be numeric or a category");
    }
  }
  std::size_t parent_of(std::size_t i, std::size_t k) const {
    foreign_key const& f = tables_[i].foreign_keys[k];
    std::size_t const p = find(f.parent);
    if (p == tables_.size()) {
      fail(i, "key '" + f.column + "' refers to '" + f.parent + "', which is no table");
    }
    if (tables_[p].primary_key.empty()) {
      fail(i, "key '" + f.column + "' refers to '" + f.parent + "', which has no primary key");
    }
    if (column(i, f.column)->kind != key_kind(p)) {
      fail(i, "key '" + f.column + "' is " +
                  std::string(table::name_of(column(i, f.column)->kind)) +
                  ", the primary key of '" + f.parent + "' is " +
                  std::string(table::name_of(key_kind(p))));
    }
    return p;
  }

  // ---- the order ----

  /// Whether a table refers to one that is not placed yet; `strict`: by a key that is not nullable.
  bool waits(std::size_t i, std::vector<bool> const& placed, bool strict) const {
    return std::any_of(relations_.begin(), relations_.end(), [&](relation const& r) {
      return r.child == i && !placed[r.parent] &&
             (!strict || !tables_[i].foreign_keys[r.key].nullable);
    });
  }
  /// The tables that a table waits for, itself among them if it is on a cycle.
  std::vector<bool> waited_for(std::size_t i, std::vector<bool> const& placed) const {
    std::vector<bool> seen(tables_.size(), false);
    std::vector<std::size_t> open{i};
    while (!open.empty()) {
      std::size_t const at = open.back();
      open.pop_back();
      for (relation const& r : relations_) {
        if (r.child != at || placed[r.parent]) continue;
        if (!seen[r.parent]) open.push_back(r.parent);
        seen[r.parent] = true;
      }
    }
    return seen;
  }
  /// Whether a table waits for nothing but what waits for it in turn.
  bool leads_cycle(std::size_t i, std::vector<bool> const& placed) const {
    auto const before = waited_for(i, placed);
    for (std::size_t p = 0; p < tables_.size(); ++p) {
      if (before[p] && !waited_for(p, placed)[i]) return false;
    }
    return before[i];
  }

  void sort() {
    std::vector<bool> placed(tables_.size(), false);
    while (order_.size() < tables_.size()) {
      std::size_t next = tables_.size();
      for (std::size_t i = tables_.size(); i-- > 0;) {
        if (!placed[i] && !waits(i, placed, false)) next = i;
      }
      if (next == tables_.size()) next = breaks_cycle(placed);
      for (relation& r : relations_) {
        if (r.child == next && !placed[r.parent]) r.deferred = true;
      }
      placed[next] = true;
      order_.push_back(next);
    }
  }
  std::size_t breaks_cycle(std::vector<bool> const& placed) const {
    std::size_t found = tables_.size();
    // One that waits for another cycle besides would have those keys put off with the others.
    std::size_t at = tables_.size();
    for (std::size_t i = tables_.size(); i-- > 0;) {
      if (placed[i] || !leads_cycle(i, placed)) continue;
      at = i;
      if (!waits(i, placed, true)) found = i;
    }
    if (found < tables_.size()) return found;
    // Each of them waits by a key that is not nullable: following these ends in a cycle.
    std::vector<std::size_t> path;
    while (std::find(path.begin(), path.end(), at) == path.end()) {
      path.push_back(at);
      for (relation const& r : relations_) {
        if (r.child == at && !placed[r.parent] && !tables_[at].foreign_keys[r.key].nullable) {
          at = r.parent;
          break;
        }
      }
    }
    std::string names;
    for (auto p = std::find(path.begin(), path.end(), at); p != path.end(); ++p) {
      names += tables_[*p].name + " -> ";
    }
    detail::fail(std::string(where) + ": a cycle of keys that are not nullable: " + names +
                 tables_[at].name);
  }

  std::vector<table_schema> tables_;
  std::vector<relation> relations_;
  std::vector<std::size_t> order_;
};

}  // namespace diffx::domain::relational
