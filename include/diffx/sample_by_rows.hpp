#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/detail/class_layout.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/row_tiles.hpp>
#include <diffx/detail/run_checks.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace diffx {

namespace detail {

template <class D>
inline constexpr bool looks_at_rows = false;
template <class D>
requires requires { D::row_local; }
inline constexpr bool looks_at_rows<D> = D::row_local;

/// What no loop over a part of the rows can do.
template <class Sampler, class Denoiser>
void check_by_rows(Sampler const& s, Denoiser const&) {
  static_assert(looks_at_rows<Denoiser>,
                "diffx: sample_by_rows calls the network for a few rows at a time. If it answers "
                "every row from that row alone, say so: denoiser::row_local(network).");
  static_assert(!drives_run<typename Sampler::solver_type>,
                "diffx: this solver chooses its steps by the whole batch; take one that plans its "
                "steps ahead (solver::heun, solver::ddim, ...).");
  static_assert(!keeps_kv<typename Sampler::cache_type>,
                "diffx: a cache of keys and values belongs to one batch; call sampler::sample.");
  if constexpr (requires { s.solver.norms == langevin_norms::batch; }) {
    if (s.solver.norms == langevin_norms::batch) {
      fail(
          "diffx::sample_by_rows: langevin_norms::batch takes its steps from the whole batch; use "
          "langevin_norms::sample or level");
    }
  }
}

/// A loop as the teams of a device repeat it.
template <class T, class Pass>
struct recorded_rows {
  std::int64_t rows = 0;  // of a tile
  std::vector<Pass> steps;
  std::byte const* memory = nullptr;  // where a tile was recorded: the address alone, it is gone
  result done;

