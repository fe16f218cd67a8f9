#pragma once

#include <diffx/cache/none.hpp>
#include <diffx/concepts/cache.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/guidance.hpp>
#include <diffx/concepts/process.hpp>
#include <diffx/concepts/search.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/parts.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/rule/cache_and_denoiser.hpp>
#include <diffx/rule/guidance_and_denoiser.hpp>
#include <diffx/rule/process_and_cache.hpp>
#include <diffx/rule/process_and_guidance.hpp>
#include <diffx/rule/process_and_prediction.hpp>
#include <diffx/rule/process_and_search.hpp>
#include <diffx/rule/process_and_solver.hpp>
#include <diffx/rule/search_and_denoiser.hpp>
#include <diffx/rule/solver_and_cache.hpp>
#include <diffx/rule/solver_and_guidance.hpp>
#include <diffx/rule/solver_and_prediction.hpp>
#include <diffx/run.hpp>
#include <diffx/search/none.hpp>
#include <diffx/timetable.hpp>

#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace diffx {

namespace detail {

// Rules are completed here, so that a composition that makes no sense fails where it is named, with
// one error. Policies of several blocks are asked part by part.
template <class Process, class Solver, class Guidance, class Cache, class Search, class Blocks>
struct rules;
template <class Process, class Solver, class Guidance, class Cache, class Search, std::size_t... B>
struct rules<Process, Solver, Guidance, Cache, Search, std::index_sequence<B...>> {
  static_assert(((sizeof(rule::process_and_solver_must_fit<part_t<B, Process>, part_t<B, Solver>>) +
                  sizeof(rule::process_and_guidance_must_fit<part_t<B, Process>, Guidance>) +
                  sizeof(rule::process_and_cache_must_fit<part_t<B, Process>, Cache>) +
                  sizeof(rule::process_and_search_must_fit<part_t<B, Process>, Search>) +
                  sizeof(rule::solver_and_guidance_must_fit<part_t<B, Solver>, Guidance>)) +
                 ... + sizeof(rule::solver_and_cache_must_fit<part_t<0, Solver>, Cache>)) > 0);
};

}  // namespace detail

/// A composition of the five policies: one specialised sampling loop.
///
///     sampler s{process::vp{}, solver::dpmpp_2m{}, guidance::cfg{3.0}};
///     auto const grid = grid::uniform_lambda(s.process, 20);
///     s.sample(exec::host{}, denoiser, grid, batch_view<float>{out, 16, 784},
///     options{noise::counted{7}});
///
/// A sampler is immutable and may be shared by any number of runs and threads.
template <process_policy Process, class Solver, guidance_policy Guidance = guidance::none,
          cache_policy Cache = cache::none, search_policy Search = search::none>
struct sampler {
  using process_type = Process;
  using solver_type = Solver;
  using guidance_type = Guidance;
  using cache_type = Cache;
  using search_type = Search;
  static constexpr std::size_t blocks = detail::part_count<Process>;
  using rules_type =
      detail::rules<Process, Solver, Guidance, Cache, Search, std::make_index_sequence<blocks>>;
  static_assert(sizeof(rules_type) > 0);

  Process process{};
  Solver solver{};
  Guidance guidance{};
  Cache cache{};
  Search search{};

  /// Bytes of workspace that a run over x needs.
  template <class Denoiser, class Exec, class Noise = noise::counted, class... Ts>
  std::int64_t workspace_size(Exec const&, Denoiser const&, std::tuple<batch_view<Ts>...> x,
                              options<Noise> const& opts = {}) const {
    return run<sampler, Exec, Denoiser, Noise, Ts...>::workspace_size(process, x, opts);
  }
  template <class Exec, class Denoiser, class T, class Noise = noise::counted>
  std::int64_t workspace_size(Exec const& exec, Denoiser const& denoiser, batch_view<T> x,
                              options<Noise> const& opts = {}) const {
    return workspace_size(exec, denoiser, std::tuple{x}, opts);
  }

  /// Starts a run in the caller's buffers. Nothing is allocated in the workspace's place later.
  template <class Exec, class Denoiser, class Noise = noise::counted, class... Ts>
  requires declared_denoiser<Denoiser>
  auto start(Exec const& exec, Denoiser const& denoiser, timetable const& grid,
             std::tuple<batch_view<Ts>...> x, std::span<std::byte> workspace,
             options<Noise> const& opts = {}) const {
    static_assert(sizeof...(Ts) == blocks,
                  "diffx: the state must have one batch_view per block of the process.");
    check(denoiser, std::make_index_sequence<blocks>{});
    return run<sampler, Exec, Denoiser, Noise, Ts...>(*this, exec, denoiser, grid, x, opts,
                                                      workspace);
  }
  template <class Exec, class Denoiser, class T, class Noise = noise::counted>
  auto start(Exec const& exec, Denoiser const& denoiser, timetable const& grid, batch_view<T> x,
             std::span<std::byte> workspace, options<Noise> const& opts = {}) const {
    return start(exec, denoiser, grid, std::tuple{x}, workspace, opts);
  }

