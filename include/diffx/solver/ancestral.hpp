#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/concepts/solver.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/kernel_row.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/log.hpp>
#include <diffx/detail/matrix_law.hpp>
#include <diffx/error.hpp>

#include <string_view>

namespace diffx::solver {

/// The ancestral step of a process of classes: every position is drawn from its reverse kernel,
///
///     p(x_s | x_t) = sum_i p_i q(x_s | x_t, x0 = i)
///     q(k | j, i) ~ (a 1[k = j] + (1 - a) pi_j) (alpha_s 1[k = i] + (1 - alpha_s) pi_k)
///
/// up to a factor, with a = alpha_t / alpha_s, position by position given x_t. Multiplied out, the
/// kernel is a choice among few routes: the data class, the class that is there, a fresh draw from
/// pi. So one read of the logits and one draw of a class do, whatever the number of classes, and
/// staying is decided by a coin of its own: no class races against "stay".
///
/// A posterior (prediction::x0_posterior) is drawn from first and its bridge then: the mixture,
/// exactly. A cavity (prediction::x0_cavity) goes through the plug-in form, its bridge summed over
/// the classes. Under absorbing noise the two are one; a position that is not masked keeps its
/// class and its logits are not read.
///
/// Of a process of matrices every bridge is a row of K probabilities: the data class is drawn from
/// the posterior, or from a cavity in proportion to what each class explains, and the class before
/// from its bridge, with a coin for staying. It costs O(classes + K) a position.
///
/// Of packed bits (process::xor_packed) the kernel is a flip, whose probability is linear in the
/// posterior: no bit is drawn on the way.
///
/// A guidance of kernels (guidance::d_cfg, guidance::d_cbg) needs the kernel itself, normalised: it
/// has the form data p_k + limit pi_k, which is mixed as it is read. There too a coin of its own
/// decides whether a position stays masked, and then the class is drawn.
///
/// N steps cost N evaluations. A last step onto alpha = 1 leaves no mask.
///
/// Source    Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524.
/// Shapes    x: [batch, positions], integers; logits [batch, positions, classes]. Packed bits:
///           [batch, words], [batch, bits].
/// Errors    an inversion throws when the run is planned; a row of logits that is no distribution
///           (NaN, +inf, nothing but -inf) is reported with step, sample and position.
struct ancestral {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::ancestral";
  static constexpr std::string_view source = "arXiv:2107.03006";
  static constexpr value_kind values = value_kind::categorical;
  static constexpr int order = 1;  // total variation to the data law falls as 1 / N
  static constexpr int max_evals = 1;
  static constexpr bool takes_short_rows = true;
  static constexpr bool takes_groups = true;
  static constexpr bool takes_matrices = true;
  static constexpr bool takes_bits = true;
  static constexpr bool gives_kernels = true;

  template <class Process>
  void plan(plan_context<Process> const& c, categorical_plan& out) const {
    refuse_inversion(c.grid);
    categorical_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    if constexpr (matrix_process<Process>) {
      s.tables = detail::matrix_tables(c.process, c.from(), c.to());
    } else {
      // Not 1 - a, which loses its digits where a step is small.
      double const lost = c.from().sigma - c.to().sigma;
      s.weight = {c.from().alpha / c.to().alpha, c.to().alpha, c.to().sigma,
                  lost / (Process::is_absorbing ? c.from().sigma : c.to().alpha)};
    }
  }

  template <class Process>
  void plan(plan_context<Process> const& c, binary_plan& out) const {
    refuse_inversion(c.grid);
    // Flips: b_t and b_s from the data on, d from s to t.
    double const bt = 0.5 * c.from().sigma, bs = 0.5 * c.to().sigma;
    double const d = 0.5 * (c.from().sigma - c.to().sigma) / c.to().alpha;
    binary_stage& s = out.evaluate(c.from(), c.to());
    s.key = {c.index, 0, 0, c.from().t, c.to().t};
    s.same = bs * d / (bs * d + (1.0 - bs) * (1.0 - d));
    s.other = (1.0 - bs) * d / bt;
  }

  /// Of a position in class `now`: its class after the step, or -1 if the row is no distribution.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&w)[4], detail::limit_law const& law, int now, Row& row,
                              Words const& words) {
    auto const first = words(0);
    double const coin = detail::unit_uniform(first.word[0], first.word[1]);
    double const u = detail::unit_uniform(first.word[2], first.word[3]);
    if (law.mask >= 0) {
      if (now != law.mask || coin >= w[3]) return now;
      return row.scan() ? row.draw(u) : -1;
    }
    double const pi = law.probability(now);
    if (pi == 0.0) return now;  // nothing but data shows a class that pi never gives
    if (!row.scan()) return -1;
    int const drawn = Cavity ? -1 : row.draw(u);
    double const seen = Cavity ? row.probability(now) : (drawn == now ? 1.0 : 0.0);
    routes const r = routes_of(w, pi, seen);
    double const at = coin * (r.fresh + r.stay + r.clean + r.back);
    if (at < r.fresh) return law.draw(at / r.fresh);  // uniform again, given that it is below
    if (at < r.fresh + r.stay + r.back) return now;
    return Cavity ? row.draw(u) : drawn;
  }

