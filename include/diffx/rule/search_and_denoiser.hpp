#pragma once

#include <diffx/concepts/denoiser.hpp>

namespace diffx::rule {

/// What is observed stands in the caller's buffer when a run starts.
template <class Search, class Denoiser>
inline constexpr bool start_keeps_observed = true;
template <class Search, class Denoiser>
requires requires { Search::moves_start; }
inline constexpr bool start_keeps_observed<Search, Denoiser> =
    !Search::moves_start || !observes_clean<Denoiser>;

template <class Search, class Denoiser>
struct search_and_denoiser_must_fit {
  static_assert(start_keeps_observed<Search, Denoiser>,
                "diffx: this search writes the whole start of a run, over what "
                "denoiser::clamp_clean has observed. Use search::best_of_n. The two policies are "
                "the arguments of search_and_denoiser_must_fit<...>.");
};

}  // namespace diffx::rule
