#pragma once

#include <diffx/config.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/pass.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

// A whole loop over a tile of rows by one team, state and workspace in the team's own memory. What
// the loop launches is recorded once, over as many rows as a tile has, in memory of the host's that
// stands for the team's; every team then does the same passes, each pointer moved to its place.

namespace diffx::detail {

/// Bytes of state and workspace that a tile has.
inline constexpr std::int64_t tile_room = 48 * 1024;

/// Where a tile's rows are.
struct tile_place {
  std::byte const* recorded;  // what stood for `here` when the loop was recorded
  std::byte* here;
  std::int64_t first;  // row

  template <class T>
  DIFFX_HD T* operator()(T* p) const noexcept {
    if (p == nullptr) return nullptr;
    auto const offset =
        reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(recorded);
    return reinterpret_cast<T*>(here + offset);
  }
  template <class T>
  DIFFX_HD batch_view<T> operator()(batch_view<T> v) const noexcept {
    return {(*this)(v.data), v.batch, v.features, v.first_sample + first};
  }
  /// A mask over all rows, which no tile has a copy of.
  DIFFX_HD std::uint8_t const* mask(std::uint8_t const* fixed,
                                    std::int64_t features) const noexcept {
    return fixed == nullptr ? nullptr : fixed + first * features;
  }
};

template <class V>
DIFFX_HD zero_op<V> moved(zero_op<V> op, tile_place const& to) noexcept {
  op.fixed = to.mask(op.fixed, op.features);
  op.data = to(op.data);
  return op;
}

template <class V, class P>
DIFFX_HD input_op<V, P, true> moved(input_op<V, P> const& op, tile_place const& to) noexcept {
  return {to(op.x), to(op.input), op.scale};
}

template <class V, int G, int S, int H, int N, x0_hook Hook, bool Variance, class Noise, class P>
DIFFX_HD auto moved(fused_pass<V, G, S, H, N, Hook, Variance, Noise, P> const& pass,
                    tile_place const& to) noexcept {
  fused_pass<V, G, S, H, N, Hook, Variance, Noise, P, true> here{pass.data, pass.noise};
  auto& d = here.data;
  d.first_sample += to.first;
  d.fixed = to.mask(d.fixed, d.features);
  for (int g = 0; g < G; ++g) d.source[g] = to(d.source[g]);
  for (int j = 0; j < S; ++j) d.state[j] = to(d.state[j]);
  for (int j = 0; j < H; ++j) d.history[j] = to(d.history[j]);
  d.target = to(d.target);
  d.kept_output = to(d.kept_output);
  d.kept_prediction = to(d.kept_prediction);
  d.next_input = to(d.next_input);
  return here;
}

/// Of a network.
template <class Op>
requires requires(Op& op) {
  op.x;
  op.out;
}
DIFFX_HD Op moved(Op op, tile_place const& to) noexcept {
  op.x = to(op.x);
  op.out = to(op.out);
  return op;
}

/// One launch of a recorded loop: op(row, first, n) over [rows, per_row] or, if flat, over the
/// tile as one long row; op(i) over rows x per_row for one that takes a sample alone.
template <class... Ops>
struct tile_step {
  static_assert((std::is_trivially_copyable_v<Ops> && ...),
                "diffx: what a loop launches travels to the device byte by byte: the noise source "
                "and the function objects of the network must be trivially copyable.");

  int which = 0;
  bool flat = false;
  std::int32_t per_row = 0;
  alignas(16) unsigned char op[std::max({sizeof(Ops)...})] = {};

  template <class Team>
  DIFFX_HD void run(tile_place const& at, std::int32_t rows, Team const& team) const {
    int i = 0;
    static_cast<void>(((which == i++ ? (run_as<Ops>(at, rows, team), true) : false) || ...));
  }

  /// Ops may name a type twice: the first counts.
  template <class Op>
  static constexpr int index_of() {
    int i = 0, found = -1;
    static_cast<void>(((std::is_same_v<Op, Ops> ? (found = i, true) : (++i, false)) || ...));
    return found;
  }

