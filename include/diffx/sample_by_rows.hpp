#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace diffx {

namespace detail {

template <class D>
inline constexpr bool looks_at_rows = false;
template <class D>
requires requires { D::row_local; }
inline constexpr bool looks_at_rows<D> = D::row_local;

}  // namespace detail

/// Samples a few rows after the other, each through all steps while they are in the cache of a
/// processor: for networks that answer every row from that row alone (denoiser::row_local), whose
/// loop is otherwise bound by memory. The samples are those of sampler::sample, bit for bit,
/// whatever `rows` is.
///
///     sample_by_rows(s, exec::threads{}, denoiser::row_local(network), grid, x, options{noise});
///
/// Bytes     an element is read and written once for all steps, when rows (the state, the workspace
///           and what the network holds) fit the cache; 0 chooses so many that state and workspace
///           take 128 KB. A tile allocates its workspace.
/// Shapes    x as sampler::sample has it, of one block; options.fixed covers all of x.
/// Requires  host memory; a network that may be called from several threads at once.
/// Errors    rows < 0, langevin_norms::batch, whose steps depend on the whole batch, and what
///           sampler::sample refuses: throws diffx::error.
template <class Sampler, class Exec, class Denoiser, class T, class Noise = noise::counted>
result sample_by_rows(Sampler const& s, Exec const& exec, Denoiser const& network,
                      timetable const& grid, batch_view<T> x, options<Noise> const& opts = {},
                      std::int64_t rows = 0) {
  constexpr auto where = "diffx::sample_by_rows";
  using solver_type = typename Sampler::solver_type;
  static_assert(detail::looks_at_rows<Denoiser>,
                "diffx: sample_by_rows calls the network for a few rows at a time. If it answers "
                "every row from that row alone, say so: denoiser::row_local(network).");
  static_assert(Exec::on_host,
                "diffx: sample_by_rows keeps rows in the cache of a processor; on a device call "
                "sampler::start.");
  static_assert(!drives_run<solver_type>,
                "diffx: this solver chooses its steps by the whole batch; take one that plans its "
                "steps ahead (solver::heun, solver::ddim, ...).");
  static_assert(!detail::keeps_kv<typename Sampler::cache_type>,
                "diffx: a cache of keys and values belongs to one batch; call sampler::sample.");
  detail::require(rows >= 0, where, "rows", static_cast<long long>(rows), "at least 0");
  if constexpr (requires { s.solver.norms == langevin_norms::batch; }) {
    if (s.solver.norms == langevin_norms::batch) {
      detail::fail(
          "diffx::sample_by_rows: langevin_norms::batch takes its steps from the whole batch; use "
          "langevin_norms::sample or level");
    }
  }
  exec::host const alone;
  if (rows == 0) {
    constexpr std::int64_t cache = 128 * 1024;
    batch_view<T> const one{x.data, 1, x.features, x.first_sample};
    std::int64_t const bytes =
        s.workspace_size(alone, network, one, opts) + x.features * static_cast<int>(sizeof(T));
    rows = std::max<std::int64_t>(1, cache / std::max<std::int64_t>(1, bytes));
  }
  // Bytes of a mask, a row.
  constexpr std::int64_t of_element =
      Sampler::process_type::values == value_kind::binary ? sizeof(T) : 1;
  result all;
  std::mutex mutex;
  exec.for_each_sample((x.batch + rows - 1) / rows, [&](std::int64_t tile) {
    std::int64_t const first = tile * rows;
    batch_view<T> const part{x.row(first), std::min(rows, x.batch - first), x.features,
                             x.first_sample + first};
    options<Noise> mine = opts;
    if (opts.fixed[0] != nullptr) mine.fixed = opts.fixed[0] + first * x.features * of_element;
    result const r = s.sample(alone, network, grid, part, mine);
    std::lock_guard const hold(mutex);
    std::int64_t const capped = all.capped + r.capped;
    all = r;
    all.capped = capped;
  });
  return all;
}

}  // namespace diffx
