#pragma once

// Problems of the structure example: what is observed, and whether an answer obeys the rules.

#include <diffx/cache/none.hpp>
#include <diffx/concepts/denoiser.hpp>
#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/eigen/structured.hpp>
#include <diffx/denoiser/empirical.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/structure/problems.hpp>
#include <diffx/error.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/guidance/none.hpp>
#include <diffx/recipe/gsdm.hpp>
#include <diffx/search/best_of_n.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace example {

namespace structure = diffx::domain::structure;

using grid_of_digits = std::vector<std::int32_t>;

/// Instances of one problem, a row each. `x` holds what is observed, and zeros.
struct task {
  structure::problem problem;
  std::int64_t rows = 0;
  std::vector<float> x;                         // [rows, features]
  std::vector<std::uint8_t> mask;               // [rows, features]
  std::function<int(float const*)> violations;  // of one row; 0: it is a solution

  diffx::batch_view<std::uint8_t const> observed() const {
    return {mask.data(), rows, problem.variables.features()};
  }
};

/// A full grid: the empty cell with the fewest digits left, the first of a random order, takes one
/// of them at random; where none is left it all begins again.
inline grid_of_digits random_grid(structure::sudoku const& rules, std::mt19937_64& random) {
  auto const cells = static_cast<std::size_t>(rules.cells());
  std::vector<std::size_t> order(cells);
  for (std::size_t k = 0; k < cells; ++k) order[k] = k;
  for (;;) {
    grid_of_digits grid(cells, -1);
    std::vector<std::vector<std::int32_t>> left(cells);
    for (auto& digits : left) {
      for (int d = 0; d < rules.side(); ++d) digits.push_back(d);
    }
    std::shuffle(order.begin(), order.end(), random);
    std::size_t filled = 0;
    for (; filled < cells; ++filled) {
      std::size_t best = cells;
      for (std::size_t const cell : order) {
        if (grid[cell] < 0 && (best == cells || left[cell].size() < left[best].size())) best = cell;
      }
      if (left[best].empty()) break;
      grid[best] = left[best][random() % left[best].size()];
      for (int const other : rules.graph().neighbours(static_cast<int>(best))) {
        std::erase(left[static_cast<std::size_t>(other)], grid[best]);
      }
    }
    if (filled == cells) return grid;
  }
}

/// Random grids of which every cell is given with the same chance.
inline std::vector<grid_of_digits> random_puzzles(structure::sudoku const& rules,
                                                  std::int64_t count, double observed,
                                                  std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::vector<grid_of_digits> out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(random_grid(rules, random));
    for (auto& digit : out.back()) digit = uniform(random) < observed ? digit : -1;
  }
  return out;
}

/// A puzzle as it is written: digits from 1, and '.' or '0' for an empty cell; blanks do not count.
inline grid_of_digits puzzle_of(structure::sudoku const& rules, std::string const& text) {
  grid_of_digits out;
  for (char const c : text) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    int const digit = c == '.' ? 0 : c - '0';
    if (digit < 0 || digit > rules.side()) {
      diffx::detail::fail("--puzzle: '" + std::string(1, c) + "' is no cell, must be . or 0 to " +
                          std::to_string(rules.side()));
    }
    out.push_back(digit - 1);
  }
  diffx::detail::require(out.size() == static_cast<std::size_t>(rules.cells()), "--puzzle", "cells",
                         static_cast<long long>(out.size()), std::to_string(rules.cells()));
  if (rules.completions(out, 1).empty()) diffx::detail::fail("--puzzle: it has no solution");
  return out;
}

inline grid_of_digits digits_of(structure::variables const& cells, float const* row) {
  grid_of_digits out(static_cast<std::size_t>(cells.size()));
  cells.read(diffx::batch_view<float const>{row, 1, cells.features()},
             diffx::batch_view<float>{nullptr, 1, 0},
             diffx::batch_view<std::int32_t>{out.data(), 1, cells.size()});
  return out;
}

inline task sudoku_task(structure::sudoku const& rules,
                        std::vector<grid_of_digits> const& puzzles) {
  task t{rules.as_problem(), static_cast<std::int64_t>(puzzles.size()), {}, {}, {}};
  auto const cells = t.problem.variables;
  auto const features = cells.features();
  t.x.assign(static_cast<std::size_t>(t.rows * features), 0.0f);
  t.mask.assign(t.x.size(), 0);
  for (std::size_t i = 0; i < puzzles.size(); ++i) {
    for (std::size_t cell = 0; cell < puzzles[i].size(); ++cell) {
      if (puzzles[i][cell] < 0) continue;
      auto const first = i * static_cast<std::size_t>(features) +
                         static_cast<std::size_t>(cells.offset(static_cast<int>(cell)));
      std::fill_n(t.mask.begin() + static_cast<std::ptrdiff_t>(first), rules.side(),
                  std::uint8_t{1});
      t.x[first + static_cast<std::size_t>(puzzles[i][cell])] = 1.0f;
    }
  }
  t.violations = [rules, cells](float const* row) {
    return rules.violations(digits_of(cells, row));
  };
  return t;
}

