#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/decode/align.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>

namespace diffx::solver {

/// Confidence decoding of masked classes: every call proposes a class for each masked position of
/// the current block, orders them by how sure they are, and commits those that a rule chooses.
///
///     proposal x confidence x commit
///
/// A step is a call, so a grid of N steps bounds the calls: the last commits whatever is masked
/// then, and a run that is done makes no further call. What is not masked is never touched; so a
/// prompt, a text with holes and a ragged batch are states given with start::given. Blocks are
/// decoded in order, each sample at its own pace.
///
/// With an exact network one position a call, in any order that does not look at the logits,
/// samples the data law; every other rule draws positions together as if they were independent.
/// decode<decode::random_order, decode::per_call> is first-hitting sampling without its clock,
/// decode<decode::left_to_right, decode::per_call> is autoregressive sampling.
///
/// Source    Nie et al. 2025, arXiv:2502.09992; Wu et al. 2025, arXiv:2505.22618; blocks: Arriola
///           et al. 2025, arXiv:2503.09573; first hitting: Zheng et al. 2024, arXiv:2409.02908.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes].
/// Errors    a value out of range, a block that does not divide what is to be decoded among the
///           steps, throws when the run starts; a row of logits that is no distribution is reported
///           with step, sample and position.
template <class Confidence = diffx::decode::probability, class Commit = diffx::decode::threshold>
struct decode {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::decode";
  static constexpr std::string_view source = "arXiv:2502.09992";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;
  static constexpr int max_evals = 1;
  static constexpr bool decodes = true;
  using confidence_type = Confidence;
  using commit_type = Commit;

  Commit commit{};
  diffx::decode::proposal propose{};
  int block = 0;  // positions of a block; 0: all at once
  diffx::decode::align align = diffx::decode::align::after_prompt;
  bool as_shaped = false;           // confidence after temperature and filters, not before
  double order_temperature = 0.0;   // Gumbel noise on the confidence, in the first step ...
  double final_temperature = -1.0;  // ... and in the last, linear between; -1: as in the first
  int end_of_text = -1;             // a class after which, once committed, nothing follows

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    static_assert(Process::is_absorbing,
                  "diffx: solver::decode fills in masks, which this process has not. Use "
                  "process::absorbing, or solver::ancestral with this process.");
    if (c.grid.inverts()) {
      detail::fail("diffx::solver::decode: cannot go from data to noise; start::noised does");
    }
    categorical_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    double const steps = c.grid.steps() > 1 ? c.grid.steps() - 1 : 1;
    double const share = c.index / steps;
    double const last = final_temperature < 0.0 ? order_temperature : final_temperature;
    s.weight = {commit.weight(c.from(), c.to()),
                order_temperature + share * (last - order_temperature),
                c.index == c.last ? 1.0 : 0.0, 0.0};
  }

  /// Refuses values out of range.
  void check() const {
    constexpr auto where = "diffx::solver::decode";
    commit.check(where);
    propose.check(where);
    detail::require(block >= 0, where, "block", block, "at least 1, or 0 for one block");
    detail::require(order_temperature >= 0.0 && std::isfinite(order_temperature), where,
                    "order_temperature", order_temperature, "at least 0 and finite");
    detail::require(std::isfinite(final_temperature), where, "final_temperature", final_temperature,
                    "at least 0 and finite, or -1 for the same as in the first step");
  }
};

}  // namespace diffx::solver
