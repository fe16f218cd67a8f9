#pragma once

#include <diffx/concepts/process.hpp>
#include <diffx/config.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/stochastic_matrix.hpp>
#include <diffx/step.hpp>

#include <cstddef>
#include <vector>

namespace diffx::detail {

/// One step of a process of matrices as tables: what an ancestral step reads. It points into the
/// plan of the run, or off the host into its workspace.
struct matrix_law {
  int states = 0;
  int mask = -1;           // no logit is ruled out: a mask, if there is one, has none
  double const* into;      // [now, k]   q(x_t = now | x_s = k)
  double const* before;    // [data, k]  q(x_s = k | x_0 = data)
  double const* evidence;  // [now, data] q(x_t = now | x_0 = data)

  /// q(x_s = k, x_t = now | x_0 = data).
  DIFFX_HD double bridge(int now, int data, int k) const noexcept {
    return into[now * states + k] * before[data * states + k];
  }

  /// A data class from the cavity of a row: in proportion to its probability there and what is
  /// seen. -1 if no class of the row leads to `now`.
  template <class Row>
  DIFFX_HD int draw_data(Row const& row, int now, double u) const {
    double sum = 0.0;
    for (int i = 0; i < row.classes; ++i) sum += row.probability(i) * evidence[now * states + i];
    double left = u * sum;
    int last = -1;  // what rounding leaves goes to the last class of any probability
    for (int i = 0; i < row.classes; ++i) {
      double const mass = row.probability(i) * evidence[now * states + i];
      if (mass <= 0.0) continue;
      last = i;
      if ((left -= mass) < 0.0) break;
    }
    return last;
  }

  /// The class before, given the data class: a coin for staying, and another draw for the rest.
  template <class Words>
  DIFFX_HD int draw_bridge(int now, int data, double coin, Words const& words) const {
    double const stay = bridge(now, data, now);
    double rest = 0.0;
    for (int k = 0; k < states; ++k) rest += k == now ? 0.0 : bridge(now, data, k);
    if (!(rest > 0.0) || coin * (stay + rest) < stay) return now;
    auto const r = words(1);
    double left = unit_uniform(r.word[0], r.word[1]) * rest;
    int last = now;
    for (int k = 0; k < states; ++k) {
      double const mass = k == now ? 0.0 : bridge(now, data, k);
      if (mass <= 0.0) continue;
      last = k;
      if ((left -= mass) < 0.0) break;
    }
    return last;
  }
};

/// The tables of a step, one after the other.
template <matrix_process Process>
std::vector<double> matrix_tables(Process const& process, level const& from, level const& to) {
  auto const n = static_cast<std::size_t>(process.states());
  square_matrix const step = process.transition(to, from), before = process.transition({}, to),
                      after = process.transition({}, from);
  std::vector<double> out(3 * n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      out[j * n + i] = step[i * n + j];
      out[n * n + i * n + j] = before[i * n + j];
      out[2 * n * n + j * n + i] = after[i * n + j];
    }
  }
  return out;
}

inline matrix_law matrix_law_of(double const* tables, int states) noexcept {
  auto const n = static_cast<std::size_t>(states) * static_cast<std::size_t>(states);
  return {states, -1, tables, tables + n, tables + 2 * n};
}

}  // namespace diffx::detail
