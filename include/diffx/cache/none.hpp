#pragma once

#include <diffx/concepts/cache.hpp>

namespace diffx::cache {

/// Every evaluation calls the network.
struct none {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::none";
  static constexpr std::string_view source = "";
  static constexpr int depth = 0;
};

static_assert(cache_policy<none>);

}  // namespace diffx::cache
