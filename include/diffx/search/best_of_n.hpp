#pragma once

#include <diffx/concepts/search.hpp>
#include <diffx/error.hpp>
#include <diffx/run.hpp>
#include <diffx/search/candidates.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace diffx::search {

/// Samples n candidates for every row and keeps the one the verifier scores highest.
///
/// Candidate 0 is what the sampler would give without the search, so more candidates are never
/// worse; candidate k draws all its noise from `noise.fork(k)` and can be replayed from it.
///
/// Cost      n runs; the verifier sees n batches; two passes a run to keep the better rows.
/// Source    Ma et al. 2025, arXiv:2501.09732 (random search).
/// Shapes    the verifier writes one score per row: (batch_view<T const>, span<double>), off the
///           host (exec, batch_view<T const>, span<double>) with both on the device; of a block of
///           classes it sees the classes, and what options.fixed keeps is the same in all.
/// Errors    n < 1, or a score that is NaN, throws with the candidate and the row. Off the host all
///           scores are looked at in the end, after the only wait.
struct best_of_n {
  using kind = search_tag;
  static constexpr std::string_view name = "search::best_of_n";
  static constexpr std::string_view source = "arXiv:2501.09732";
  static constexpr bool verifies = true;

  int n = 4;

  template <class Sampler, class Exec, class Denoiser, class T, class Noise>
  std::int64_t workspace_size(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                              batch_view<T> x, options<Noise> const& opts) const {
    detail::require(n >= 1, "diffx::search::best_of_n", "n", n, "at least 1");
    return candidates<Exec, T>::bytes(x, n, reads_start<Denoiser>(opts)) +
           sampler.workspace_size(exec, denoiser, x, opts);
  }

  template <class Sampler, class Exec, class Denoiser, class T, class Verifier, class Noise>
  search_result<T> run(Sampler const& sampler, Exec const& exec, Denoiser const& denoiser,
                       timetable const& grid, batch_view<T> x, Verifier const& verifier,
                       std::span<std::byte> workspace, options<Noise> const& opts) const {
    pieces memory(workspace);
    candidates<Exec, T> pool(exec, x, n, reads_start<Denoiser>(opts), memory);
    for (int k = 0; k < n; ++k) {
      options<Noise> mine = opts;
      if (k > 0) mine.noise = opts.noise.fork(static_cast<std::uint64_t>(k));
      if (reads_start<Denoiser>(opts)) pool.restore_start();
      auto r = sampler.start(exec, denoiser, grid, pool.trial(), memory.rest(), mine);
      pool.count(r.finish());
      pool.keep_better(verifier);
    }
    return pool.finish();
  }

 private:
  /// Whether the caller's buffer holds what a run goes on from, or a part of it that stays.
  template <class Denoiser, class Noise>
  static bool reads_start(options<Noise> const& opts) noexcept {
    return opts.start != start::prior || opts.fixed[0] != nullptr || observes_clean<Denoiser>;
  }
};

static_assert(search_policy<best_of_n>);

}  // namespace diffx::search
