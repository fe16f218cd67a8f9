#pragma once

#include <concepts>
#include <string_view>

namespace diffx {

struct search_tag {};

/// A search strategy does things around whole runs: it starts, scores and keeps them.
///
/// | `S::batched`     | runs alive per kept sample; 1 for none                                   |
/// | `S::verifies`    | true if it needs a verifier: callable (batch_view<T const>, span<double>) |
/// | `S::moves_start` | true if it moves about in a normal start noise                           |
template <class S>
concept search_policy = std::same_as<typename S::kind, search_tag> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::source } -> std::convertible_to<std::string_view>;
  { S::verifies } -> std::convertible_to<bool>;
};

}  // namespace diffx
