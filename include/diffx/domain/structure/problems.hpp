#pragma once

#include <diffx/domain/structure/factor_graph.hpp>
#include <diffx/domain/structure/variables.hpp>
#include <diffx/error.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace diffx::domain::structure {

/// A problem's variables, the graph between them, and which of them share what a network learns of
/// a variable: those of one group are exchangeable.
struct problem {
  structure::variables variables;
  factor_graph graph;
  std::vector<int> group;  // [variables], from 0
};

/// The rules of Sudoku with boxes of box_rows x box_columns cells: cells are classes, the digits 0
/// to side() - 1, row by row. -1 is an empty cell of a puzzle. Host only.
///
/// 9x9 has 1620 ordered pairs of cells that must differ, 20 a cell.
///
/// Errors    a box side below 1, a side below 2 or above 25, a grid of another size, a digit that
///           is none: throws diffx::error.
class sudoku {
 public:
  sudoku(int box_rows, int box_columns) : graph_(1) {
    detail::require(box_rows >= 1, where, "box_rows", box_rows, "at least 1");
    detail::require(box_columns >= 1, where, "box_columns", box_columns, "at least 1");
    detail::require(box_rows <= 25 && box_columns <= 25 && box_rows * box_columns <= 25 &&
                        box_rows * box_columns >= 2,
                    where, "box_rows", box_rows, "such that a side has 2 to 25 cells");
    side_ = box_rows * box_columns;
    graph_ = factor_graph(cells());
    std::vector<int> row, column, box;
    for (int u = 0; u < side_; ++u) {
      row.clear();
      column.clear();
      box.clear();
      for (int k = 0; k < side_; ++k) {
        row.push_back(u * side_ + k);
        column.push_back(k * side_ + u);
        int const r = u / box_rows * box_rows + k / box_columns;
        box.push_back(r * side_ + u % box_rows * box_columns + k % box_columns);
      }
      graph_.factor(row);
      graph_.factor(column);
      graph_.factor(box);
    }
  }

  int side() const noexcept { return side_; }
  int cells() const noexcept { return side_ * side_; }
  factor_graph const& graph() const noexcept { return graph_; }

  /// Every cell is a group: its neighbours are not alike, for some share its row, some its column
  /// and some its box, and the graph does not say which.
  problem as_problem() const {
    std::vector<int> group;
    for (int cell = 0; cell < cells(); ++cell) group.push_back(cell);
    return {variables(0, std::vector<int>(group.size(), side_)), graph_, std::move(group)};
  }

  /// Pairs of cells that must differ and hold the same digit, each counted once.
  int violations(std::span<std::int32_t const> grid) const {
    check(grid, 0);
    int count = 0;
    for (int a = 0; a < cells(); ++a) {
      for (int const b : graph_.neighbours(a)) {
        count += b < a && grid[static_cast<std::size_t>(a)] == grid[static_cast<std::size_t>(b)];
      }
    }
    return count;
  }

  /// All full grids that agree with the puzzle, one after another, but at most `most` of them.
  std::vector<std::int32_t> completions(std::span<std::int32_t const> puzzle,
                                        std::size_t most) const {
    check(puzzle, -1);
    search s{{puzzle.begin(), puzzle.end()}, {}, {}, most};
    s.left.assign(puzzle.size(), (std::uint32_t{1} << side_) - 1);
    for (int cell = 0; cell < cells(); ++cell) {
      int const digit = puzzle[static_cast<std::size_t>(cell)];
      if (digit < 0) continue;
      for (int const other : graph_.neighbours(cell)) {
        if (other == cell) continue;
        if (puzzle[static_cast<std::size_t>(other)] == digit) return {};
        s.left[static_cast<std::size_t>(other)] &= ~(std::uint32_t{1} << digit);
      }
    }
    fill(s);
    return std::move(s.found);
  }

 private:
  static constexpr std::string_view where = "diffx::domain::structure::sudoku";

  struct search {
    std::vector<std::int32_t> grid;
    std::vector<std::uint32_t> left;  // digits that a cell may still take, a bit each
    std::vector<std::int32_t> found;
    std::size_t most;
  };