 private:
  template <class Op, class Team>
  DIFFX_HD void run_as(tile_place const& at, std::int32_t rows, Team const& team) const {
    constexpr std::int32_t group = 4;  // elements, as exec::cuda gives a thread
    auto const mine = moved(*reinterpret_cast<Op const*>(op), at);
    if constexpr (requires { mine(std::int64_t{}, std::int64_t{}, 1); }) {
      std::int32_t const features = flat ? rows * per_row : per_row;
      std::int32_t const groups_per_row = (features + group - 1) / group;
      std::int32_t const groups = groups_per_row * (flat ? 1 : rows);
      for (std::int32_t i = team.rank(); i < groups; i += team.size()) {
        std::int32_t const row = i / groups_per_row, first = (i - row * groups_per_row) * group;
        std::int32_t const left = features - first;
        mine(row, first, left < group ? left : group);
      }
    } else {
      std::int32_t const samples = rows * per_row;
      for (std::int32_t i = team.rank(); i < samples; i += team.size()) mine(i);
    }
  }
};

/// The execution object of a loop that is recorded for the tiles.
template <class Step>
struct tile_recorder {
  static constexpr bool on_host = false;

  std::int64_t rows;
  std::vector<Step>* steps;

  template <class Op>
  void for_each_tile(std::int64_t batch, std::int64_t features, Op const& op) const {
    if (batch == rows) return add(op, false, features);
    check(batch == 1 && features % rows == 0, batch, features);
    add(op, true, features / rows);
  }
  template <class Op>
  void for_each_sample(std::int64_t batch, Op const& op) const {
    check(batch % rows == 0, batch, 1);
    add(op, true, batch / rows);
  }

 private:
  void check(bool fits, std::int64_t batch, std::int64_t features) const {
    if (fits) return;
    fail("diffx::sample_by_rows: the network launches a pass over [" +
         text(static_cast<long long>(batch)) + ", " + text(static_cast<long long>(features)) +
         "] for a tile of " + text(static_cast<long long>(rows)) +
         " rows; on a device it must go over the rows, or over all of them as one");
  }

  template <class Op>
  void add(Op const& op, bool flat, std::int64_t per_row) const {
    static_assert(Step::template index_of<Op>() >= 0,
                  "diffx: a team cannot repeat this pass for its rows. sample_by_rows on a device "
                  "takes solvers that plan their steps, guidance without reductions over a sample "
                  "(guidance::cfg, guidance::clip_x0), and a network that names all its function "
                  "objects: denoiser::row_local<Op...>(network).");
    Step step;
    step.which = Step::template index_of<Op>();
    step.flat = flat;
    step.per_row = static_cast<std::int32_t>(per_row);
    std::memcpy(step.op, &op, sizeof op);
    steps->push_back(step);
  }
};

/// The recorded loop for one tile of x by a team.
template <class T, class Step>
struct row_tiles {
  struct tables_type {
    static constexpr int teams = 2;
    alignas(16) std::byte room[tile_room];
  };

  Step const* steps;
  std::int64_t count;
  batch_view<T> x;
  std::int64_t rows;
  std::byte const* recorded;
  bool reads_x;

  template <class Team, class Tables>
  DIFFX_HD void operator()(std::int64_t tile, Team const& team, Tables& tables) const {
    std::int64_t const first = tile * rows;
    std::int64_t const left = x.batch - first;
    auto const mine = static_cast<std::int32_t>(left < rows ? left : rows);
    auto const elements = mine * static_cast<std::int32_t>(x.features);
    T* const outside = x.data + first * x.features;
    T* const inside = reinterpret_cast<T*>(tables.room);  // the state comes first
    if (reads_x) {
      for (std::int32_t i = team.rank(); i < elements; i += team.size()) inside[i] = outside[i];
    }
    team.wait();
    tile_place const at{recorded, tables.room, first};
    for (std::int64_t k = 0; k < count; ++k) {
      steps[k].run(at, mine, team);
      team.wait();
    }
    for (std::int32_t i = team.rank(); i < elements; i += team.size()) outside[i] = inside[i];
    team.wait();
  }
};

}  // namespace diffx::detail
