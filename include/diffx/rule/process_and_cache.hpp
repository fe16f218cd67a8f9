#pragma once

#include <diffx/concepts/cache.hpp>
#include <diffx/concepts/process.hpp>

namespace diffx::rule {

template <class Process, class Cache>
inline constexpr bool cache_suits_values =
    Process::values == value_kind::continuous || Cache::depth == 0;

template <class Process, class Cache>
struct process_and_cache_must_fit {
  static_assert(cache_suits_values<Process, Cache>,
                "diffx: this cache stores and extrapolates predictions of numbers; logits of other "
                "classes are no forecast. Use cache::none with a process of classes. The two "
                "policies are the arguments of process_and_cache_must_fit<...>.");
};

}  // namespace diffx::rule
