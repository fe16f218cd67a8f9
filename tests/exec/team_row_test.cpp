// A row that several threads read together: the numbers of class_row, bit for bit, for every
// thread.

#include <diffx/decode/proposal.hpp>
#include <diffx/detail/categorical_block.hpp>
#include <diffx/detail/team_row.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/thread_team.hpp"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <vector>

namespace {

using diffx::decode::proposal;
using diffx::detail::class_row;
using diffx::detail::row_measure;
using diffx::detail::team_row;
using diffx::detail::team_tables;
using test::by_team;
using test::thread_team;

template <class T>
std::vector<T> logits_of(int classes, std::uint64_t seed) {
  std::vector<T> l(static_cast<std::size_t>(classes));
  for (int first = 0; first < classes; first += 512) {
    diffx::noise::counted{seed}.fill({}, 0, first, std::min(512, classes - first),
                                     l.data() + first);
  }
  for (auto& v : l) v *= T(3);
  return l;
}

// 2 goes past the row's end, as rounding may; with equal logits the others lie on borders.
double const draws[] = {1e-12, 0.1, 0.25, 0.37, 0.5, 0.9, 1.0 - 1e-13, 1.0, 2.0};

struct answers {
  bool scans = false;
  std::vector<double> numbers;
  std::vector<int> drawn;
  bool operator==(answers const&) const = default;
};

/// What a row that thread and team read in registers knows as well.
template <class Row>
answers ask(Row& row) {
  answers a;
  a.scans = row.scan();
  a.numbers.push_back(a.scans ? row.log_sum() : 0.0);
  if (!a.scans) return a;
  for (int const k : {0, row.classes / 3, row.classes - 1}) {
    a.numbers.push_back(row.probability(k));
    a.numbers.push_back(row.log_probability(k));
    a.numbers.push_back(row.log_weight(k));
  }
  for (double const u : draws) a.drawn.push_back(row.draw(u));
  a.drawn.push_back(row.likeliest());
  return a;
}

/// The measures, after a filter: how the rows of a decoder are asked.
template <class Row>
answers ask(Row& row, proposal const& shape) {
  row.least = row.nothing;
  shape.filter(row);
  auto const least = static_cast<double>(row.least);
  answers a = ask(row);
  a.numbers.push_back(least);
  if (!row.template scan<row_measure::margin>()) return a;
  a.numbers.push_back(row.measured());
  row.template scan<row_measure::entropy>();
  a.numbers.push_back(row.measured());
  a.drawn.push_back(row.likeliest());
  return a;
}

/// Many classes and few, and of the two orders of filters both.
std::vector<proposal> shapes_of(int classes) {
  std::vector<proposal> out(1);
  for (int const n : {1, 3, 40, classes / 2, classes - 1}) out.push_back({.top_k = n > 0 ? n : 1});
  for (double const p : {1e-9, 0.3, 0.9, 1.0 - 1e-9}) {
    out.push_back({.top_p = p});
    out.push_back({.top_p = p, .keeps_crossing = false});
  }
  out.push_back({.min_p = 0.2});
  out.push_back({.top_k = 30, .top_p = 0.8, .min_p = 0.01, .top_p_first = true});
  out.push_back({.top_k = 30, .top_p = 0.8, .min_p = 0.01, .keeps_crossing = false});
  return out;
}

template <class T, int G>
void compare(std::vector<T> const (&l)[G], T const (&weight)[G], int excluded, int threads,
             std::vector<proposal> const& shapes) {
  auto const classes = static_cast<int>(l[0].size());
  CAPTURE(classes);
  CAPTURE(threads);
  auto const open = [&](auto& row) {
    for (int g = 0; g < G; ++g) {
      row.source[g] = l[g].data();
      row.weight[g] = weight[g];
    }
    row.classes = classes;
    row.excluded = excluded;
  };
  auto const alone = std::make_unique<class_row<T, G>>();
  open(*alone);
  std::vector<answers> expected;
  for (proposal const& shape : shapes) expected.push_back(ask(*alone, shape));
  auto const tables = std::make_unique<team_tables<T>>();
  std::vector<std::atomic<int>> same(shapes.size());
  by_team(threads, [&](thread_team const& team) {
    for (int twice = 0; twice < 2; ++twice) {  // the tables serve row after row
      team_row<T, G, thread_team> row(team, *tables);
      open(row);
      for (std::size_t i = 0; i < shapes.size(); ++i) {
        same[i] += ask(row, shapes[i]) == expected[i] ? 1 : 0;
      }
    }
  });
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    CAPTURE(i);
    CHECK(same[i] == 2 * threads);
  }
  if (classes <= class_row<T, G>::tile) {
    alone->least = alone->nothing;
    class_row<T, G, 1> thin;
    open(thin);
    CHECK(ask(thin) == ask(*alone));
  }
}

