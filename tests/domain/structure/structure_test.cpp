// The variables and graphs of structured problems.

#include <diffx/domain/structure/problems.hpp>

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace diffx;
using namespace diffx::domain;

namespace {

/// What the lists say, against the dense mask.
void check_lists(structure::factor_graph const& g) {
  auto const lists = g.lists();
  auto const mask = g.mask();
  int const n = g.size();
  REQUIRE(lists.variables == n);
  REQUIRE(lists.index.size() == static_cast<std::size_t>(n * lists.width));
  REQUIRE(lists.valid.size() == lists.index.size());
  std::vector<std::uint8_t> seen(mask.size(), 0);
  std::int64_t edges = 0;
  int widest = 0;
  for (int v = 0; v < n; ++v) {
    int count = 0;
    for (int k = 0; k < lists.width; ++k) {
      auto const at = static_cast<std::size_t>(v * lists.width + k);
      auto const other = static_cast<std::size_t>(lists.index[at]);
      REQUIRE(other < static_cast<std::size_t>(n));
      if (lists.valid[at] == 0) continue;
      CHECK(seen[static_cast<std::size_t>(v * n) + other] == 0);
      seen[static_cast<std::size_t>(v * n) + other] = 1;
      ++count;
    }
    edges += count;
    widest = std::max(widest, count);
    CHECK(mask[static_cast<std::size_t>(v * n + v)] == 1);
    for (int w = 0; w < n; ++w) {
      CHECK(mask[static_cast<std::size_t>(v * n + w)] == mask[static_cast<std::size_t>(w * n + v)]);
    }
  }
  CHECK(seen == mask);
  CHECK(widest == lists.width);
  CHECK(edges == g.directed_pairs() + n);
}

int pairs_of(std::vector<std::int32_t> const& grid, int b1, int b2) {
  int const n = b1 * b2;
  int count = 0;
  for (int a = 0; a < n * n; ++a) {
    for (int b = a + 1; b < n * n; ++b) {
      bool const meet = a / n == b / n || a % n == b % n ||
                        (a / n / b1 == b / n / b1 && a % n / b2 == b % n / b2);
      count += meet && grid[static_cast<std::size_t>(a)] == grid[static_cast<std::size_t>(b)];
    }
  }
  return count;
}

}  // namespace

TEST_CASE("structure: a Sudoku's cells see their row, column and box") {
  structure::sudoku const nine(3, 3), six(2, 3), four(2, 2);
  CHECK(nine.graph().directed_pairs() == 1620);
  CHECK(nine.graph().lists().width == 21);
  CHECK(nine.graph().lists().index.size() - 1620 == 81);  // the diagonal, and no padding
  CHECK(six.graph().directed_pairs() == 36 * 12);
  CHECK(four.graph().directed_pairs() == 16 * 7);
  CHECK(structure::sudoku(1, 5).graph().directed_pairs() == 25 * 8);  // a Latin square
  for (auto const& s : {nine, six, four, structure::sudoku(3, 2)}) check_lists(s.graph());
  CHECK(six.graph().joined(0, 8));         // a box of 2 rows and 3 columns
  CHECK_FALSE(six.graph().joined(0, 13));  // one row too far
  CHECK_FALSE(six.graph().joined(0, 9));   // one column too far
  auto const p = nine.as_problem();
  CHECK(p.variables.size() == 81);
  CHECK(p.variables.features() == 729);
  CHECK(std::set<int>(p.group.begin(), p.group.end()).size() == 81);
}

TEST_CASE("structure: violations of Sudoku, counted another way") {
  std::mt19937 random(5);
  for (auto const& [b1, b2] : {std::pair{2, 2}, std::pair{2, 3}, std::pair{3, 3}}) {
    structure::sudoku const rules(b1, b2);
    std::vector<std::int32_t> grid(static_cast<std::size_t>(rules.cells()));
    for (int k = 0; k < 200; ++k) {
      for (auto& digit : grid) {
        digit = static_cast<std::int32_t>(random() % static_cast<unsigned>(rules.side()));
      }
      CHECK(rules.violations(grid) == pairs_of(grid, b1, b2));
    }
  }
}

