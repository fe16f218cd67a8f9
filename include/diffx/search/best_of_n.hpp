#pragma once

#include <diffx/concepts/search.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>
#include <diffx/run.hpp>
#include <diffx/search/candidates.hpp>

#include <cstdint>

namespace diffx::search {

/// Samples n candidates for every row and keeps the one the verifier scores highest.
///
/// Candidate 0 is what the sampler would give without the search, so more candidates are never
/// worse; candidate k draws all its noise from `noise.fork(k)` and can be replayed from it.
///
/// Cost      n runs; the verifier sees n batches.
/// Source    Ma et al. 2025, arXiv:2501.09732 (random search).
/// Shapes    the verifier writes one score per row: (batch_view<T const>, span<double>); of a block
///           of classes it sees the classes, and what options.fixed keeps is the same in all.
/// Errors    n < 1, or a score that is NaN, throws with the candidate and the row.
struct best_of_n {
  using kind = search_tag;
  static constexpr std::string_view name = "search::best_of_n";
  static constexpr std::string_view source = "arXiv:2501.09732";
  static constexpr bool verifies = true;

  int n = 4;

  template <class Sampler, class Exec, class Denoiser, class T, class Verifier, class Noise>
  search_result<T> run(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                       timetable const& grid, batch_view<T> x, Verifier const& verifier,
                       options<Noise> const& opts) const {
    detail::require(n >= 1, "diffx::search::best_of_n", "n", n, "at least 1");
    candidates<T> pool(x);
    detail::workspace const memory(sampler.workspace_size(exec, denoiser, x, opts));
    for (int k = 0; k < n; ++k) {
      options<Noise> mine = opts;
      if (k > 0) mine.noise = opts.noise.fork(static_cast<std::uint64_t>(k));
      if (opts.start != start::prior) pool.restore_start();
      auto r = sampler.start(exec, denoiser, grid, pool.trial(), memory.span(), mine);
      pool.count(r.finish());
      pool.keep_better(k, verifier);
    }
    return pool.finish();
  }
};

static_assert(search_policy<best_of_n>);

}  // namespace diffx::search
