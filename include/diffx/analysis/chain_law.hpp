#pragma once

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/timetable.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace diffx::analysis {

/// The exact law of a whole run over few states and positions: what a sampler's draws must be
/// compared with, instead of the data law, which no run of finitely many steps has.
///
/// `kernel(now, logits, from, to)` is the row of the step's law of one position in class `now`; the
/// positions of a step are independent. `start` is the law of the first state, the last position
/// running fastest, K^positions entries. Impossible states are not shown to the denoiser.
///
/// Shapes    the result has K^positions entries, K = state_count(process).
/// Requires  host memory.
/// Errors    a start of another size: throws diffx::error; the denoiser's own go through.
template <class Process, class Denoiser, class Kernel>
row chain_law(Process const& process, Denoiser const& denoiser, timetable const& grid,
              int positions, row start, Kernel const& kernel) {
  using prediction = std::remove_cvref_t<decltype(std::declval<Denoiser const&>().prediction)>;
  using logit = network_value_t<Denoiser, typename prediction::value_type>;
  auto const states = static_cast<std::size_t>(state_count(process)),
             width = static_cast<std::size_t>(process.limit().classes),
             length = static_cast<std::size_t>(positions);
  detail::require(
      static_cast<double>(start.size()) == std::pow(static_cast<double>(states), positions),
      "diffx::analysis::chain_law", "start.size()", static_cast<long long>(start.size()),
      "states to the power of positions");
  std::vector<std::int32_t> x(length);
  std::vector<logit> logits(length * width);
  for (int step = 0; step < grid.steps(); ++step) {
    row next(start.size(), 0.0);
    for (std::size_t index = 0; index < start.size(); ++index) {
      if (start[index] <= 0.0) continue;
      std::size_t rest = index;
      for (std::size_t l = length; l-- > 0; rest /= states) {
        x[l] = static_cast<std::int32_t>(rest % states);
      }
      query q;
      q.step = step;
      q.at = grid[step];
      q.to = grid[step + 1];
      denoiser(exec::host{}, batch_view<std::int32_t const>{x.data(), 1, positions}, q,
               batch_view<logit>{logits.data(), 1, static_cast<std::int64_t>(logits.size())});
      row joint{start[index]};
      for (std::size_t l = 0; l < length; ++l) {
        row const k =
            kernel(static_cast<int>(x[l]), std::span<logit const>(logits).subspan(l * width, width),
                   grid[step], grid[step + 1]);
        row wider(joint.size() * states);
        for (std::size_t a = 0; a < joint.size(); ++a) {
          for (std::size_t b = 0; b < states; ++b) wider[a * states + b] = joint[a] * k[b];
        }
        joint = std::move(wider);
      }
      for (std::size_t k = 0; k < next.size(); ++k) next[k] += joint[k];
    }
    start = std::move(next);
  }
  return start;
}

/// The law of independent positions, each with the law `one`.
inline row independent_law(row const& one, int positions) {
  row out{1.0};
  for (int l = 0; l < positions; ++l) {
    row wider;
    for (double const a : out) {
      for (double const b : one) wider.push_back(a * b);
    }
    out = std::move(wider);
  }
  return out;
}

/// The law that a process starts from at one position.
template <class Process>
row limit_row(Process const& process) {
  auto const law = process.limit();
  row out(static_cast<std::size_t>(state_count(law)));
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = law.probability(static_cast<int>(k));
  return out;
}

}  // namespace diffx::analysis