/// Values from a standard normal, which are observed.
inline task sorting_task(structure::sorting const& list, std::int64_t rows, std::uint64_t seed) {
  task t{list.as_problem(), rows, {}, {}, {}};
  auto const all = t.problem.variables;
  auto const features = static_cast<std::size_t>(all.features());
  t.x.assign(static_cast<std::size_t>(rows) * features, 0.0f);
  t.mask.assign(t.x.size(), 0);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
    for (int k = 0; k < list.size(); ++k) {
      auto const at = i * features + static_cast<std::size_t>(all.offset(list.value(k)));
      t.x[at] = normal(random);
      t.mask[at] = 1;
    }
  }
  t.violations = [list, all](float const* row) {
    std::vector<double> numbers(static_cast<std::size_t>(all.numbers()));
    std::vector<std::int32_t> codes(static_cast<std::size_t>(all.classes()));
    all.read(diffx::batch_view<float const>{row, 1, all.features()},
             diffx::batch_view<double>{numbers.data(), 1, all.numbers()},
             diffx::batch_view<std::int32_t>{codes.data(), 1, all.classes()});
    return list.violations(numbers, codes);
  };
  return t;
}

/// The network that knows the law: for every puzzle the list of its solutions, counted out by
/// trying. Nothing is learnt, so what is left is the sampler's own error.
inline auto exact_network(structure::sudoku const& rules,
                          std::vector<grid_of_digits> const& puzzles, std::size_t most) {
  auto const cells = rules.as_problem().variables;
  std::vector<double> data;
  std::vector<int> labels, wanted;
  for (auto const& puzzle : puzzles) {
    auto const all = rules.completions(puzzle, most + 1);
    auto const count = static_cast<std::int64_t>(all.size() / puzzle.size());
    diffx::detail::require(count >= 1 && count <= static_cast<std::int64_t>(most),
                           "--network exact", "solutions of a puzzle",
                           static_cast<long long>(count),
                           "from 1 to " + std::to_string(most) + ": give more cells (--observed)");
    int const label = static_cast<int>(wanted.size());
    wanted.push_back(label);
    labels.insert(labels.end(), static_cast<std::size_t>(count), label);
    std::vector<double> rows(static_cast<std::size_t>(count * cells.features()));
    cells.write(diffx::batch_view<double const>{nullptr, count, 0},
                diffx::batch_view<std::int32_t const>{all.data(), count, cells.size()},
                diffx::batch_view<double>{rows.data(), count, cells.features()});
    data.insert(data.end(), rows.begin(), rows.end());
  }
  auto posterior = diffx::denoiser::empirical(std::move(data), cells.features(), std::move(labels))
                       .for_classes(std::move(wanted));
  return diffx::denoiser::predicts<diffx::prediction::x0>(
      [posterior = std::move(posterior)](
          auto const& exec, diffx::batch_view<float const> x, diffx::query const& q,
          diffx::batch_view<std::uint8_t const>,
          diffx::batch_view<float> out) { posterior(exec, x, q, out); });
}

inline auto trained_network(std::string const& models, std::string const& name,
                            structure::problem const& problem) {
  diffx::denoiser::eigen::safetensors const weights(models + "/" + name + ".safetensors");
  return diffx::denoiser::eigen::structured(
      {weights.number("width"), weights.number("heads"), weights.number("blocks")}, problem,
      weights);
}

struct answers {
  std::vector<float> x;         // [rows, features]
  std::vector<int> violations;  // [rows]
  int nfe = 0;                  // network evaluations a row
  std::int64_t solved() const { return std::count(violations.begin(), violations.end(), 0); }
};

/// The best of `candidates` samples of every row, by the rules alone. eta < 0: DDPM.
template <class Network>
answers solve(task const& t, Network const& network, int steps, double eta, int candidates,
              std::uint64_t seed) {
  using namespace diffx;
  answers a;
  a.x = t.x;
  auto const features = t.problem.variables.features();
  auto const rules = [&](batch_view<float const> x, std::span<double> score) {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      score[static_cast<std::size_t>(i)] = -t.violations(x.row(i));
    }
  };
  denoiser::clamp_clean const given{network, t.observed()};
  auto const run = [&](auto const& plain) {
    sampler const s{plain.process, plain.solver, guidance::none{}, cache::none{},
                    search::best_of_n{candidates}};
    auto const found = s.sample_best(exec::threads{}, given, grid::trailing(s.process, steps),
                                     batch_view<float>{a.x.data(), t.rows, features}, rules,
                                     options{noise::counted{seed}});
    for (double const score : found.best) a.violations.push_back(static_cast<int>(-score));
    a.nfe = found.nfe;
  };
  if (eta < 0.0) {
    run(recipe::gsdm());
  } else {
    run(recipe::gsdm_ddim(eta));
  }
  return a;
}

}  // namespace example
