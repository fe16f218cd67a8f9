// Rows of few classes side by side against one row at a time: every number is the same bit for bit,
// so that a draw depends neither on what is beside it nor on the backend.

#include <diffx/detail/class_row.hpp>
#include <diffx/detail/limit_law.hpp>
#include <diffx/detail/position_words.hpp>
#include <diffx/detail/short_rows.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/solver/ancestral.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using namespace diffx::detail;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Normals times a scale, with a share of the values replaced by each of the special ones.
template <class T>
std::vector<T> values(std::int64_t n, std::uint64_t seed, double scale,
                      std::vector<double> const& special) {
  diffx::noise::counted const noise{seed};
  std::vector<T> v(static_cast<std::size_t>((n + 3) / 4 * 4));
  noise.fill({0, 0}, 0, 0, static_cast<int>(v.size()), v.data());
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<T>(scale * static_cast<double>(v[i]));
    auto const at = noise.words({1, 0}, 0, static_cast<std::int64_t>(i)).word[0] % 16;
    if (at < special.size()) v[i] = static_cast<T>(special[at]);
  }
  return v;
}

struct counts {
  std::int64_t rows = 0, refused = 0;
};

/// Reads `group` both ways and compares what solvers ask for.
template <class T, int G>
void compare(std::vector<T> const (&logits)[G], T const (&weight)[G], row_group const& group,
             int classes, int excluded, counts& seen) {
  T const* source[G];
  for (int g = 0; g < G; ++g) source[g] = logits[g].data();
  short_rows<T, G> together;
  together.scan(source, weight, group, classes, excluded);
  double shifted[row_group::most], drawn[row_group::most];
  for (int i = 0; i < row_group::most; ++i) shifted[i] = (i * 37 % 64 + 0.5) / 64.0;
  together.draw(shifted, drawn);
  for (int i = 0; i < group.count; ++i) {
    CAPTURE(i);
    class_row<T, G> alone;
    for (int g = 0; g < G; ++g) {
      alone.source[g] = source[g] + group.first_logit + i * group.logit_step;
      alone.weight[g] = weight[g];
    }
    alone.classes = classes;
    alone.excluded = excluded;
    typename short_rows<T, G>::row const row(together, i);
    bool const is_law = alone.scan();
    ++seen.rows;
    REQUIRE(row.scan() == is_law);
    if (!is_law) {
      ++seen.refused;
      continue;
    }
    for (int k = 0; k < classes; ++k) REQUIRE(row.probability(k) == alone.probability(k));
    REQUIRE(drawn[i] == alone.draw(shifted[i]));
    for (int m = 0; m <= 64; ++m) {
      double const u = m == 0    ? unit_uniform(0, 0)
                       : m == 64 ? unit_uniform(0xFFFFFFFFu, 0xFFFFFFFFu)
                                 : m / 64.0;
      REQUIRE(row.draw(u) == alone.draw(u));
    }
  }
}

template <class T, int G>
counts compare_all(T const (&weight)[G], double scale, std::vector<double> const& special) {
  counts seen;
  for (int classes = 1; classes <= short_rows<T, G>::most_classes; ++classes) {
    CAPTURE(classes);
    for (int const spare : {0, 3}) {  // logits between the rows
      auto const seed = static_cast<std::uint64_t>(classes);
      int const step = classes + spare, count = 1 + (5 * classes + spare) % 16;
      std::vector<T> logits[G];
      for (int g = 0; g < G; ++g) {
        logits[g] = values<T>(7 + 16 * step, 10 * seed + static_cast<unsigned>(g), scale, special);
      }
      row_group const group{0, 1, 7, step, count};
      for (int const excluded : {-1, 0, classes - 1, classes}) {
        compare<T, G>(logits, weight, group, classes, excluded, seen);
      }
    }
  }
  return seen;
}

}  // namespace