TEST_CASE("structure: all grids of 4x4, and the completions of puzzles") {
  structure::sudoku const rules(2, 2);
  auto const all = rules.completions(std::vector<std::int32_t>(16, -1), 1000);
  CHECK(all.size() == 288 * 16);
  std::set<std::vector<std::int32_t>> kinds;
  for (std::size_t k = 0; k < all.size(); k += 16) {
    std::vector<std::int32_t> const grid(all.begin() + static_cast<std::ptrdiff_t>(k),
                                         all.begin() + static_cast<std::ptrdiff_t>(k + 16));
    CHECK(rules.violations(grid) == 0);
    kinds.insert(grid);
  }
  CHECK(kinds.size() == 288);
  CHECK(rules.completions(std::vector<std::int32_t>(16, -1), 5).size() == 5 * 16);

  std::mt19937 random(6);
  for (int k = 0; k < 60; ++k) {
    std::vector<std::int32_t> puzzle(16, -1);
    auto const from = static_cast<std::size_t>(random() % 288) * 16;
    for (std::size_t c = 0; c < 16; ++c) puzzle[c] = random() % 3 == 0 ? all[from + c] : -1;
    std::size_t count = 0;
    for (auto const& grid : kinds) {
      bool fits = true;
      for (std::size_t c = 0; c < 16; ++c) fits = fits && (puzzle[c] < 0 || puzzle[c] == grid[c]);
      count += fits ? 1 : 0;
    }
    CHECK(rules.completions(puzzle, 1000).size() == count * 16);
  }
  std::vector<std::int32_t> clash(16, -1);
  clash[0] = clash[3] = 2;
  CHECK(rules.completions(clash, 10).empty());
  // The numbers of Latin squares of side 3 and 4 (OEIS A002860).
  CHECK(structure::sudoku(1, 3).completions(std::vector<std::int32_t>(9, -1), 1000).size() ==
        12 * 9);
  CHECK(structure::sudoku(4, 1).completions(std::vector<std::int32_t>(16, -1), 1000).size() ==
        576 * 16);
}

TEST_CASE("structure: the variables of sorting") {
  structure::sorting const s(5);
  auto const p = s.as_problem();
  int const n = 5;
  CHECK(p.variables.numbers() == 2 * n + n * n);
  CHECK(p.variables.classes() == n * n);
  CHECK(p.variables.features() == 2 * n + n * n + 2 * n * n);
  check_lists(p.graph);
  // u - K, K - s and K - P, neighbours of s, and n - 1 others in its row and column for each P.
  CHECK(p.graph.directed_pairs() == 2 * (3 * n * n + n - 1) + n * n * 2 * (n - 1));
  CHECK(p.graph.joined(s.value(2), s.product(2, 4)));
  CHECK_FALSE(p.graph.joined(s.value(2), s.product(4, 2)));
  CHECK(p.graph.joined(s.place(4), s.product(2, 4)));
  CHECK_FALSE(p.graph.joined(s.place(2), s.product(2, 4)));
  CHECK(p.graph.joined(s.chosen(2, 4), s.product(2, 4)));
  CHECK(p.graph.joined(s.chosen(2, 4), s.chosen(2, 1)));
  CHECK(p.graph.joined(s.chosen(2, 4), s.chosen(0, 4)));
  CHECK_FALSE(p.graph.joined(s.chosen(2, 4), s.chosen(0, 1)));
  CHECK(p.graph.joined(s.place(1), s.place(2)));
  CHECK_FALSE(p.graph.joined(s.place(1), s.place(3)));
  CHECK(p.group[static_cast<std::size_t>(s.value(0))] ==
        p.group[static_cast<std::size_t>(s.value(4))]);
  CHECK(p.group[static_cast<std::size_t>(s.place(0))] !=
        p.group[static_cast<std::size_t>(s.place(4))]);

  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  std::vector<double> numbers(35);
  std::vector<std::int32_t> codes(25);
  for (int k = 0; k < 50; ++k) {
    for (std::size_t i = 0; i < 5; ++i) numbers[i] = normal(random);
    s.solve(numbers, codes);
    CHECK(s.violations(numbers, codes) == 0);
    for (int j = 0; j < n; ++j) {
      double sum = 0.0;
      for (int i = 0; i < n; ++i) {
        double const product = numbers[static_cast<std::size_t>(s.product(i, j))];
        sum += product;
        CHECK(product ==
              codes[static_cast<std::size_t>(i * n + j)] * numbers[static_cast<std::size_t>(i)]);
      }
      CHECK(sum == numbers[static_cast<std::size_t>(s.place(j))]);
      if (j > 0) {
        CHECK(sum >= numbers[static_cast<std::size_t>(s.place(j - 1))]);
      }
    }
    // Every other matrix of zeros and ones is wrong: one entry, or two rows exchanged.
    auto wrong = codes;
    wrong[static_cast<std::size_t>(random() % 25)] ^= 1;
    CHECK(s.violations(numbers, wrong) > 0);
    wrong = codes;
    for (std::size_t j = 0; j < 5; ++j) std::swap(wrong[5 + j], wrong[15 + j]);
    CHECK(s.violations(numbers, wrong) > 0);
  }
}

