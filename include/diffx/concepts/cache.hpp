#pragma once

#include <diffx/step.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace diffx {

struct cache_tag {};

/// A cache of whole predictions decides on the host when the network is called, and how a skipped
/// prediction is made from stored ones.
///
/// | `C::depth`                    | guided predictions kept; 0: nothing is cached               |
/// | `c.refresh(step, first)`      | true if this step calls the network                         |
/// | `c.weights(step, times, w)`   | a skipped step: the weight of each stored prediction; newest |
/// |                               | first, taken at the process times `times`; sum 1             |
///
/// Promise: refresh is true on the first step of a run; only stored predictions get a weight. The
/// two are asked only where depth > 0: caches of another kind (cache/kv.hpp, cache/unchanged.hpp)
/// have other questions to answer.
template <class C>
concept cache_policy = std::same_as<typename C::kind, cache_tag> && requires {
  { C::name } -> std::convertible_to<std::string_view>;
  { C::source } -> std::convertible_to<std::string_view>;
  { C::depth } -> std::convertible_to<int>;
} &&(C::depth == 0 ||
     requires(C const& c, step const& s, std::span<double const> times, std::span<double> w) {
       { c.refresh(s, 0) } -> std::same_as<bool>;
       c.weights(s, times, w);
     });

}  // namespace diffx
