// The structure example: its puzzles, its exact and its trained networks, on a few instances.

#include "../../examples/structure/tasks.hpp"
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace diffx;
namespace structure = diffx::domain::structure;

namespace {

std::string const models = std::string(DIFFX_EXAMPLES_DIR) + "/models";

/// What is observed is in the answer, and the answer's violations are what was counted.
void check_answers(example::task const& t, example::answers const& a) {
  auto const features = static_cast<std::size_t>(t.problem.variables.features());
  REQUIRE(a.x.size() == t.x.size());
  for (std::size_t i = 0; i < t.x.size(); ++i) {
    if (t.mask[i] != 0) CHECK(a.x[i] == t.x[i]);
  }
  for (std::size_t i = 0; i < a.violations.size(); ++i) {
    CHECK(t.violations(a.x.data() + i * features) == a.violations[i]);
  }
}

}  // namespace

TEST_CASE("structure example: random puzzles have a solution and the share of cells asked for") {
  structure::sudoku const rules(2, 3);
  auto const puzzles = example::random_puzzles(rules, 40, 0.4, 3);
  CHECK(puzzles == example::random_puzzles(rules, 40, 0.4, 3));
  CHECK(puzzles != example::random_puzzles(rules, 40, 0.4, 4));
  int given = 0;
  for (auto const& p : puzzles) {
    CHECK(rules.completions(p, 1).size() == 36);
    for (auto const digit : p) given += digit >= 0 ? 1 : 0;
  }
  CHECK(given > 0.35 * 40 * 36);
  CHECK(given < 0.45 * 40 * 36);
  std::mt19937_64 random(1);
  structure::sudoku const nine(3, 3);
  for (int k = 0; k < 20; ++k) CHECK(nine.violations(example::random_grid(nine, random)) == 0);
}

TEST_CASE("structure example: a puzzle as it is written") {
  structure::sudoku const rules(2, 2);
  CHECK(example::puzzle_of(rules, "1.0. ..31\n.... ....") ==
        example::grid_of_digits{0, -1, -1, -1, -1, -1, 2, 0, -1, -1, -1, -1, -1, -1, -1, -1});
  auto const refused = [&](char const* text, char const* why) {
    CHECK_THROWS_WITH_AS(example::puzzle_of(rules, text), doctest::Contains(why), error);
  };
  refused("1...", "cells = 4, must be 16");
  refused("5... .... .... ....", "'5' is no cell, must be . or 0 to 4");
  refused("x... .... .... ....", "'x' is no cell");
  refused("1..1 .... .... ....", "it has no solution");
}

TEST_CASE("structure example: the exact network solves 9x9 whatever the steps") {
  structure::sudoku const rules(3, 3);
  auto const puzzles = example::random_puzzles(rules, 4, 0.6, 5);
  auto const t = example::sudoku_task(rules, puzzles);
  auto const network = example::exact_network(rules, puzzles, 500);
  for (double const eta : {-1.0, 0.0}) {
    auto const a = example::solve(t, network, 4, eta, 1, 2);
    check_answers(t, a);
    CHECK(a.solved() == 4);
    CHECK(a.nfe == 4);
  }
  std::vector<example::grid_of_digits> const open{example::grid_of_digits(81, -1)};
  CHECK_THROWS_WITH_AS(example::exact_network(rules, open, 100),
                       doctest::Contains("--network exact: solutions of a puzzle = 101"), error);
}

TEST_CASE("structure example: the trained networks solve most of what they are given") {
  structure::sudoku const six(2, 3);
  auto const puzzles = example::random_puzzles(six, 8, 0.6, 6);
  auto const t = example::sudoku_task(six, puzzles);
  auto const a =
      example::solve(t, example::trained_network(models, "sudoku6", t.problem), 10, -1.0, 2, 2);
  check_answers(t, a);
  CHECK(a.nfe == 20);
  CHECK(a.solved() >= 7);

  auto const list = example::sorting_task(structure::sorting(6), 16, 7);
  auto const sorted = example::solve(
      list, example::trained_network(models, "sorting6", list.problem), 10, -1.0, 2, 2);
  check_answers(list, sorted);
  CHECK(sorted.solved() >= 13);

  structure::sudoku const nine(3, 3);
  auto const big = example::sudoku_task(nine, example::random_puzzles(nine, 4, 0.75, 8));
  auto const solved =
      example::solve(big, example::trained_network(models, "sudoku9", big.problem), 10, -1.0, 2, 2);
  check_answers(big, solved);
  CHECK(solved.solved() >= 3);
}
