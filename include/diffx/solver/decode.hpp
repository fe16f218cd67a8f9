#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/decode/align.hpp>
#include <diffx/decode/commit.hpp>
#include <diffx/decode/confidence.hpp>
#include <diffx/decode/proposal.hpp>
#include <diffx/error.hpp>

#include <cmath>
#include <string_view>
#include <type_traits>

namespace diffx::solver {

/// Confidence decoding: every call proposes a class for each open position of the current block,
/// orders them by how sure they are, and commits those that a rule chooses.
///
///     proposal x confidence x commit
///
/// Under absorbing noise the masks are open. What is not masked is never touched; so a prompt, a
/// text with holes and a ragged batch are states given with start::given. Under noise of other
/// classes everything is open but options.fixed, and what a call does not commit is drawn from the
/// noise anew. A step is a call, so a grid of N steps bounds the calls: the last commits whatever
/// is open then, and a run that is done makes no further call. Blocks are decoded in order, each
/// sample at its own pace.
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
  bool as_shaped = false;  // confidence after temperature and filters, not before
  int end_of_text = -1;    // a class after which, once committed, nothing follows
  // Gumbel noise on the confidence in the first and in the last step, linear between.
  double order_temperature = 0.0;
  double final_order_temperature = same_as_first;
  double final_temperature = same_as_first;  // of the proposal, in the last step
  bool revises = false;  // nothing stays committed before the last step: noise of classes only
  // A committed class gives way to another that is more than so probable, in the calls of its block
  // and in `edit_calls` more; 1: never.
  double edit_above = 1.0;
  int edit_calls = 0;

  static constexpr double same_as_first = -1.0;
  bool edits() const noexcept { return edit_above < 1.0; }

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    if (c.grid.inverts()) {
      detail::fail("diffx::solver::decode: cannot go from data to noise; start::noised does");
    }
    categorical_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    if (Process::is_absorbing && revises) {
      detail::fail(
          "diffx::solver::decode: revises = true draws what is not committed from the noise, which "
          "under absorbing noise is masks; use edit_above there, or process::uniform");
    }
    double const share = c.grid.steps() > 1 ? c.index / (c.grid.steps() - 1.0) : 0.0;
    auto const between = [share](double first, double last) {
      return last == same_as_first ? first : first + share * (last - first);
    };
    s.weight = {commit.weight(c.from(), c.to()),
                between(order_temperature, final_order_temperature), c.index == c.last ? 1.0 : 0.0,
                between(propose.temperature, final_temperature)};
  }

  /// Refuses values out of range.
  void check() const {
    constexpr auto where = "diffx::solver::decode";
    commit.check(where);
    propose.check(where);
    detail::require(block >= 0, where, "block", block, "at least 1, or 0 for one block");
    auto const temperature = [](char const* name_of_it, double value, bool may_be_absent) {
      detail::require(
          (value >= 0.0 && std::isfinite(value)) || (may_be_absent && value == same_as_first),
          "diffx::solver::decode", name_of_it, value, "at least 0 and finite");
    };
    temperature("order_temperature", order_temperature, false);
    temperature("final_order_temperature", final_order_temperature, true);
    temperature("final_temperature", final_temperature, true);
    detail::require(edit_above > 0.0, where, "edit_above", edit_above, "above 0; 1: never");
    detail::require(edit_calls == 0 || (edit_calls > 0 && edits()), where, "edit_calls", edit_calls,
                    "at least 0, and 0 unless edit_above is below 1");
    if (edits() && !std::is_same_v<typename Commit::value, diffx::decode::probability>) {
      detail::fail(
          "diffx::solver::decode: edit_above is compared with probabilities, which this rule does "
          "not read; use decode::threshold, decode::dynamic or decode::factor");
    }
  }
};

}  // namespace diffx::solver
