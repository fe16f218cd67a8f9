#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace diffx::detail {

/// A policy of a state with several blocks holds one part per block; any other policy serves all.
template <class P>
concept has_parts = requires {
  std::tuple_size<decltype(P::parts)>::value;
};

template <std::size_t Block, class P>
constexpr auto const& part(P const& policy) noexcept {
  if constexpr (has_parts<P>) {
    return std::get<Block>(policy.parts);
  } else {
    return policy;
  }
}

template <std::size_t Block, class P>
using part_t = std::remove_cvref_t<decltype(part<Block>(std::declval<P const&>()))>;

template <class P>
inline constexpr std::size_t part_count = 1;
template <has_parts P>
inline constexpr std::size_t part_count<P> = std::tuple_size_v<decltype(P::parts)>;

}  // namespace diffx::detail
