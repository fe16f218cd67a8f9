#pragma once

#include <diffx/concepts/kv.hpp>

namespace diffx::rule {

template <class Cache, class Denoiser>
inline constexpr bool denoiser_has_store = true;
template <class Cache, class Denoiser>
requires requires { Cache::keeps_kv; }
inline constexpr bool denoiser_has_store<Cache, Denoiser> = kv_denoiser<Denoiser>;

/// An exact cache of keys and values needs a network of blocks that says so.
template <class Cache, class Denoiser>
inline constexpr bool denoiser_has_blocks = true;
template <class Cache, class Denoiser>
requires requires { requires Cache::keeps_kv && Cache::exact; }
inline constexpr bool denoiser_has_blocks<Cache, Denoiser> = requires(Denoiser const& d) {
  d.block_length();
};

template <class Cache, class Denoiser>
inline constexpr bool denoiser_ignores_time = true;
template <class Cache, class Denoiser>
requires requires { Cache::watches_state; }
inline constexpr bool denoiser_ignores_time<Cache, Denoiser> = requires {
  requires Denoiser::time_free;
};

template <class Cache, class Denoiser>
struct cache_and_denoiser_must_fit {
  static_assert(denoiser_has_store<Cache, Denoiser>,
                "diffx: this cache keeps keys and values, and the denoiser offers no store for "
                "them. Give it make_store and the call of concepts/kv.hpp, or use cache::none. The "
                "two policies are the arguments of cache_and_denoiser_must_fit<...>.");
  static_assert(denoiser_has_blocks<Cache, Denoiser>,
                "diffx: this cache is exact for a network in which a position attends to its own "
                "and earlier blocks only; the denoiser does not say that it is one. Give it "
                "block_length(), or use cache::kv_prefix. The two policies are the arguments of "
                "cache_and_denoiser_must_fit<...>.");
  static_assert(denoiser_ignores_time<Cache, Denoiser>,
                "diffx: this cache repeats an answer while the state stays, and the denoiser may "
                "answer otherwise at another time. Declare time_free = true if it is not told the "
                "time, or use cache::none. The two policies are the arguments of "
                "cache_and_denoiser_must_fit<...>.");
};

}  // namespace diffx::rule
