#pragma once

#include <diffx/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// When every class of a text was decoded, and the states in which it was: what it takes to score a
/// text as it was sampled. A step map holds the step of every position's last commit and something
/// below 0 where nothing was decoded; run.block().committed() of solver::decode is one.
namespace diffx::analysis {

/// The step map of a list of states: the index of the state in which a position has its class for
/// the first time since it was last a mask. `unchanged` stands where that was never the case, or
/// where the last state is a mask.
///
/// Shapes    states: [states, positions], the first one being that before any step; out:
///           [positions].
/// Errors    positions < 1 or states that are not whole throws diffx::error.
template <class Code>
std::vector<std::int32_t> step_map(std::span<Code const> states, int positions, Code mask,
                                   std::int32_t unchanged = -1) {
  constexpr auto where = "diffx::analysis::step_map";
  detail::require(positions >= 1, where, "positions", positions, "at least 1");
  auto const width = static_cast<std::size_t>(positions);
  detail::require(states.size() % width == 0, where, "states.size()",
                  static_cast<long long>(states.size()), "a multiple of positions");
  std::vector<std::int32_t> out(width, unchanged);
  for (std::size_t i = 1; i < states.size() / width; ++i) {
    for (std::size_t p = 0; p < width; ++p) {
      bool const before = states[(i - 1) * width + p] == mask, now = states[i * width + p] == mask;
      if (now) out[p] = unchanged;
      if (before && !now) out[p] = static_cast<std::int32_t>(i);
    }
  }
  return out;
}

/// A step map with `together` consecutive ones of its steps taken as one, which is called by the
/// last of them. Positions below 0 stay as they are.
///
/// Source    Wang et al. 2025 (TraceRL), arXiv:2509.06949.
/// Errors    together < 1 throws diffx::error.
inline std::vector<std::int32_t> shrink(std::span<std::int32_t const> map, int together) {
  detail::require(together >= 1, "diffx::analysis::shrink", "together", together, "at least 1");
  std::vector<std::int32_t> steps;
  for (std::int32_t const s : map) {
    if (s >= 0) steps.push_back(s);
  }
  std::sort(steps.begin(), steps.end());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  std::vector<std::int32_t> out(map.begin(), map.end());
  auto const size = static_cast<std::size_t>(together);
  for (std::int32_t& s : out) {
    if (s < 0) continue;
    auto const at =
        static_cast<std::size_t>(std::lower_bound(steps.begin(), steps.end(), s) - steps.begin());
    s = steps[std::min(at / size * size + size, steps.size()) - 1];
  }
  return out;
}

/// What one position is in one slice.
enum class slice : std::uint8_t {
  known,   // has its class
  scored,  // a mask whose class comes in this step
  masked,  // a mask whose class comes later
};

/// The states in which a text of blocks was decoded, all blocks at once: slice r holds the r-th
/// step of every block that has so many. Every position of the map that is not below 0 is scored in
/// exactly one slice; there are as many slices as the block of the most steps has.
///
/// Source    Wang et al. 2025 (TraceRL), arXiv:2509.06949.
/// Shapes    map: [positions]; out: [slices, positions].
/// Errors    block < 1 throws diffx::error.
inline std::vector<std::vector<slice>> slices(std::span<std::int32_t const> map, int block) {
  detail::require(block >= 1, "diffx::analysis::slices", "block", block, "at least 1");
  auto const length = static_cast<std::size_t>(block);
  std::vector<std::vector<slice>> out;
  for (std::size_t first = 0; first < map.size(); first += length) {
    auto const mine = map.subspan(first, std::min(length, map.size() - first));
    std::int32_t now = -1;  // the step of the slice before
    for (std::size_t r = 0;; ++r) {
      std::int32_t next = -1;
      for (std::int32_t const s : mine) {
        if (s > now && (next < 0 || s < next)) next = s;
      }
      if (next < 0) break;
      now = next;
      if (r == out.size()) out.emplace_back(map.size(), slice::known);
      for (std::size_t p = 0; p < mine.size(); ++p) {
        if (mine[p] >= now) out[r][first + p] = mine[p] == now ? slice::scored : slice::masked;
      }
    }
  }
  return out;
}

}  // namespace diffx::analysis