  /// Goes on with the empty cell that has the fewest digits left.
  void fill(search& s) const {
    if (s.found.size() >= s.most * s.grid.size()) return;
    int best = -1, fewest = side_ + 1;
    for (int cell = 0; cell < cells() && fewest > 1; ++cell) {
      if (s.grid[static_cast<std::size_t>(cell)] >= 0) continue;
      int const count = std::popcount(s.left[static_cast<std::size_t>(cell)]);
      if (count < fewest) {
        fewest = count;
        best = cell;
      }
    }
    if (best < 0) {
      s.found.insert(s.found.end(), s.grid.begin(), s.grid.end());
      return;
    }
    auto const at = static_cast<std::size_t>(best);
    for (int digit = 0; digit < side_; ++digit) {
      std::uint32_t const bit = std::uint32_t{1} << digit;
      if ((s.left[at] & bit) == 0) continue;
      std::vector<int> struck;
      for (int const other : graph_.neighbours(best)) {
        auto const o = static_cast<std::size_t>(other);
        if (other == best || s.grid[o] >= 0 || (s.left[o] & bit) == 0) continue;
        s.left[o] &= ~bit;
        struck.push_back(other);
      }
      s.grid[at] = digit;
      fill(s);
      s.grid[at] = -1;
      for (int const other : struck) s.left[static_cast<std::size_t>(other)] |= bit;
    }
  }

  void check(std::span<std::int32_t const> grid, int least) const {
    detail::require(grid.size() == static_cast<std::size_t>(cells()), where, "cells of a grid",
                    static_cast<long long>(grid.size()), detail::text(cells()));
    for (auto const digit : grid) {
      detail::require(digit >= least && digit < side_, where, "a digit", digit,
                      "from " + detail::text(least) + " to " + detail::text(side_ - 1));
    }
  }

  int side_ = 0;
  factor_graph graph_;
};

/// Sorting n values u: numbers u_i, the sorted list s_j and K_ij = P_ij u_i, then the classes P_ij,
/// 1 where value i comes to place j. The columns of K sum to s.
///
/// Joined are u_i - K_ij - s_j, K_ij - P_ij, s_j - s_{j + 1}, and the entries of a row or a column
/// of P. Values are one group, every place is its own, and so are K and P as a whole. Host only.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633.
/// Errors    n < 1, numbers or codes of another size: throws diffx::error.
class sorting {
 public:
  explicit sorting(int n) : n_(n) { detail::require(n >= 1, where, "n", n, "at least 1"); }

  int size() const noexcept { return n_; }
  int value(int i) const noexcept { return i; }
  int place(int j) const noexcept { return n_ + j; }
  int product(int i, int j) const noexcept { return 2 * n_ + i * n_ + j; }
  int chosen(int i, int j) const noexcept { return 2 * n_ + n_ * n_ + i * n_ + j; }

  problem as_problem() const {
    auto const squares = static_cast<std::size_t>(n_ * n_);
    problem p{variables(2 * n_ + n_ * n_, std::vector<int>(squares, 2)),
              factor_graph(2 * n_ + 2 * n_ * n_),
              {}};
    std::vector<int> row, column;
    for (int i = 0; i < n_; ++i) {
      row.clear();
      column.clear();
      if (i + 1 < n_) p.graph.join(place(i), place(i + 1));
      for (int j = 0; j < n_; ++j) {
        p.graph.join(value(i), product(i, j));
        p.graph.join(product(i, j), place(j));
        p.graph.join(product(i, j), chosen(i, j));
        row.push_back(chosen(i, j));
        column.push_back(chosen(j, i));
      }
      p.graph.factor(row);
      p.graph.factor(column);
    }
    p.group.assign(static_cast<std::size_t>(n_), 0);
    for (int j = 0; j < n_; ++j) p.group.push_back(1 + j);
    p.group.insert(p.group.end(), squares, n_ + 1);
    p.group.insert(p.group.end(), squares, n_ + 2);
    return p;
  }

  /// Fills in all variables of a row from its values.
  void solve(std::span<double> numbers, std::span<std::int32_t> codes) const {
    check(numbers, codes);
    std::vector<int> order(static_cast<std::size_t>(n_));
    for (int i = 0; i < n_; ++i) order[static_cast<std::size_t>(i)] = i;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return numbers[static_cast<std::size_t>(a)] < numbers[static_cast<std::size_t>(b)];
    });
    std::fill(numbers.begin() + n_, numbers.end(), 0.0);
    std::fill(codes.begin(), codes.end(), 0);
    for (int j = 0; j < n_; ++j) {
      int const i = order[static_cast<std::size_t>(j)];
      double const u = numbers[static_cast<std::size_t>(i)];
      numbers[static_cast<std::size_t>(place(j))] = u;
      numbers[static_cast<std::size_t>(product(i, j))] = u;
      codes[static_cast<std::size_t>(i * n_ + j)] = 1;
    }
  }

  /// Rows and columns of P that do not have one 1, and neighbours in the order it gives that fall:
  /// 0 if and only if P sorts the values.
  int violations(std::span<double const> numbers, std::span<std::int32_t const> codes) const {
    check(numbers, codes);
    auto const at = [&](int i, int j) { return codes[static_cast<std::size_t>(i * n_ + j)]; };
    int count = 0;
    double last = -HUGE_VAL;
    for (int j = 0; j < n_; ++j) {
      int row = 0, column = 0;
      double sum = 0.0;
      for (int i = 0; i < n_; ++i) {
        row += at(j, i);
        column += at(i, j);
        sum += at(i, j) * numbers[static_cast<std::size_t>(i)];
      }
      count += (row != 1 ? 1 : 0) + (column != 1 ? 1 : 0) + (sum < last ? 1 : 0);
      last = sum;
    }
    return count;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::structure::sorting";

  template <class A, class B>
  void check(A const& numbers, B const& codes) const {
    auto const n = static_cast<std::size_t>(n_);
    detail::require(numbers.size() == 2 * n + n * n, where, "numbers",
                    static_cast<long long>(numbers.size()), "2 n + n^2");
    detail::require(codes.size() == n * n, where, "codes", static_cast<long long>(codes.size()),
                    "n^2");
  }

  int n_;
};

