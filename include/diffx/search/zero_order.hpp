#pragma once

#include <diffx/concepts/search.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>
#include <diffx/noise/address.hpp>
#include <diffx/run.hpp>
#include <diffx/search/candidates.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

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
/// Shapes    the verifier writes one score per row; every row has a search of its own.
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

  template <class Sampler, class Exec, class Denoiser, class T, class Verifier, class Noise>
  search_result<T> run(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                       timetable const& grid, batch_view<T> x, Verifier const& verifier,
                       options<Noise> const& opts) const {
    constexpr auto where = "diffx::search::zero_order";
    detail::require(rounds >= 0, where, "rounds", rounds, "at least 0");
    detail::require(neighbours >= 1, where, "neighbours", neighbours, "at least 1");
    detail::require(cosine > -1.0 && cosine < 1.0, where, "cosine", cosine, "in (-1, 1)");
    if (opts.start != start::prior) {
      detail::fail(
          "diffx::search::zero_order: options.start must be start::prior; the search "
          "owns the start noise");
    }
    if (opts.fixed[0] != nullptr) {
      detail::fail(
          "diffx::search::zero_order: options.fixed keeps a part of the start, which the search "
          "overwrites; use search::best_of_n");
    }
    auto const size = static_cast<std::size_t>(x.size());
    std::vector<T> pivot(size), fresh(size), tried(size);
    draw(exec, opts.noise, x, pivot);
    candidates<T> pool(x);
    detail::workspace const memory(sampler.workspace_size(exec, denoiser, x, opts));
    options<Noise> given = opts;
    given.start = start::given;
    auto const deviation = static_cast<T>(detail::prior_std(grid[opts.first_step]));
    std::vector<bool> won(static_cast<std::size_t>(x.batch));

    auto const attempt = [&](int candidate, std::vector<T> const& noise) {
      for (std::size_t i = 0; i < size; ++i) pool.trial_values()[i] = deviation * noise[i];
      auto r = sampler.start(exec, denoiser, grid, pool.trial(), memory.span(), given);
      pool.count(r.finish());
      pool.keep_better(candidate, verifier, &won);
    };
    attempt(0, pivot);
    std::vector<T> best = pivot;
    auto const keep = static_cast<T>(cosine),
               spread = static_cast<T>(std::sqrt(1.0 - cosine * cosine));
    int candidate = 0;
    for (int round = 0; round < rounds; ++round) {
      for (int k = 0; k < neighbours; ++k) {
        ++candidate;
        draw(exec, opts.noise.fork(static_cast<std::uint64_t>(candidate)), x, fresh);
        for (std::size_t i = 0; i < size; ++i) tried[i] = keep * pivot[i] + spread * fresh[i];
        attempt(candidate, tried);
        for (std::int64_t row = 0; row < x.batch; ++row) {
          if (!won[static_cast<std::size_t>(row)]) continue;
          auto const at = row * x.features;
          std::copy(tried.begin() + at, tried.begin() + at + x.features, best.begin() + at);
        }
      }
      pivot = best;
    }
    return pool.finish(std::move(pivot));
  }

 private:
  /// The start noise that a plain run with this source would draw.
  template <class Exec, class Noise, class T>
  static void draw(Exec const& exec, Noise const& noise, batch_view<T> x, std::vector<T>& out) {
    T* const data = out.data();
    std::int64_t const features = x.features, first_sample = x.first_sample;
    exec.for_each_tile(x.batch, features, [=](std::int64_t sample, std::int64_t first, int n) {
      noise.fill(noise::key{noise::prior_step, 0, 0, 1.0, 1.0}, first_sample + sample, first, n,
                 data + sample * features + first);
    });
  }
};

static_assert(search_policy<zero_order>);

}  // namespace diffx::search