  /// advance() of the positions of a group, of a law without a mask and no cavity: the same draws.
  template <class Rows, class Words, int Lanes>
  static void advance_group(double const (&w)[4], detail::limit_law const& law,
                            int const (&now)[Lanes], Rows const& rows, Words& words,
                            int (&next)[Lanes]) {
    auto const& first = words.of_all(0);
    double coin[Lanes], u[Lanes], pi[Lanes], here[Lanes], drawn[Lanes], way[Lanes], again[Lanes];
    for (int i = 0; i < Lanes; ++i) {
      coin[i] = detail::unit_uniform(first[0][i], first[1][i]);
      u[i] = detail::unit_uniform(first[2][i], first[3][i]);
      here[i] = now[i];
    }
    for (int i = 0; i < Lanes; ++i) pi[i] = law.probability(now[i]);
    rows.draw(u, drawn);
    // The way of each: 0 a fresh draw, 1 it stays, 2 the data class.
    for (int i = 0; i < Lanes; ++i) {
      routes const r = routes_of(w, pi[i], drawn[i] == here[i] ? 1.0 : 0.0);
      double const at = coin[i] * (r.fresh + r.stay + r.clean + r.back);
      double const passed =
          (at < r.fresh ? 0.0 : 1.0) + (at < r.fresh + r.stay + r.back ? 0.0 : 1.0);
      way[i] = pi[i] == 0.0 ? 1.0 : passed;
      again[i] = at / r.fresh;
    }
    for (int i = 0; i < Lanes; ++i) {
      next[i] = static_cast<int>(way[i] == 2.0 ? drawn[i] : here[i]);
    }
    for (int i = 0; i < Lanes; ++i) {
      if (way[i] == 0.0) next[i] = law.draw(again[i]);
    }
    for (int i = 0; i < Lanes; ++i) {
      if (!rows.is_law(i) && pi[i] != 0.0) next[i] = -1;
    }
  }

  /// The ways to the class before, in proportion: a fresh draw from pi, the class that is there as
  /// noise, the data class, and the class that is there as the data class.
  struct routes {
    double fresh, stay, clean, back;
  };
  /// `pi` is that of the class that is there, `seen` the probability that it is the data class.
  DIFFX_HD static routes routes_of(double const (&w)[4], double pi, double seen) noexcept {
    double const a = w[0], kept = w[1], moved = w[2], lost = w[3];  // lost = 1 - a
    return {lost * pi * moved, a * pi * moved, lost * pi * kept, a * seen * kept};
  }

  /// The same of a process of matrices. A position that no class of the row explains stays.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance(double const (&)[4], detail::matrix_law const& law, int now, Row& row,
                              Words const& words) {
    if (!row.scan()) return -1;
    auto const first = words(0);
    double const coin = detail::unit_uniform(first.word[0], first.word[1]);
    double const u = detail::unit_uniform(first.word[2], first.word[3]);
    int const data = Cavity ? law.draw_data(row, now, u) : row.draw(u);
    return data < 0 ? now : law.draw_bridge(now, data, coin, words);
  }

  /// The kernel of a position in class `now`, of which `seen` is the probability. Under absorbing
  /// noise `now` is the mask, and the kernel's value there is `here.limit`. A cavity's is a
  /// multiple of the kernel; any other is normalised.
  template <bool Cavity>
  DIFFX_HD static detail::class_kernel kernel(double const (&w)[4], detail::limit_law const& law,
                                              int now, double seen) {
    if (law.mask >= 0) return {{w[3], 0.0}, {0.0, 1.0 - w[3]}};
    double const a = w[0], kept = w[1], moved = w[2], lost = w[3];
    double const pi = law.probability(now);
    double const other = lost * pi, here = a + other;  // q(now | k): where k is another class, now
    if (Cavity) return {{other * kept, other * moved}, {here * kept, here * moved}};
    // q(now | x0), where the data class is another, and where it is the one that is there.
    double const hidden = pi * (moved + lost * kept), shown = hidden + a * kept;
    double const past = moved * (seen / shown + (1.0 - seen) / hidden);
    return {{other * kept / hidden, other * past}, {here * kept / shown, here * past}};
  }

  /// Fills a row with the kernels of its branches; false if it is no distribution.
  template <bool Cavity, class Row>
  DIFFX_HD static bool mix_kernels(double const (&w)[4], Row& row) {
    if (!row.normalise()) return false;
    bool const masked = row.law.mask >= 0;
    double powers = 0.0;
    DIFFX_UNROLLED
    for (int g = 0; g < Row::branches; ++g) {
      if (g >= row.kernels) continue;
      double const seen = masked ? 0.0 : row.data_probability(g, row.now);
      row.kernel[g] = kernel<Cavity>(w, row.law, row.now, seen);
      powers += row.weight[g];
    }
    double const stays = 1.0 - w[3];
    row.stay = masked && stays > 0.0 ? powers * detail::log(stays) : Row::nothing;
    return row.scan();
  }

  /// advance() under a guidance that acts on kernels.
  template <bool Cavity, class Row, class Words>
  DIFFX_HD static int advance_kernels(double const (&w)[4], detail::limit_law const& law, int now,
                                      Row& row, Words const& words) {
    if (law.mask >= 0 ? now != law.mask : law.probability(now) == 0.0) return now;
    if (!mix_kernels<Cavity>(w, row)) return -1;
    auto const first = words(0);
    double const coin = detail::unit_uniform(first.word[0], first.word[1]);
    if (coin >= row.leaves_mask()) return now;
    return row.draw(detail::unit_uniform(first.word[2], first.word[3]));
  }

 private:
  static void refuse_inversion(timetable const& grid) {
    if (!grid.inverts()) return;
    detail::fail("diffx::solver::ancestral: cannot go from data to noise; start::noised does");
  }
};

static_assert(categorical_solver<ancestral>);

}  // namespace diffx::solver
