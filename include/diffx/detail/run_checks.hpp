#pragma once

#include <diffx/concepts/denoiser.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/detail/continuous_block.hpp>
#include <diffx/detail/workspace.hpp>
#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// What a run refuses. No policy is a template argument here: messages are compiled once, not once
// for every composition.

namespace diffx::detail {

inline void check_shape(std::int64_t batch, std::int64_t features) {
  require(batch >= 0, "diffx::run", "batch", static_cast<long long>(batch), "at least 0");
  require(features >= 1, "diffx::run", "features", static_cast<long long>(features),
          "at least 1 (the shape is empty)");
  checked_product(checked_product(batch, features, "batch x features"), 256, "workspace");
}

inline void check_steps(int first, int end, int steps) {
  require(first >= 0 && first < steps, "diffx::run", "first_step", first,
          "in [0, " + text(steps) + ")");
  require(end > first && end <= steps, "diffx::run", "last_step", end - 1,
          "in [first_step, " + text(steps) + ")");
}

inline void check_workspace(std::span<std::byte const> workspace, std::int64_t needed) {
  if (static_cast<std::int64_t>(workspace.size()) < needed) {
    fail("diffx::run: workspace has " + text(static_cast<long long>(workspace.size())) +
         " bytes, needs " + text(static_cast<long long>(needed)));
  }
  auto const address = reinterpret_cast<std::uintptr_t>(workspace.data());
  if (needed > 0 && address % static_cast<std::uintptr_t>(workspace_alignment) != 0) {
    fail("diffx::run: workspace must be aligned to 64 bytes");
  }
}

inline void check_state(bool has_data, bool same_batch) {
  if (!same_batch) fail("diffx::run: the blocks of a state must have one batch size");
  if (!has_data) fail("diffx::run: a state's data is null");
}

[[noreturn]] inline void refuse_fixed_block(std::size_t block, std::size_t blocks) {
  fail("diffx::run: options.fixed has a mask for block " + text(block) + ", and the state has " +
       text(blocks) + " blocks, numbered from 0");
}

inline void check_observed(batch_view<std::uint8_t const> const& mask, std::int64_t batch,
                           std::int64_t features) {
  bool const has_data = mask.data != nullptr || batch == 0;
  if (mask.batch == batch && mask.features == features && has_data) return;
  fail("diffx::run: the mask of denoiser::clamp_clean is [" +
       text(static_cast<long long>(mask.batch)) + ", " +
       text(static_cast<long long>(mask.features)) + "]" + (has_data ? "" : " and null") +
       ", must be that of the state, [" + text(static_cast<long long>(batch)) + ", " +
       text(static_cast<long long>(features)) + "]");
}

inline void check_same_stages(bool same, int block) {
  if (same) return;
  fail("diffx::run: the solvers of blocks 0 and " + text(block) +
       " ask for different stages; give all blocks solvers with the same evaluations");
}

inline void check_same_shape(bool same) {
  if (!same) fail("diffx::run::fork: the copy's state must have the shape of the run's");
}

inline void check_finite_is_off(bool check_finite) {
  if (!check_finite) return;
  fail(
      "diffx::run: check_finite = true waits for a count at every evaluation; it must be false "
      "with "
      "an execution object that reads nothing back (a recorded loop, tiles of rows on a device)");
}

/// What a solver declares about its stages.
struct solver_facts {
  std::string_view name;
  bool pure_passes;
  int history;
  int states;
};
template <class S>
inline constexpr solver_facts facts_of{S::name, has_pure_passes<S>, 0, 1};
template <linear_solver S>
inline constexpr solver_facts facts_of<S>{S::name, has_pure_passes<S>, S::history, S::states};

/// Where a column is named: process::columns plans each by itself.
inline std::string column_text(std::int64_t column) {
  return column < 0 ? std::string() : " of column " + text(static_cast<long long>(column));
}

[[noreturn]] inline void refuse_weight(step const& now, solver_facts const& has,
                                       std::int64_t column) {
  fail("diffx::run: " + std::string(has.name) + " has a weight that is not finite at step " +
       text(now.index) + column_text(column) + " from lambda = " + text(now.from.lambda) + " to " +
       text(now.to.lambda) + "; this grid point is outside what the solver can do");
}

/// Refuses stages that need what their solver does not declare, and weights that are not finite:
/// those would reach every element, and the solver or the grid is at fault.
inline void check_stages(std::span<stage const> stages, step const& now, solver_facts const& has,
                         std::int64_t column = -1) {
  for (stage const& s : stages) {
    char const* const undeclared = !s.evaluates && !has.pure_passes ? "pure_passes = true"
                                   : s.keeps && has.history == 0    ? "history"
                                   : s.retains && has.states < 2    ? "states"
                                                                    : nullptr;
    if (undeclared != nullptr) {
      fail("diffx::run: " + std::string(has.name) + " plans a stage at step " + text(now.index) +
           " that needs its member " + undeclared);
    }
    double sum = s.output + s.hook;
    for (double w : s.state) sum += w;
    for (double w : s.history) sum += w;
    for (noise_term const& n : s.noise) sum += n.weight;
    if (!(sum - sum == 0.0)) refuse_weight(now, has, column);
  }
}
inline void require_evaluation(bool evaluates, step const& now, solver_facts const& has) {
  if (evaluates || has.pure_passes) return;
  fail("diffx::run: " + std::string(has.name) + " plans a stage at step " + text(now.index) +
       " that calls no network, which needs its member pure_passes = true");
}
inline void check_stages(std::span<categorical_stage const> stages, step const& now,
                         solver_facts const& has, std::int64_t column = -1) {
  for (categorical_stage const& s : stages) {
    require_evaluation(s.evaluates, now, has);
    double sum = 0.0;
    for (double w : s.weight) sum += w;
    if (!(sum - sum == 0.0)) refuse_weight(now, has, column);
  }
}
inline void check_stages(std::span<binary_stage const> stages, step const& now,
                         solver_facts const& has) {
  for (binary_stage const& s : stages) {
    require_evaluation(s.evaluates, now, has);
    bool const is_law = s.same >= 0.0 && s.same <= 1.0 && s.other >= 0.0 && s.other <= 1.0;
    if (!is_law) refuse_weight(now, has, -1);
  }
}

/// Refuses a guidance that asks for no branch, a cache that uses no prediction, and a weight of
/// NaN.
inline void check_weights(std::span<double const> weights, std::string_view policy, int step) {
  double sum = 0.0;
  bool any = false;
  for (double w : weights) {
    sum += w;
    any = any || w != 0.0;
  }
  if (any && sum - sum == 0.0) return;
  fail("diffx::run: " + std::string(policy) + " gives weights of sum " + text(sum) + " at step " +
       text(step) + "; at least one must be other than 0, and all finite");
}

/// Reports the first sample with a count of values that are not finite.
inline void report_non_finite(std::span<std::int64_t const> counts, std::int64_t features,
                              std::int64_t first_sample, query const& q) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    fail("diffx::run: the denoiser returned " + text(static_cast<long long>(counts[i])) +
         " values that are not finite (of " + text(static_cast<long long>(features)) +
         ") for sample " + text(static_cast<long long>(first_sample) + static_cast<long long>(i)) +
         " in step " + text(q.step) + ", evaluation " + text(q.stage) + ", branch " +
         text(q.branch) + ", at t = " + text(q.at.t));
  }
}

/// An exact cache of keys and values decodes the blocks that the network was made for.
inline void check_same_blocks(int block, std::int64_t of_network, bool from_zero) {
  constexpr auto where = "diffx::run";
  require(of_network > 0 && block == of_network, where, "block of solver::decode", block,
          "the network's block length " + text(static_cast<long long>(of_network)) +
              ", for an exact cache of keys and values");
  if (!from_zero) {
    fail(
        "diffx::run: align of solver::decode = after_prompt, must be from_zero for an exact cache "
        "of keys and values: the network's blocks begin at position 0");
  }
}

}  // namespace diffx::detail
