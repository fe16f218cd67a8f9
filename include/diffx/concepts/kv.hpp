#pragma once

#include <diffx/concepts/denoiser.hpp>

#include <concepts>
#include <cstdint>

namespace diffx {

/// What one call of a network with a key/value store does with one position of one sample: a set
/// of these. A position that is neither queried nor reused is not seen at all.
namespace kv {
using role = std::uint8_t;
inline constexpr role query = 1;   // the network runs on the position: its key and value are fresh
inline constexpr role reuse = 2;   // the position's stored key and value are attended to
inline constexpr role keep = 4;    // with query: the fresh key and value go into the store
inline constexpr role logits = 8;  // with query: the logits are wanted; others are left as they are
}  // namespace kv

/// A network of tokens that can leave out work, since it keeps keys and values.
///
/// | `d.make_store(batch, positions)`    | an empty store for one branch; a copy of it is a fork |
/// | `d(exec, x, q, roles, store, out)`  | one call: x and roles [batch, positions], out         |
/// |                                     | [batch, positions x classes]                          |
///
/// Positions are absolute and roles differ from sample to sample, so one contract covers appending
/// (query | keep at the end), replacing (query | keep anywhere), a prefix (reuse) and scattered
/// sets. A network of two parts runs its encoder on the positions that are kept and its decoder on
/// those whose logits are wanted.
template <class D>
concept kv_denoiser = declared_denoiser<D> && requires(D const& d, std::int64_t n) {
  d.make_store(n, n);
};

}  // namespace diffx
