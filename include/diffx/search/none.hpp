#pragma once

#include <diffx/concepts/search.hpp>

namespace diffx::search {

/// One run, kept as it comes.
struct none {
  using kind = search_tag;
  static constexpr std::string_view name = "search::none";
  static constexpr std::string_view source = "";
  static constexpr bool verifies = false;
};

static_assert(search_policy<none>);

}  // namespace diffx::search
