#pragma once

#include <diffx/detail/whole_file.hpp>
#include <diffx/domain/relational/database.hpp>
#include <diffx/domain/table/csv_table.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace diffx::domain::relational {

/// A database from the files <table>.csv of a folder, whose headers are the columns of the schema
/// in their order. `options.types` and `options.exact` are the schema's.
///
/// Errors    what table::read_csv refuses; keys that break referential integrity: throws
///           diffx::error with table, line and column.
inline database read_database(schema const& s, std::string const& folder,
                              table::csv_options options = {}) {
  std::vector<table::typed_table> tables;
  options.exact = true;
  for (table_schema const& t : s.tables()) {
    options.types = t.columns;
    tables.push_back(table::read_csv_file(folder + "/" + t.name + ".csv", options).table);
  }
  database out(s, std::move(tables));
  require_integrity("diffx::domain::relational::read_database", out);
  return out;
}

/// The same database into a folder that is not there yet, or is empty. Everything is checked and
/// written beside it first and renamed at once: there is the whole database or no folder.
///
/// Errors    what table::write_csv refuses; keys that break referential integrity; a table's name
///           that is no file name; a folder that holds something or cannot be made: throws
///           diffx::error.
inline void write_database(std::string const& folder, database const& d,
                           table::csv_options const& options = {}) {
  constexpr auto where = "diffx::domain::relational::write_database";
  require_integrity(where, d);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < d.tables().size(); ++i) {
    std::string const& name = d.schema().tables()[i].name;
    if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
      detail::fail(std::string(where) + ": the table's name '" + name + "' is no file name");
    }
    texts.push_back(table::write_csv(d.tables()[i], options));
  }
  namespace fs = std::filesystem;
  std::error_code failed;
  auto const target =
      fs::path(folder).has_filename() ? fs::path(folder) : fs::path(folder).parent_path();
  bool const exists = fs::exists(target, failed);
  if (exists && (!fs::is_directory(target, failed) || !fs::is_empty(target, failed))) {
    detail::fail(std::string(where) + ": '" + folder + "' is there and is no empty folder");
  }
  fs::path part;
  bool made = false;
  for (int i = 0; i < 100 && !made; ++i) {
    part = target.string() + ".part" + std::to_string(i);
    made = fs::create_directory(part, failed);  // never into the folder of another writer
  }
  if (!made) detail::fail(std::string(where) + ": '" + part.string() + "' cannot be created");
  struct cleaner {
    fs::path const& path;
    ~cleaner() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } const clean{part};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto const path = part / (d.schema().tables()[i].name + ".csv");
    detail::write_whole_file(where, path.string(), texts[i]);
  }
  fs::rename(part, target, failed);
  if (failed) {
    detail::fail(std::string(where) + ": '" + part.string() + "' cannot be renamed to '" + folder +
                 "'");
  }
}

}  // namespace diffx::domain::relational