TEST_CASE("structure: two values at one place do not sort a list") {
  structure::sorting const three(3);
  std::vector<double> numbers(15);
  numbers[0] = 1.0;
  numbers[1] = 2.0;
  numbers[2] = 3.0;
  // Every value has a place, and the sums of the places, 0, 3 and 3, do not fall.
  CHECK(three.violations(numbers, std::vector<std::int32_t>{0, 1, 0, 0, 1, 0, 0, 0, 1}) == 2);
  // A value has no place: its row, the column it left, and the 0 after 1.
  CHECK(three.violations(numbers, std::vector<std::int32_t>{1, 0, 0, 0, 0, 0, 0, 0, 1}) == 3);
}

TEST_CASE("structure: the variables of a matrix factorisation") {
  structure::matrix_factorisation const m(3, 4, 2);
  auto const p = m.as_problem();
  CHECK(p.variables.numbers() == 2 * 4 + 3 * 4 + 2 * 3 * 4);
  CHECK(p.variables.classes() == 2 * 3);
  CHECK(p.graph.directed_pairs() == 2 * 3 * (2 * 3 * 4));
  check_lists(p.graph);
  CHECK(p.graph.joined(m.product(1, 2, 3), m.left(1, 3)));
  CHECK(p.graph.joined(m.product(1, 2, 3), m.right(1, 2)));
  CHECK(p.graph.joined(m.product(1, 2, 3), m.entry(2, 3)));
  CHECK_FALSE(p.graph.joined(m.product(1, 2, 3), m.right(0, 2)));
  CHECK_FALSE(p.graph.joined(m.left(1, 3), m.entry(2, 3)));
  CHECK(std::set<int>(p.group.begin(), p.group.end()) == std::set<int>{0, 1, 2, 3});

  std::vector<double> numbers(static_cast<std::size_t>(m.numbers()));
  std::vector<std::int32_t> const codes{1, 0, 1, 0, 0, 1};
  for (int t = 0; t < 2; ++t) {
    for (int j = 0; j < 4; ++j) numbers[static_cast<std::size_t>(m.left(t, j))] = 0.3 * t + 0.1 * j;
  }
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) {
      for (int t = 0; t < 2; ++t) {
        numbers[static_cast<std::size_t>(m.entry(i, j))] +=
            codes[static_cast<std::size_t>(t * 3 + i)] *
            numbers[static_cast<std::size_t>(m.left(t, j))];
      }
    }
  }
  CHECK(m.error(numbers, codes) < 1e-15);
  numbers[static_cast<std::size_t>(m.entry(2, 3))] += 0.25;
  CHECK(m.error(numbers, codes) == doctest::Approx(0.25));
}

