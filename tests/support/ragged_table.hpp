#pragma once

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/timetable.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace test {

/// 12 rows of 2 x 3 x 2 classes that depend on each other.
inline std::vector<double> dependent_rows() {
  std::vector<double> p;
  double sum = 0.0;
  for (int i = 0; i < 12; ++i) sum += p.emplace_back((5 * i * i + 2 * i + 1) % 13 + 0.5);
  for (double& v : p) v /= sum;
  return p;
}

/// The exact denoiser of a law over rows of columns with their own numbers of classes; the last
/// column runs fastest. Logits are log p(x0_c = k | x_t).
template <class Columns>
struct ragged_table {
  static constexpr int branches = 1;
  diffx::prediction::x0_posterior<double> prediction{};
  Columns const* process;
  std::vector<double> law;
  double sharpness = 1.0;  // of a network that is too sure, above 1

  int classes(int c) const { return process->column(c).limit().classes; }

  /// q(x_t = now | x_0 = k) of every column, and with it the posteriors, side by side.
  void row(std::int32_t const* x, double t, double* out) const {
    int const n = process->size();
    std::vector<std::vector<double>> seen;
    std::vector<std::size_t> first{0};
    for (int c = 0; c < n; ++c) {
      auto const& p = process->column(c);
      auto const states = static_cast<std::size_t>(diffx::analysis::state_count(p));
      auto const step = diffx::analysis::transition(p, {}, p.at(t));
      auto& s = seen.emplace_back();
      for (int k = 0; k < classes(c); ++k) {
        s.push_back(step[static_cast<std::size_t>(k) * states + static_cast<std::size_t>(x[c])]);
      }
      first.push_back(first.back() + s.size());
    }
    for (std::size_t i = 0; i < first.back(); ++i) out[i] = 0.0;
    for (std::size_t cell = 0; cell < law.size(); ++cell) {
      double w = law[cell];
      auto const code = codes(cell);
      for (int c = 0; c < n; ++c) {
        w *= seen[static_cast<std::size_t>(c)]
                 [static_cast<std::size_t>(code[static_cast<std::size_t>(c)])];
      }
      for (std::size_t c = 0; c < code.size(); ++c) {
        out[first[c] + static_cast<std::size_t>(code[c])] += w;
      }
    }
    for (std::size_t i = 0; i < first.back(); ++i) out[i] = sharpness * std::log(out[i]);
  }

  std::vector<int> codes(std::size_t cell) const {
    std::vector<int> out(static_cast<std::size_t>(process->size()));
    for (int c = process->size(); c-- > 0;) {
      auto const k = static_cast<std::size_t>(classes(c));
      out[static_cast<std::size_t>(c)] = static_cast<int>(cell % k);
      cell /= k;
    }
    return out;
  }

  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<std::int32_t const> x, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) row(x.row(i), q.at.t, out.row(i));
  }

  /// The law of rows after all steps of a grid, states of every column in the same order, masks
  /// last.
  std::vector<double> after(diffx::timetable const& grid) const {
    return after(grid, [](double t) { return t; });
  }
  /// The same where every step at time t goes up to raised(t) first.
  template <class Raised>
  std::vector<double> after(diffx::timetable const& grid, Raised const& raised) const {
    std::vector<double> now{1.0};
    for (int c = 0; c < process->size(); ++c) {
      auto const limit = process->column(c).limit();
      std::vector<double> wider;
      for (double const a : now) {
        for (int k = 0; k < diffx::analysis::state_count(limit); ++k) {
          wider.push_back(a * limit.probability(k));
        }
      }
      now = wider;
    }
    for (int step = 0; step < grid.steps(); ++step) {
      double const up = raised(grid[step].t);
      if (up != grid[step].t) now = noised(now, grid[step].t, up);
      std::vector<double> next(now.size(), 0.0);
      for (std::size_t cell = 0; cell < now.size(); ++cell) {
        if (now[cell] > 0.0) spread(cell, now[cell], up, grid[step + 1].t, next);
      }
      now = next;
    }
    return now;
  }

 private:
  std::vector<double> noised(std::vector<double> now, double from, double to) const {
    std::size_t block = 1;  // of the columns after this one
    for (int c = process->size(); c-- > 0;) {
      auto const& p = process->column(c);
      auto const states = static_cast<std::size_t>(diffx::analysis::state_count(p));
      auto const step = diffx::analysis::transition(p, p.at(from), p.at(to));
      std::vector<double> next(now.size(), 0.0);
      for (std::size_t cell = 0; cell < now.size(); ++cell) {
        std::size_t const k = cell / block % states, rest = cell - k * block;
        for (std::size_t j = 0; j < states; ++j) {
          next[rest + j * block] += now[cell] * step[k * states + j];
        }
      }
      now = next;
      block *= states;
    }
    return now;
  }

  void spread(std::size_t cell, double mass, double from, double to,
              std::vector<double>& next) const {
    int const n = process->size();
    std::vector<std::int32_t> x(static_cast<std::size_t>(n));
    for (int c = n; c-- > 0;) {
      auto const k = static_cast<std::size_t>(diffx::analysis::state_count(process->column(c)));
      x[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(cell % k);
      cell /= k;
    }
    std::vector<double> logits(static_cast<std::size_t>(process->logits()));
    row(x.data(), from, logits.data());
    std::vector<double> joint{mass};
    std::size_t first = 0;
    for (int c = 0; c < n; ++c) {
      auto const& p = process->column(c);
      auto const width = static_cast<std::size_t>(classes(c));
      int const code = x[static_cast<std::size_t>(c)];
      auto const law_of_data = diffx::analysis::law_of_logits(
          p.limit(), code, std::span<double const>(logits).subspan(first, width));
      auto const kernel =
          diffx::analysis::mixture_kernel(p, p.at(from), p.at(to), code, law_of_data);
      first += width;
      std::vector<double> wider;
      for (double const a : joint) {
        for (double const b : kernel) wider.push_back(a * b);
      }
      joint = wider;
    }
    for (std::size_t k = 0; k < joint.size(); ++k) next[k] += joint[k];
  }
};

}  // namespace test