template <class T, int G>
void compare(std::vector<T> const (&l)[G], T const (&weight)[G], int excluded, int threads) {
  compare(l, weight, excluded, threads, shapes_of(static_cast<int>(l[0].size())));
}

}  // namespace

TEST_CASE_TEMPLATE("team_row and a row of one tile give class_row's numbers", T, float, double) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  for (int const classes : test::some_of({1, 2, 16, 17, 100, 255, 256, 257, 1000, 3000})) {
    std::vector<T> l[1] = {logits_of<T>(classes, 7)};
    compare<T, 1>(l, {T(1)}, -1, 32);
    compare<T, 1>(l, {T(0.7)}, classes / 2, 16);
    std::vector<T> two[2] = {l[0], logits_of<T>(classes, 8)};
    two[0][0] = two[1][static_cast<std::size_t>(classes / 2)] = none;
    compare<T, 2>(two, {T(2), T(-1)}, classes - 1, 48);
    compare<T, 2>(two, {T(1), T(0)}, -1, 32);
    for (T const odd :
         {none, std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
      std::vector<T> bad[1] = {l[0]};
      bad[0][static_cast<std::size_t>(classes / 3)] = odd;
      compare<T, 1>(bad, {T(1)}, -1, 32);
    }
    std::vector<T> nothing[1] = {std::vector<T>(static_cast<std::size_t>(classes), none)};
    compare<T, 1>(nothing, {T(1)}, -1, 32);
    std::vector<T> equal[1] = {std::vector<T>(static_cast<std::size_t>(classes), T(2))};
    compare<T, 1>(equal, {T(1)}, -1, 32);
    std::fill(equal[0].begin() + (classes + 1) / 2, equal[0].end(), none);
    compare<T, 1>(equal, {T(1)}, -1, 32);
    if (classes > 17) {  // the two largest in one column
      std::vector<T> column[1] = {l[0]};
      column[0][1] = T(20);
      column[0][17] = T(19);
      compare<T, 1>(column, {T(1)}, -1, 32);
    }
    // A tile of nothing before one that is all of the law.
    nothing[0].back() = T(3);
    compare<T, 1>(nothing, {T(1)}, -1, 32);
  }
}

TEST_CASE("team_row: rows of a vocabulary, of 1024 tiles and of more") {
  auto const few =
      test::some_of<proposal>({{}, {.top_k = 50, .top_p = 0.95}, {.top_p = 0.7, .min_p = 0.1}});
  std::vector<float> words[2] = {logits_of<float>(50257, 9), logits_of<float>(50257, 10)};
  compare<float, 2>(words, {1.5f, -0.5f}, 50256, 48, few);
  // The last round has a tile for one of three groups.
  std::vector<float> full[1] = {logits_of<float>(1024 * 256 - 100, 9)};
  compare<float, 1>(full, {1.0f}, -1, 48, few);
  std::vector<float> l[1] = {logits_of<float>(300000, 9)};
  compare<float, 1>(l, {1.0f}, 299999, 32, few);
}

TEST_CASE("team_row: filters of rows that no table holds: ties, masks, huge and tiny ranges") {
  constexpr std::size_t size = 5000;
  float const huge = std::numeric_limits<float>::max(),
              inf = std::numeric_limits<float>::infinity();
  auto const z = logits_of<float>(size, 12);
  std::vector<std::vector<float>> rows(7, std::vector<float>(size));
  for (std::size_t i = 0; i < size; ++i) {
    rows[0][i] = static_cast<float>(i % 3);              // ties of thousands
    rows[1][i] = i % 2 == 0 ? z[i] : -huge;              // masks as some write them
    rows[2][i] = i % 2 == 0 ? z[i] : -inf;               // and as others do
    rows[3][i] = i % 2 == 0 ? huge / 2 : -huge;          // a range of infinity
    rows[4][i] = static_cast<float>(i % 4000) * 1e-45f;  // a range of nothing
    rows[5][i] = 1.0f;
    rows[6][i] = i < 3 ? 30.0f : z[i] * 1e-3f;
  }
  rows[3][7] = huge;
  std::vector<proposal> shapes;
  for (int const n : {1, 3, 50, 2400, 4999}) shapes.push_back({.top_k = n});
  for (double const p : {0.1, 0.9}) shapes.push_back({.top_p = p});
  for (auto const& l : rows) {
    CAPTURE(&l - rows.data());
    std::vector<float> const one[1] = {l};
    compare<float, 1>(one, {1.0f}, -1, 32, shapes);
  }
}

