#pragma once

#include <diffx/concepts/cache.hpp>
#include <diffx/concepts/process.hpp>

namespace diffx::rule {

template <class Process, class Cache>
inline constexpr bool cache_suits_values =
    (Process::values == value_kind::continuous && !sphere_process<Process>) || Cache::depth == 0;

/// Caches of text: those that look at the classes of the state.
template <class Process, class Cache>
inline constexpr bool cache_has_classes = true;
template <class Process, class Cache>
requires(
    requires { Cache::keeps_kv; } ||
    requires { Cache::watches_state; }) inline constexpr bool cache_has_classes<Process, Cache> =
    Process::values == value_kind::categorical && !column_process<Process>;

template <class Process, class Cache>
struct process_and_cache_must_fit {
  static_assert(
      cache_has_classes<Process, Cache>,
      "diffx: this cache looks at classes of a text, and the process has numbers or columns "
      "of a table. Use cache::none, or cache::every_n or cache::taylor with numbers. The two "
      "policies are the arguments of "
      "process_and_cache_must_fit<...>.");
  static_assert(
      cache_suits_values<Process, Cache>,
      "diffx: this cache stores and extrapolates predictions of numbers; logits of other "
      "classes are no forecast. Use cache::none with a process of classes or of points on "
      "spheres. The two "
      "policies are the arguments of process_and_cache_must_fit<...>.");
};

}  // namespace diffx::rule