/// E = R^T A with R of zeros and ones: numbers A [rank, columns], E [rows, columns] and
/// K_tij = R_ti A_tj, then the classes R [rank, rows]. E_ij is the sum of K_tij over t.
///
/// Joined are A_tj - K_tij - R_ti and K_tij - E_ij. Each of A, E, K and R is a group. Host only.
///
/// Source    Weilbach, Harvey & Wood 2022 (GSDM), arXiv:2210.11633.
/// Errors    a size below 1, numbers or codes of another size: throws diffx::error.
class matrix_factorisation {
 public:
  matrix_factorisation(int rows, int columns, int rank)
      : rows_(rows), columns_(columns), rank_(rank) {
    detail::require(rows >= 1, where, "rows", rows, "at least 1");
    detail::require(columns >= 1, where, "columns", columns, "at least 1");
    detail::require(rank >= 1, where, "rank", rank, "at least 1");
  }

  int left(int t, int j) const noexcept { return t * columns_ + j; }
  int entry(int i, int j) const noexcept { return rank_ * columns_ + i * columns_ + j; }
  int product(int t, int i, int j) const noexcept {
    return (rank_ + rows_) * columns_ + (t * rows_ + i) * columns_ + j;
  }
  int right(int t, int i) const noexcept { return numbers() + t * rows_ + i; }
  int numbers() const noexcept { return (rank_ + rows_ + rank_ * rows_) * columns_; }
  int classes() const noexcept { return rank_ * rows_; }

  problem as_problem() const {
    problem p{variables(numbers(), std::vector<int>(static_cast<std::size_t>(classes()), 2)),
              factor_graph(numbers() + classes()),
              std::vector<int>(static_cast<std::size_t>(numbers() + classes()), 2)};
    for (int t = 0; t < rank_; ++t) {
      for (int i = 0; i < rows_; ++i) {
        p.group[static_cast<std::size_t>(right(t, i))] = 3;
        for (int j = 0; j < columns_; ++j) {
          p.graph.join(product(t, i, j), left(t, j));
          p.graph.join(product(t, i, j), right(t, i));
          p.graph.join(product(t, i, j), entry(i, j));
          p.group[static_cast<std::size_t>(left(t, j))] = 0;
          p.group[static_cast<std::size_t>(entry(i, j))] = 1;
        }
      }
    }
    return p;
  }

  /// The largest |E_ij - sum_t R_ti A_tj|.
  double error(std::span<double const> numbers_of_row, std::span<std::int32_t const> codes) const {
    detail::require(numbers_of_row.size() == static_cast<std::size_t>(numbers()), where, "numbers",
                    static_cast<long long>(numbers_of_row.size()), detail::text(numbers()));
    detail::require(codes.size() == static_cast<std::size_t>(classes()), where, "codes",
                    static_cast<long long>(codes.size()), detail::text(classes()));
    double worst = 0.0;
    for (int i = 0; i < rows_; ++i) {
      for (int j = 0; j < columns_; ++j) {
        double sum = numbers_of_row[static_cast<std::size_t>(entry(i, j))];
        for (int t = 0; t < rank_; ++t) {
          sum -= codes[static_cast<std::size_t>(t * rows_ + i)] *
                 numbers_of_row[static_cast<std::size_t>(left(t, j))];
        }
        worst = std::max(worst, std::fabs(sum));
      }
    }
    return worst;
  }

 private:
  static constexpr std::string_view where = "diffx::domain::structure::matrix_factorisation";

  int rows_, columns_, rank_;
};

}  // namespace diffx::domain::structure
