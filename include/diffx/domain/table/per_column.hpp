#pragma once

#include <diffx/domain/table/typed_table.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::table {

/// Settings of every column, and those of single ones by name.
template <class Options>
struct per_column {
  Options usual{};
  std::vector<std::pair<std::string, Options>> of{};

  Options const& operator()(std::string_view name) const noexcept {
    for (auto const& [n, o] : of) {
      if (n == name) return o;
    }
    return usual;
  }

  /// Refuses settings of a column that the table does not have.
  void require_names(typed_table const& t) const {
    for (auto const& setting : of) t.at(setting.first);
  }
};

}  // namespace diffx::domain::table