TEST_CASE("short_rows: the numbers of class_row") {
  for (double const scale : {1.0, 30.0}) {
    CAPTURE(scale);
    auto const plain = compare_all<float, 1>({1.0f}, scale, {});
    CHECK(plain.refused == 2 * (6 + 9));  // one class, and that one excluded: twice
    compare_all<float, 1>({0.7f}, scale, {-infinity});
    compare_all<double, 1>({1.0}, scale, {-infinity});
    compare_all<float, 2>({2.5f, -1.5f}, scale, {-infinity});
    compare_all<float, 3>({2.0f, 0.0f, -1.0f}, scale, {-infinity});
    compare_all<double, 2>({-0.5, 1.5}, scale, {-infinity});
  }
}

TEST_CASE("short_rows: what is no distribution") {
  for (double const wrong : {infinity, std::nan("")}) {
    CAPTURE(wrong);
    auto const seen = compare_all<float, 1>({1.0f}, 1.0, {wrong});
    CHECK(seen.refused > seen.rows / 2);
    CHECK(seen.refused < seen.rows);
    compare_all<float, 2>({2.0f, -1.0f}, 1.0, {wrong, -infinity});
  }
  // A weight below 0 turns a class that is ruled out into one that is certain: refused, as alone.
  auto const seen = compare_all<float, 1>({-1.0f}, 1.0, {-infinity});
  CHECK(seen.refused > seen.rows / 2);
}

TEST_CASE("short_rows: equal logits and one class") {
  std::vector<float> const logits[1] = {std::vector<float>(64, 0.25f)};
  counts seen;
  for (int classes = 1; classes <= 4; ++classes) {
    compare<float, 1>(logits, {1.0f}, {0, 1, 0, 4, 16}, classes, -1, seen);
  }
  CHECK(seen.refused == 0);
}

TEST_CASE("short_rows: the ancestral step of a group is that of its positions") {
  constexpr int lanes = row_group::most;
  diffx::noise::counted const noise{3};
  std::int64_t stayed = 0, moved = 0, refused = 0;
  for (int const classes : {2, 3, 5, 16, 17, 40}) {
    std::vector<double> table(static_cast<std::size_t>(classes));
    for (int k = 0; k < classes; ++k) {  // class 1 is never drawn
      auto const at = static_cast<std::size_t>(k);
      table[at] = (k == 0 ? 0.0 : table[at - 1]) + (k == 1 ? 0.0 : 1.0 / (classes - 1));
    }
    table.back() = 1.0;
    for (limit_law const& law :
         {limit_law{classes, -1, nullptr}, limit_law{classes, -1, table.data()}}) {
      for (double const kept : {0.0, 0.3, 0.9, 1.0}) {
        double const a = 0.8, weight[4] = {a, kept, 1.0 - kept, 1.0 - a};
        auto const logits = values<float>(lanes * classes, static_cast<std::uint64_t>(classes), 2.0,
                                          {std::nan("")});
        float const* const source[1] = {logits.data()};
        float const plain[1] = {1.0f};
        row_group const group{0, 1, 0, classes, 13};
        short_rows<float, 1> rows;
        rows.scan(source, plain, group, classes, -1);
        group_places const places(group, 7);
        diffx::noise::key const key{2, 0};
        group_words<diffx::noise::counted> words(noise, key, places, 5);
        int now[lanes], next[lanes];
        for (int i = 0; i < lanes; ++i) now[i] = i * 3 % classes;
        diffx::solver::ancestral::advance_group(weight, law, now, rows, words, next);
        for (int i = 0; i < group.count; ++i) {
          class_row<float, 1> alone;
          alone.source[0] = source[0] + i * classes;
          alone.weight[0] = 1.0f;
          alone.classes = classes;
          int const want = diffx::solver::ancestral::advance<false>(
              weight, law, now[i], alone,
              position_words<diffx::noise::counted>{&noise, key, 5 + places.sample[i],
                                                    places.position[i]});
          REQUIRE(next[i] == want);
          ++(want < 0 ? refused : want == now[i] ? stayed : moved);
        }
      }
    }
  }
  CHECK(stayed > 50);
  CHECK(moved > 50);
  CHECK(refused > 50);
}