  /// Samples into x with a workspace of its own. The observer is called after every step with a
  /// `progress` and may stop the run.
  template <class Exec, class Denoiser, class X, class Noise = noise::counted,
            class Observer = no_observer>
  result sample(Exec const& exec, Denoiser const& denoiser, timetable const& grid, X x,
                options<Noise> const& opts = {}, Observer&& observer = {}) const {
    static_assert(!Search::verifies,
                  "diffx: this search strategy scores samples: call sample_best with a verifier.");
    static_assert(Exec::on_host,
                  "diffx: sample() takes its workspace from the host's memory, which a device does "
                  "not reach. Call start() with a workspace of the device's, and advance the run.");
    // A callable that is no denoiser, or predicts what this process has not, gets one sentence and
    // not the errors of what follows.
    static_assert(declared_denoiser<Denoiser>,
                  "diffx: the denoiser does not say what it predicts. Wrap it: "
                  "denoiser::predicts<prediction::eps>(f).");
    if constexpr (predicts_values<Denoiser>(std::make_index_sequence<blocks>{})) {
      detail::workspace const memory(workspace_size(exec, denoiser, x, opts));
      auto r = start(exec, denoiser, grid, x, memory.span(), opts);
      return r.finish(observer);
    } else {
      if constexpr (declared_denoiser<Denoiser>) {
        check(denoiser, std::make_index_sequence<blocks>{});
      }
      return {};
    }
  }

  /// Samples with a search strategy; the verifier scores a batch: (batch_view<T const>,
  /// span<double>), off the host (exec, batch_view<T const>, span<double>), both there.
  template <class Exec, class Denoiser, class T, class Verifier, class Noise = noise::counted>
  auto sample_best(Exec const& exec, Denoiser const& denoiser, timetable const& grid,
                   batch_view<T> x, Verifier const& verifier,
                   options<Noise> const& opts = {}) const {
    static_assert(Exec::on_host,
                  "diffx: this sample_best takes its workspace from the host's memory, which a "
                  "device does not reach. Bring one of the device's: sample_best(exec, denoiser, "
                  "grid, x, verifier, workspace, options), of best_workspace_size(...) bytes.");
    detail::workspace const memory(best_workspace_size(exec, denoiser, x, opts));
    return sample_best(exec, denoiser, grid, x, verifier, memory.span(), opts);
  }
  /// The same in the caller's workspace, reached by the execution object and aligned to 64.
  template <class Exec, class Denoiser, class T, class Verifier, class Noise = noise::counted>
  auto sample_best(Exec const& exec, Denoiser const& denoiser, timetable const& grid,
                   batch_view<T> x, Verifier const& verifier, std::span<std::byte> workspace,
                   options<Noise> const& opts = {}) const {
    detail::check_workspace(workspace, best_workspace_size(exec, denoiser, x, opts));
    return search.run(*this, exec, denoiser, grid, x, verifier, workspace, opts);
  }
  /// Bytes of workspace of a search.
  template <class Exec, class Denoiser, class T, class Noise = noise::counted>
  std::int64_t best_workspace_size(Exec const& exec, Denoiser const& denoiser, batch_view<T> x,
                                   options<Noise> const& opts = {}) const {
    return search.workspace_size(*this, exec, denoiser, x, opts);
  }

 private:
  template <class Denoiser, std::size_t... B>
  static consteval bool predicts_values(std::index_sequence<B...>) {
    if constexpr (declared_denoiser<Denoiser>) {
      using prediction_type =
          std::remove_cvref_t<decltype(std::declval<Denoiser const&>().prediction)>;
      return ((
          rule::prediction_suits_process<detail::part_t<B, Process>,
                                         detail::part_t<B, prediction_type>> &&
          rule::score_is_readable<detail::part_t<B, Process>, detail::part_t<B, prediction_type>> &&
          rule::solver_reads_prediction<detail::part_t<B, Solver>,
                                        detail::part_t<B, prediction_type>>)&&...);
    } else {
      return false;
    }
  }

  template <class Denoiser, std::size_t... B>
  static void check(Denoiser const&, std::index_sequence<B...>) {
    using prediction_type =
        std::remove_cvref_t<decltype(std::declval<Denoiser const&>().prediction)>;
    static_assert(
        (sizeof(rule::process_and_prediction_must_fit<detail::part_t<B, Process>,
                                                      detail::part_t<B, prediction_type>>) +
         ... + sizeof(rule::guidance_and_denoiser_must_fit<Guidance, Denoiser>)) > 0);
    static_assert(
        (sizeof(rule::solver_and_prediction_must_fit<detail::part_t<B, Solver>,
                                                     detail::part_t<B, prediction_type>>) +
         ...) > 0);
    static_assert(sizeof(rule::solver_and_denoiser_must_fit<detail::part_t<0, Solver>, Denoiser>) +
                      sizeof(rule::cache_and_denoiser_must_fit<Cache, Denoiser>) +
                      sizeof(rule::search_and_denoiser_must_fit<Search, Denoiser>) >
                  0);
  }
};

// Written out for compilers without deduction for aggregates (clang before 17).
template <class P, class S>
sampler(P, S) -> sampler<P, S>;
template <class P, class S, class G>
sampler(P, S, G) -> sampler<P, S, G>;
template <class P, class S, class G, class C>
sampler(P, S, G, C) -> sampler<P, S, G, C>;
template <class P, class S, class G, class C, class Se>
sampler(P, S, G, C, Se) -> sampler<P, S, G, C, Se>;

}  // namespace diffx