  std::int64_t bytes() const noexcept {
    return static_cast<std::int64_t>(steps.size() * sizeof(Pass));
  }
};

template <class Block>
inline constexpr bool names_its_ops = requires {
  typename Block::ops;
};

template <class List>
struct tile_step_of;
template <class... Ops>
struct tile_step_of<op_list<Ops...>> {
  template <class Denoiser>
  using with = typename Denoiser::template with_ops<tile_step, Ops...>;
};

template <class Sampler, class Denoiser, class T, class Noise>
auto record_rows(Sampler const& s, Denoiser const& network, timetable const& grid, batch_view<T> x,
                 options<Noise> const& opts) {
  using run_type = run<Sampler, exec::host, Denoiser, Noise, T>;
  using block = std::remove_cvref_t<decltype(std::declval<run_type&>().block())>;
  static_assert(names_its_ops<block> && !observes_clean<Denoiser>,
                "diffx: on a device sample_by_rows takes one block of numbers, without "
                "denoiser::clamp_clean (options.fixed keeps numbers); call sampler::start.");
  check_shape(x.batch, x.features);
  check_state(x.data != nullptr || x.size() == 0, true);
  noise::check_range(x.first_sample, x.batch, x.features, grid.steps());
  using pass = typename tile_step_of<typename block::ops>::template with<Denoiser>;
  recorded_rows<T, pass> out;
  tile_recorder<pass> exec{1, &out.steps};
  auto const state_bytes = [&](std::int64_t rows) {
    return aligned_bytes(rows * x.features * static_cast<std::int64_t>(sizeof(T)));
  };
  auto const bytes = [&](std::int64_t rows) {
    return state_bytes(rows) +
           s.workspace_size(exec, network, batch_view<T>{x.data, rows, x.features}, opts);
  };
  require(bytes(1) <= tile_room, "diffx::sample_by_rows", "bytes of a row's state and workspace",
          static_cast<long long>(bytes(1)),
          "at most " + text(static_cast<long long>(tile_room)) +
              ", the memory of a team; call sampler::start");
  // Work for 256 teams, two for every multiprocessor of a large device, before larger tiles.
  std::int64_t const most = (x.batch + 255) / 256;
  for (exec.rows = 1; exec.rows < most && bytes(exec.rows + 1) <= tile_room;) ++exec.rows;
  out.rows = exec.rows;
  workspace const memory(bytes(out.rows));
  out.memory = memory.span().data();
  batch_view<T> const tile{reinterpret_cast<T*>(memory.span().data()), out.rows, x.features,
                           x.first_sample};
  auto const rest = memory.span().subspan(static_cast<std::size_t>(state_bytes(out.rows)));
  out.done = s.start(exec, network, grid, tile, rest, opts).finish();
  return out;
}

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
///           take 32 KB. A tile allocates its workspace.
/// Shapes    x as sampler::sample has it, of one block; options.fixed covers all of x.
/// Requires  host memory; a network that may be called from several threads at once.
/// Errors    rows < 0, langevin_norms::batch, whose steps depend on the whole batch, and what
///           sampler::sample refuses: throws diffx::error.
template <class Sampler, class Exec, class Denoiser, class T, class Noise = noise::counted>
result sample_by_rows(Sampler const& s, Exec const& exec, Denoiser const& network,
                      timetable const& grid, batch_view<T> x, options<Noise> const& opts = {},
                      std::int64_t rows = 0) {
  constexpr auto where = "diffx::sample_by_rows";
  static_assert(Exec::on_host,
                "diffx: on a device sample_by_rows takes a workspace there: "
                "sample_by_rows(s, exec, network, grid, x, workspace, options).");
  detail::check_by_rows(s, network);
  detail::require(rows >= 0, where, "rows", static_cast<long long>(rows), "at least 0");
  exec::host const alone;
  if (rows == 0) {
    constexpr std::int64_t cache = 32 * 1024;
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

/// Bytes of device memory that the other sample_by_rows asks for: the recorded passes of one tile.
template <class Sampler, class Denoiser, class T, class Noise = noise::counted>
std::int64_t sample_by_rows_size(Sampler const& s, Denoiser const& network, timetable const& grid,
                                 batch_view<T> x, options<Noise> const& opts = {}) {
  detail::check_by_rows(s, network);
  return detail::record_rows(s, network, grid, x, opts).bytes();
}

/// The same on a device: every block of threads takes a tile of rows through all steps in memory of
/// its own, in one launch after those that upload the passes. The samples are those of
/// sampler::start there, bit for bit.
///
///     auto const mine = denoiser::row_local<network::op>(network);
///     sample_by_rows(s, exec::cuda{stream}, mine, grid, x, workspace, options{noise});
///
/// Bytes     an element is written once for all steps, and read once unless the run starts from the
///           prior. The recorded passes, some 500 bytes each, travel 4 KB a launch.
/// Shapes    x of one block of numbers; a row's state and workspace take at most 48 KB. The
///           workspace is sample_by_rows_size(s, network, grid, x, options) bytes of the device's.
/// Requires  a network that launches function objects and nothing else: denoiser::row_local<Op...>.
/// Errors    a row too large, a workspace too small, and what sampler::start refuses: throws
///           diffx::error. Guidance and solvers that reduce over a sample do not compile.
template <class Sampler, class Exec, class Denoiser, class T, class Noise = noise::counted>
result sample_by_rows(Sampler const& s, Exec const& exec, Denoiser const& network,
                      timetable const& grid, batch_view<T> x, std::span<std::byte> workspace,
                      options<Noise> const& opts = {}) {
  detail::check_by_rows(s, network);
  static_assert(!Exec::on_host && detail::uploads<Exec>,
                "diffx: a recorded tile of rows is for exec::cuda; on the host call "
                "sample_by_rows without a workspace.");
  auto const loop = detail::record_rows(s, network, grid, x, opts);
  detail::check_workspace(workspace, loop.bytes());
  exec.upload(workspace.data(), loop.steps.data(), static_cast<std::size_t>(loop.bytes()));
  using pass = typename std::remove_cvref_t<decltype(loop.steps)>::value_type;
  exec.for_each_row((x.batch + loop.rows - 1) / loop.rows,
                    detail::row_tiles<T, pass>{
                        reinterpret_cast<pass const*>(workspace.data()),
                        static_cast<std::int64_t>(loop.steps.size()), x, loop.rows, loop.memory,
                        opts.start != start::prior || opts.fixed[0] != nullptr});
  return loop.done;
}

}  // namespace diffx
