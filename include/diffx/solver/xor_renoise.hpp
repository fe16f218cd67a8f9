#pragma once

#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/class_steps.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace diffx::solver {

/// How the clean bits of a step are taken from their probabilities.
enum class clean_bit : std::uint8_t { threshold, drawn };
/// With whose flips they are noised again.
enum class renoise_level : std::uint8_t { current, next };

/// The sampler of Binary Diffusion: all bits at once, clean and then flipped again,
///
///     x0 = [p(x0 = 1 | x_t) > 1/2],    x_s = x0 xor Bernoulli(b_t),    the last step gives x0
///
/// as the paper has it; denoiser::bit_logits takes another threshold. It is biased: the likelier
/// bit wins every time, and the flips are those of the step that has been made. With
/// clean_bit::drawn and renoise_level::next the bits of one position alone have the law of the
/// data; between bits a bias stays however many the steps. solver::ancestral has none that steps do
/// not take away, at the same cost.
///
/// Source    Kinakh & Voloshynovskiy 2024 (Binary Diffusion), arXiv:2409.13882.
/// Shapes    x: [batch, bits], integers 0 and 1; logits [batch, bits, 2]. Packed bits: [batch,
///           words], [batch, bits].
/// Errors    an inversion, or a process of other than two classes
///           without a mask throws when the run is planned; a row with NaN, +inf or nothing but
///           -inf is reported with step, sample and position.
struct xor_renoise {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::xor_renoise";
  static constexpr std::string_view source = "arXiv:2409.13882";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 0;
  static constexpr int max_evals = 1;
  static constexpr bool takes_short_rows = true;
  static constexpr bool takes_bits = true;

  clean_bit clean = clean_bit::threshold;
  renoise_level level = renoise_level::current;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    auto const law = c.process.limit();
    detail::require(law.classes == 2 && law.mask < 0, where, "the classes of the process",
                    law.classes, "2, without a mask: process::xor_bernoulli");
    double const flip = flip_of(c);
    categorical_stage& s = detail::add_class_step(c, out);
    s.weight = {clean == clean_bit::drawn ? 1.0 : 0.0, flip, c.from().alpha, c.from().sigma};
  }

  template <class Process>
  void plan(plan_context<Process> const& c, binary_plan& out) const {
    double const flip = flip_of(c);
    binary_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    s.same = flip;
    s.other = 1.0 - flip;
    s.hard = clean == clean_bit::threshold;
  }

  /// Of a bit that is `now`: the bit after the step, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const&, int now, Row& row,
                              Words const& words) {
    if (!row.scan()) return -1;
    double one = row.probability(1);
    if constexpr (Cavity) {  // the law of the bit given the others: times q(x_t | x0)
      double const kept = w[2] + 0.5 * w[3], flipped = 0.5 * w[3];
      double const on = one * (now == 1 ? kept : flipped);
      double const off = (1.0 - one) * (now == 0 ? kept : flipped);
      one = on / (on + off);
    }
    auto const r = words(0);
    double const u = detail::unit_uniform(r.word[0], r.word[1]);
    double const v = detail::unit_uniform(r.word[2], r.word[3]);
    int const x0 = (w[0] != 0.0 ? u < one : one > 0.5) ? 1 : 0;
    return v < w[1] ? 1 - x0 : x0;
  }

 private:
  static constexpr std::string_view where = "diffx::solver::xor_renoise";

  template <class Process>
  double flip_of(plan_context<Process> const& c) const {
    if (c.grid.inverts()) {
      detail::fail(std::string(where) + ": cannot go from data to noise; start::noised does");
    }
    bool const here = level == renoise_level::current && c.to().sigma != 0.0;
    return 0.5 * (here ? c.from().sigma : c.to().sigma);
  }
};

}  // namespace diffx::solver