TEST_CASE("structure: rows of variables") {
  structure::variables const v(2, {3, 2, 5});
  CHECK(v.size() == 5);
  CHECK(v.features() == 12);
  CHECK(v.offset(0) == 0);
  CHECK(v.offset(2) == 2);
  CHECK(v.offset(3) == 5);
  CHECK(v.offset(4) == 7);
  CHECK(v.options(1) == 0);
  CHECK(v.options(4) == 5);
  CHECK(v.width(1) == 1);
  CHECK(v.width(4) == 5);

  std::vector<double> const numbers{0.5, -2.0, 7.0, 1.0 / 3.0};
  std::vector<std::int32_t> const codes{2, 0, 4, 0, 1, 3};
  std::vector<double> x(24);
  v.write(batch_view<double const>{numbers.data(), 2, 2},
          batch_view<std::int32_t const>{codes.data(), 2, 3}, batch_view<double>{x.data(), 2, 12});
  CHECK(x == std::vector<double>{0.5, -2.0,      0, 0, 1, 1, 0, 0, 0, 0, 0, 1,  //
                                 7.0, 1.0 / 3.0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0});
  std::vector<double> back(4);
  std::vector<std::int32_t> read(6);
  v.read(batch_view<double const>{x.data(), 2, 12}, batch_view<double>{back.data(), 2, 2},
         batch_view<std::int32_t>{read.data(), 2, 3});
  CHECK(back == numbers);
  CHECK(read == codes);
  // The largest of a block, whatever its size.
  for (double& value : x) value -= 0.4;
  x[7] = 0.61;
  v.read(batch_view<double const>{x.data(), 2, 12}, batch_view<double>{back.data(), 2, 2},
         batch_view<std::int32_t>{read.data(), 2, 3});
  CHECK(read == std::vector<std::int32_t>{2, 0, 0, 0, 1, 3});

  std::vector<std::uint8_t> const mask{1, 0, 0, 1, 1, 0, 1, 1, 0, 0};
  auto const wide = v.features_of({mask.data(), 2, 5});
  CHECK(wide == std::vector<std::uint8_t>{1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1,  //
                                          0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("structure: refusals") {
  using structure::variables;
  CHECK_THROWS_WITH_AS(variables(-1, {2}), doctest::Contains("numbers = -1"), error);
  CHECK_THROWS_WITH_AS(variables(0, {}), doctest::Contains("variables = 0"), error);
  CHECK_THROWS_WITH_AS(variables(1, {2, 1}), doctest::Contains("options of class 1 = 1"), error);
  variables const v(1, {2});
  CHECK_THROWS_AS(v.options(2), error);
  CHECK_THROWS_AS(v.offset(-1), error);
  std::vector<std::uint8_t> const mask{1, 1};
  CHECK_THROWS_AS(v.features_of({mask.data(), 1, 3}), error);
  auto const observed = [&](std::vector<double> x) {
    v.check_observed(batch_view<double const>{x.data(), 1, 3}, {mask.data(), 1, 2});
  };
  observed({0.5, 0, 1});
  double const nan = std::numeric_limits<double>::quiet_NaN();
  for (auto const& bad :
       {std::vector<double>{0.5, 1, 1}, {0.5, 0, 0}, {0.5, 0.5, 0.5}, {0.5, 2, 0}, {0.5, nan, 1}}) {
    CHECK_THROWS_WITH_AS(observed(bad), doctest::Contains("row 0, variable 1: an observed block"),
                         error);
  }
  CHECK_THROWS_WITH_AS(observed({nan, 0, 1}), doctest::Contains("variable 0: an observed number"),
                       error);
  std::vector<double> numbers{nan}, x(3);
  std::vector<std::int32_t> codes{2};
  auto const write = [&] {
    v.write(batch_view<double const>{numbers.data(), 1, 1},
            batch_view<std::int32_t const>{codes.data(), 1, 1}, batch_view<double>{x.data(), 1, 3});
  };
  CHECK_THROWS_AS(write(), error);
  codes[0] = 1;
  CHECK_THROWS_WITH_AS(write(), doctest::Contains("not finite"), error);

  CHECK_THROWS_WITH_AS(structure::factor_graph(0), doctest::Contains("variables = 0"), error);
  structure::factor_graph g(3);
  CHECK_THROWS_WITH_AS(g.join(0, 3), doctest::Contains("variable = 3, must be in [0, 3)"), error);
  CHECK_THROWS_AS(g.join(-1, 0), error);
  CHECK(g.directed_pairs() == 0);
  CHECK_THROWS_AS(structure::sudoku(0, 3), error);
  CHECK_THROWS_AS(structure::sudoku(6, 5), error);
  CHECK_THROWS_AS(structure::sudoku(1, 1), error);
  structure::sudoku const rules(2, 2);
  CHECK_THROWS_AS(rules.violations(std::vector<std::int32_t>(15, 0)), error);
  CHECK_THROWS_AS(rules.violations(std::vector<std::int32_t>(16, -1)), error);
  CHECK_THROWS_AS(rules.completions(std::vector<std::int32_t>(16, 4), 1), error);
  CHECK_THROWS_AS(structure::sorting(0), error);
  CHECK_THROWS_AS(structure::matrix_factorisation(1, 0, 1), error);
  structure::sorting const two(2);
  std::vector<double> few(7);
  std::vector<std::int32_t> four(4);
  CHECK_THROWS_AS(two.solve(few, four), error);
}
