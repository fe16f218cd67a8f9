#pragma once

#include <diffx/concepts/process.hpp>

namespace diffx::rule {

/// A search may move about in the start noise (`moves_start = true`): that noise is normal then.
template <class Process, class Search>
inline constexpr bool start_can_move = true;
template <class Process, class Search>
requires requires { requires Search::moves_start; }
inline constexpr bool start_can_move<Process, Search> = gaussian_process<Process>;

template <class Process, class Search>
struct process_and_search_must_fit {
  static_assert(start_can_move<Process, Search>,
                "diffx: this search tries neighbours of a normal start noise, and this process "
                "starts from classes or from points on spheres, which have none, or from noise of "
                "another deviation in every column. Use "
                "search::best_of_n, which draws every candidate anew. The two policies are the "
                "arguments of process_and_search_must_fit<...>.");
};

}  // namespace diffx::rule
