#pragma once

// The compositions that the image examples offer by name. Each name is one specialised loop.

#include <diffx/cache/every_n.hpp>
#include <diffx/cache/none.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/error.hpp>
#include <diffx/grid/sigma.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/registry.hpp>
#include <diffx/rule/solver_and_cache.hpp>
#include <diffx/schedule/cosine_dsno.hpp>
#include <diffx/timetable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace example {

/// The path that the network was trained on: lambda from -5 to 5.
inline auto process() { return diffx::process::vp<diffx::schedule::cosine_dsno>{{-10.0, 10.0}}; }

inline diffx::timetable make_grid(std::string const& name, int steps) {
  auto const p = process();
  diffx::grid::time_range const range{1.0, 0.0};
  if (name == "lambda") return diffx::grid::uniform_lambda(p, steps, range);
  if (name == "time") return diffx::grid::uniform_t(p, steps, range);
  if (name == "karras") {
    return diffx::grid::karras(p, steps, {p.at(0.0).edm_sigma(), p.at(1.0).edm_sigma()}, 7.0,
                               diffx::grid::end_point::none);
  }
  diffx::detail::fail("--grid " + name + ": must be lambda, time or karras");
}

struct named {
  template <class S>
  static std::string of() {
    return std::string(S::name.substr(std::string_view("solver::").size()));
  }
};

inline std::vector<std::string> solver_names() {
  std::vector<std::string> names;
  diffx::for_each_type(diffx::registry::solvers{},
                       [&]<class S>() { names.push_back(named::of<S>()); });
  return names;
}

/// Calls job(solver, cache) for the named policies; nothing where no such pair exists.
template <class Job>
auto with_solver(std::string const& solver, std::string const& cache, Job const& job) {
  using diffx::solver::ddim;
  using outcome = decltype(job(ddim{}, diffx::cache::none{}));
  std::optional<outcome> found;
  auto const try_cache = [&]<class S, class C>(std::string_view name) {
    if constexpr (diffx::rule::replay_keeps_order<S, C>) {
      if (!found && solver == named::of<S>() && cache == name) found = job(S{}, C{});
    }
  };
  diffx::for_each_type(diffx::registry::solvers{}, [&]<class S>() {
    try_cache.template operator()<S, diffx::cache::none>("none");
  });
  // The caches are shown with the solvers that people combine them with: a loop for each of all
  // pairs would take minutes to compile.
  diffx::for_each_type(diffx::type_list<ddim, diffx::solver::dpmpp_2m>{}, [&]<class S>() {
    try_cache.template operator()<S, diffx::cache::every_n<2>>("every_2");
    try_cache.template operator()<S, diffx::cache::linear<2>>("linear_2");
  });
  return found;
}

}  // namespace example
