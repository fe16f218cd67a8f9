// diffx_structure: Sudoku and sorting by diffusion. A part of the variables is observed and stays;
// the rest is sampled by a small network whose attention runs along the edges of the problem.

#include <diffx/detail/whole_file.hpp>

#include "option_value.hpp"
#include "output_path.hpp"
#include "tasks.hpp"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using namespace example;

struct arguments {
  std::string problem = "sudoku6", network = "trained", sampler = "ddpm", puzzle, output;
  std::string models = std::string(DIFFX_EXAMPLES_DIR) + "/models";
  std::int64_t count = 50;
  int steps = 0, candidates = 4;
  double observed = 0.5;
  std::uint64_t seed = 1;
};

constexpr char const* usage =
    "usage: diffx_structure [options]\n"
    "  --problem P (sudoku6)    sudoku4, sudoku6, sudoku9: cells of a grid; sorting6: six numbers\n"
    "  --network N (trained)    trained: examples/models (sudoku6, sudoku9, sorting6);\n"
    "                           exact: Sudoku by the list of a puzzle's solutions, nothing learnt\n"
    "  --sampler S (ddpm)       ddpm, or ddim without noise in its steps\n"
    "  --steps N                from 1 to 1000; without it a table of 10, 25 and 100\n"
    "  --candidates N (4)       the best of N by the rules, beside one alone\n"
    "  --count N (50)           instances\n"
    "  --observed P (0.5)       chance of a cell of a Sudoku to be given\n"
    "  --puzzle DIGITS          one Sudoku instead: 1 to 9 row by row, . for an empty cell\n"
    "  --output FILE            writes the answers of the last row of the table, a line each\n"
    "  --seed S (1)   --models FOLDER   --help\n";

arguments parse(int argc, char** argv) {
  arguments a;
  bool wants_observed = false, wants_count = false;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    if (option == "--problem") {
      a.problem = one_of(option, value, {"sudoku4", "sudoku6", "sudoku9", "sorting6"});
    } else if (option == "--network") {
      a.network = one_of(option, value, {"trained", "exact"});
    } else if (option == "--sampler") {
      a.sampler = one_of(option, value, {"ddpm", "ddim"});
    } else if (option == "--steps") {
      a.steps = number<int>(option, value, 1, 1000);
    } else if (option == "--candidates") {
      a.candidates = number<int>(option, value, 1, 1000);
    } else if (option == "--count") {
      a.count = number<std::int64_t>(option, value, 1, 100'000);
      wants_count = true;
    } else if (option == "--observed") {
      a.observed = number<double>(option, value, 0.0, 1.0);
      wants_observed = true;
    } else if (option == "--puzzle") {
      a.puzzle = value;
    } else if (option == "--output") {
      a.output = value;
    } else if (option == "--seed") {
      a.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    } else if (option == "--models") {
      a.models = value;
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  bool const sorts = a.problem == "sorting6";
  if (sorts && a.network == "exact") {
    detail::fail("--network exact is for Sudoku: sorting has one solution, and nothing to sample");
  }
  if (sorts && !a.puzzle.empty()) detail::fail("--puzzle is for Sudoku");
  if (!a.puzzle.empty() && (wants_observed || wants_count)) {
    detail::fail("--puzzle is one Sudoku as it is given: no --observed, no --count");
  }
  if (sorts && wants_observed) detail::fail("--observed is for Sudoku: of sorting the values are");
  if (a.problem == "sudoku4" && a.network == "trained") {
    detail::fail("there is no trained network of sudoku4; add --network exact");
  }
  return a;
}

structure::sudoku rules_of(std::string const& problem) {
  if (problem == "sudoku4") return {2, 2};
  return problem == "sudoku6" ? structure::sudoku(2, 3) : structure::sudoku(3, 3);
}

/// What an answer says, on one line.
std::string line_of(task const& t, float const* row) {
  std::string out;
  if (t.problem.variables.numbers() == 0) {
    for (auto const digit : digits_of(t.problem.variables, row)) {
      out += static_cast<char>('1' + digit);
    }
    return out;
  }
  structure::sorting const list(6);
  for (int j = 0; j < list.size(); ++j) {  // the values in the order that P gives
    for (int i = 0; i < list.size(); ++i) {
      float const* const entry = row + t.problem.variables.offset(list.chosen(i, j));
      if (entry[1] <= entry[0]) continue;
      char text[32];
      std::snprintf(text, sizeof text, "%s%.3f", out.empty() ? "" : " ",
                    static_cast<double>(row[i]));
      out += text;
    }
  }
  return out;
}

template <class Network>
void report(arguments const& a, task const& t, Network const& network) {
  std::vector<int> const steps = a.steps > 0 ? std::vector<int>{a.steps} : std::vector{10, 25, 100};
  std::vector<int> candidates{1};
  if (a.candidates > 1) candidates.push_back(a.candidates);
  std::printf("| steps | best of | network evaluations | solved |\n|---|---|---|---|\n");
  answers last;
  for (int const n : steps) {
    for (int const c : candidates) {
      last = solve(t, network, n, a.sampler == "ddpm" ? -1.0 : 0.0, c, a.seed);
      std::printf("| %d | %d | %d | %lld of %lld |\n", n, c, last.nfe,
                  static_cast<long long>(last.solved()), static_cast<long long>(t.rows));
      std::fflush(stdout);
    }
  }
  auto const features = t.problem.variables.features();
  if (t.rows == 1) {
    std::printf("\n%s%s\n", line_of(t, last.x.data()).c_str(),
                last.violations[0] == 0 ? "" : "   which breaks the rules");
  }
  if (a.output.empty()) return;
  std::string lines;
  for (std::int64_t i = 0; i < t.rows; ++i) {
    lines += line_of(t, last.x.data() + i * features) + "\n";
  }
  detail::write_whole_file("diffx_structure", a.output, lines);
}

void solve_problem(arguments const& a) {
  if (!a.output.empty()) require_writable(a.output);
  if (a.problem == "sorting6") {
    structure::sorting const list(6);
    auto const network = trained_network(a.models, a.problem, list.as_problem());
    report(a, sorting_task(list, a.count, a.seed), network);
    return;
  }
  auto const rules = rules_of(a.problem);
  auto const puzzles = [&] {
    if (a.puzzle.empty()) return random_puzzles(rules, a.count, a.observed, a.seed);
    return std::vector<grid_of_digits>(1, puzzle_of(rules, a.puzzle));
  }();
  auto const problem = sudoku_task(rules, puzzles);
  if (a.network == "exact") {
    report(a, problem, exact_network(rules, puzzles, 2000));
    return;
  }
  auto const network = trained_network(a.models, a.problem, problem.problem);
  std::printf("attention: %.0f operations a row along the edges, %.0f along all pairs\n\n",
              network.attention_flops(), network.dense_attention_flops());
  report(a, problem, network);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    solve_problem(parse(argc, argv));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_structure: %s\n", e.what());
    return 1;
  }
  return 0;
}
