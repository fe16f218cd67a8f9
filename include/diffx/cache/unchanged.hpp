#pragma once

#include <diffx/concepts/cache.hpp>

#include <string_view>

namespace diffx::cache {

/// Repeats the network's last answer while the state is the one that it saw: a step of a masked
/// text that commits nothing leaves the next one without a call. Exact, for a network that is not
/// told the time; the whole batch must be unchanged.
///
/// Source    Sahoo et al. 2024 (MDLM), arXiv:2406.07524.
/// Cost      calls fall to the number of steps in which anything changed.
/// Errors    a network that does not say `time_free = true` does not compile.
struct unchanged {
  using kind = cache_tag;
  static constexpr std::string_view name = "cache::unchanged";
  static constexpr std::string_view source = "arXiv:2406.07524";
  static constexpr int depth = 0;
  static constexpr bool watches_state = true;
};

static_assert(cache_policy<unchanged>);

}  // namespace diffx::cache
