#pragma once

#include <diffx/concepts/search.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/run.hpp>
#include <diffx/search/candidates.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace diffx::detail {

/// tried = keep pivot + spread xi, and the state that starts from it. Without keep the pivot, which
/// then may hold anything, is not read.
template <class T, class Noise>
struct neighbour_op {
  Noise noise;
  std::int64_t first_sample, features;
  T keep, spread, deviation;
  T const* pivot;
  T* tried;
  T* start;

  DIFFX_HD void operator()(std::int64_t sample, std::int64_t first, int n) const {
#if defined(__CUDA_ARCH__)
    constexpr int width = 4;
    n = n < width ? n : width;  // with this bound known, z stays in registers
#else
    constexpr int width = 512;
#endif
    T z[width];
    noise.fill(noise::key{noise::prior_step, 0, 0, 1.0, 1.0}, first_sample + sample, first, n, z);
    std::int64_t const base = sample * features + first;
    for (int i = 0; i < n; ++i) {
      T const v =
          keep != T(0) ? fma(keep, pivot[base + i], rounded_product(spread, z[i])) : spread * z[i];
      tried[base + i] = v;
      start[base + i] = deviation * v;
    }
  }
};

}  // namespace diffx::detail

namespace diffx::search {

/// Zero-order search over the start noise: each round tries neighbours of the best noise so far.
///
///     z' = c z + sqrt(1 - c^2) xi      keeps z' standard normal; c is the cosine between them
///
/// The pivot is kept when no neighbour beats it, so the best score never falls. All candidates
/// share the noise of their steps: with a stochastic solver the search is over the start alone.
///
/// Cost      1 + rounds * neighbours runs.
/// Source    Ma et al. 2025, arXiv:2501.09732 (zero-order search).
/// Shapes    the verifier writes one score per row, as for best_of_n; every row has a search of its
///           own.
/// Requires  a process with a normal prior; classes and points on spheres have no such neighbours.
/// Errors    rounds < 0, neighbours < 1 or cosine outside (-1, 1) throws; so does a run that does
///           not start from the prior, or that keeps a part of it (options.fixed).
struct zero_order {
  using kind = search_tag;
  static constexpr std::string_view name = "search::zero_order";
  static constexpr std::string_view source = "arXiv:2501.09732";
  static constexpr bool verifies = true;
  static constexpr bool moves_start = true;

  int rounds = 4;
  int neighbours = 4;
  double cosine = 0.95;

  template <class Sampler, class Exec, class Denoiser, class T, class Noise>
  std::int64_t workspace_size(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                              batch_view<T> x, options<Noise> const& opts) const {
    check(opts.start == start::prior, opts.fixed[0] == nullptr);
    return candidates<Exec, T>::bytes(x, runs(), false) + 3 * pieces::bytes<T>(x.size()) +
           sampler.workspace_size(exec, denoiser, x, opts);
  }

  template <class Sampler, class Exec, class Denoiser, class T, class Verifier, class Noise>
  search_result<T> run(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                       timetable const& grid, batch_view<T> x, Verifier const& verifier,
                       std::span<std::byte> workspace, options<Noise> const& opts) const {
    pieces memory(workspace);
    candidates<Exec, T> pool(exec, x, runs(), false, memory);
    T* const pivot = memory.take<T>(x.size());
    T* const tried = memory.take<T>(x.size());
    T* const best = memory.take<T>(x.size());
    options<Noise> given = opts;
    given.start = start::given;
    auto const deviation = static_cast<T>(detail::prior_std(grid[opts.first_step]));
    auto const attempt = [&](Noise const& noise, T keep, T spread) {
      T* const trial = pool.trial().data;
      exec.for_each_tile(x.batch, x.features,
                         detail::neighbour_op<T, Noise>{noise, x.first_sample, x.features, keep,
                                                        spread, deviation, pivot, tried, trial});
      auto r = sampler.start(exec, denoiser, grid, pool.trial(), memory.rest(), given);
      pool.count(r.finish());
      pool.keep_better(verifier);
      pool.keep_won(tried, best);
    };
    // The start noise that a plain run with this source would draw.
    attempt(opts.noise, T(0), T(1));
    auto const keep = static_cast<T>(cosine),
               spread = static_cast<T>(std::sqrt(1.0 - cosine * cosine));
    int candidate = 0;
    for (int round = 0; round < rounds; ++round) {
      pool.copy(best, pivot);
      for (int k = 0; k < neighbours; ++k) {
        ++candidate;
        attempt(opts.noise.fork(static_cast<std::uint64_t>(candidate)), keep, spread);
      }
    }
    return pool.finish(best);
  }

 private:
  int runs() const noexcept { return 1 + rounds * neighbours; }

  void check(bool from_prior, bool all_free) const {
    constexpr auto where = "diffx::search::zero_order";
    detail::require(rounds >= 0, where, "rounds", rounds, "at least 0");
    detail::require(neighbours >= 1, where, "neighbours", neighbours, "at least 1");
    detail::require(cosine > -1.0 && cosine < 1.0, where, "cosine", cosine, "in (-1, 1)");
    if (!from_prior) {
      detail::fail(
          "diffx::search::zero_order: options.start must be start::prior; the search "
          "owns the start noise");
    }
    if (!all_free) {
      detail::fail(
          "diffx::search::zero_order: options.fixed keeps a part of the start, which the search "
          "overwrites; use search::best_of_n");
    }
  }
};

static_assert(search_policy<zero_order>);

}  // namespace diffx::search