namespace {

/// What a guided kernel says of a position in class `now`.
template <class Row>
answers ask_kernel(Row& row, std::vector<float> const (&l)[2], int kernels, bool masked, int now) {
  constexpr double step[4] = {0.5, 0.6, 0.4, 0.45};
  auto const classes = static_cast<int>(l[0].size());
  for (int g = 0; g < 2; ++g) row.source[g] = l[g].data();
  row.weight[0] = kernels == 2 ? 2.5 : 1.0;
  row.weight[1] = kernels == 2 ? -1.5 : 0.7;
  row.sources = 2;
  row.kernels = kernels;
  row.law = {classes, masked ? classes : -1, nullptr};
  row.now = now;
  answers a;
  a.scans = diffx::solver::ancestral::mix_kernels<false>(step, row);
  if (!a.scans) return a;
  a.numbers.push_back(row.leaves_mask());
  for (int const k : {0, classes / 3, classes - 1}) a.numbers.push_back(row.probability(k));
  for (double const u : draws) a.drawn.push_back(row.draw(u));
  return a;
}

void compare_kernels(std::vector<float> const (&l)[2], int kernels, bool masked) {
  using diffx::detail::kernel_row;
  auto const classes = static_cast<int>(l[0].size());
  CAPTURE(classes);
  CAPTURE(kernels);
  CAPTURE(masked);
  int const now = masked ? classes : classes / 2;
  auto const alone = std::make_unique<kernel_row<float, 2>>();
  answers const expected = ask_kernel(*alone, l, kernels, masked, now);
  auto const tables = std::make_unique<diffx::detail::team_kernel_tables>();
  std::atomic<int> same{0};
  by_team(48, [&](thread_team const& team) {
    for (int twice = 0; twice < 2; ++twice) {  // the tables serve row after row
      diffx::detail::team_kernel_row<float, 2, thread_team> row(team, *tables);
      same += ask_kernel(row, l, kernels, masked, now) == expected ? 1 : 0;
    }
  });
  CHECK(same == 2 * 48);
  if (classes <= 256) {
    kernel_row<float, 2, 1> thin;
    CHECK(ask_kernel(thin, l, kernels, masked, now) == expected);
  }
}

}  // namespace

TEST_CASE("team_kernel_row and a kernel of one tile give kernel_row's numbers") {
  constexpr float none = -std::numeric_limits<float>::infinity();
  for (int const classes : test::some_of({2, 15, 16, 17, 40, 255, 256, 257, 1000, 70000})) {
    for (bool const masked : {false, true}) {
      for (int const kernels : {1, 2}) {
        std::vector<float> l[2] = {logits_of<float>(classes, 7), logits_of<float>(classes, 8)};
        compare_kernels(l, kernels, masked);
        l[0][0] = l[1][static_cast<std::size_t>(classes / 3)] = none;
        compare_kernels(l, kernels, masked);
        for (auto& v : l[1]) v = none;
        compare_kernels(l, kernels, masked);
        l[1][0] = std::numeric_limits<float>::quiet_NaN();
        compare_kernels(l, kernels, masked);
      }
    }
  }
}

TEST_CASE("a team takes the step of one thread, position by position") {
  constexpr int classes = 700;
  constexpr std::int64_t positions = 12;
  diffx::process::absorbing<> const masks(classes);
  auto const l = logits_of<float>(classes * positions, 11);
  using layout = diffx::detail::same_positions<diffx::detail::limit_law>;
  using pass_type =
      diffx::detail::class_pass<std::int32_t, float, 1, layout, diffx::prediction::x0_posterior<>,
                                diffx::solver::ancestral, diffx::noise::counted>;
  std::vector<std::uint8_t> fixed(positions, 0);
  fixed[3] = 1;
  auto const start = [&] {
    std::vector<std::int32_t> x(positions, classes);
    x[5] = 17;  // not masked: it stays without a look at its row
    return x;
  };
  auto const pass = [&](std::vector<std::int32_t>& x) {
    return pass_type{x.data(),   positions, 0,
                     {l.data()}, {1.0f},    {masks.limit(), classes, {0.0, 0.0, 0.0, 0.6}},
                     {2},        {5},       fixed.data(),
                     nullptr};
  };
  auto one = start(), many = start();
  for (std::int64_t i = 0; i < positions; ++i) pass(one)(i);
  auto const tables = std::make_unique<team_tables<float>>();
  auto const shared = pass(many);
  by_team(32, [&](thread_team const& team) {
    for (std::int64_t i = 0; i < positions; ++i) shared(i, team, *tables);
  });
  CHECK(one == many);
  CHECK(one[3] == classes);
  CHECK(one[5] == 17);
  CHECK(std::count(one.begin(), one.end(), classes) < positions);
}
