// Filters and measures of a row of logits, against plain sorted implementations in long double.

#include <diffx/decode/proposal.hpp>
#include <diffx/detail/class_row.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <random>
#include <vector>

namespace {

using diffx::decode::proposal;
using diffx::detail::class_row;
using diffx::detail::row_measure;
using real = long double;
using reals = std::vector<real>;
using flags = std::vector<bool>;

constexpr real nothing = -std::numeric_limits<real>::infinity();

/// A row as the plain implementations see it: what the filters leave.
struct plain_row {
  reals l;

  real largest() const { return *std::max_element(l.begin(), l.end()); }
  reals probabilities() const {
    reals p;
    real total = 0;
    real const top = largest();
    for (real const v : l) total += p.emplace_back(v == nothing ? 0 : std::exp(v - top));
    for (real& v : p) v /= total;
    return p;
  }
  void raise(real least) {
    for (real& v : l) v = v < least ? nothing : v;
  }
  reals sorted() const {
    reals out;
    for (real const v : l) {
      if (v != nothing) out.push_back(v);
    }
    std::sort(out.rbegin(), out.rend());
    return out;
  }

  void top_k(int n) {
    auto const s = sorted();
    if (static_cast<std::size_t>(n) < s.size()) raise(s[static_cast<std::size_t>(n) - 1]);
  }
  /// False if the sum of probabilities comes so close to p that rounding decides.
  bool top_p(real p, bool inclusive, real blur) {
    if (p >= 1) return true;
    auto const s = sorted();
    real total = 0, sum = 0;
    for (real const v : s) total += std::exp(v - s[0]);
    for (std::size_t i = 0; i < s.size();) {
      std::size_t end = i;  // classes that tie cross together
      while (end < s.size() && s[end] == s[i]) sum += std::exp(s[end++] - s[0]) / total;
      if (std::abs(sum - p) < blur) return false;
      if (sum > p) {
        raise(inclusive || i == 0 ? s[i] : s[i - 1]);
        return true;
      }
      i = end;
    }
    return true;
  }
  bool min_p(real share, real blur) {
    if (share <= 0) return true;
    real const top = largest(), least = top + std::log(share);
    for (real const v : l) {
      if (std::abs(v - least) < blur && v != top) return false;
    }
    raise(share == 1 ? top : least);
    return true;
  }
};

/// Rows of every kind: smooth, with ties, with classes ruled out, of one possible class.
template <class T>
std::vector<T> row_logits(std::mt19937& random, int classes, int kind) {
  std::normal_distribution<double> normal(0.0, kind == 0 ? 3.0 : 1.0);
  std::vector<T> l(static_cast<std::size_t>(classes));
  for (T& v : l) {
    double const z = normal(random);
    v = static_cast<T>(kind == 1 ? std::round(z) : kind == 2 ? 0.0 : z);
    if (kind == 3 && random() % 2 == 0) v = -std::numeric_limits<T>::infinity();
    if (kind == 4) v = -std::numeric_limits<T>::infinity();
    if (kind == 5) v = static_cast<T>(40.0 * z);
  }
  l[random() % l.size()] = T(1);
  return l;
}

int compared = 0, too_close = 0;

template <class T>
void check_row(std::mt19937& random, int classes, int kind, int excluded, T scale) {
  auto const source = row_logits<T>(random, classes, kind);
  class_row<T, 1> row;
  row.source[0] = source.data();
  row.weight[0] = scale;
  row.classes = classes;
  row.excluded = excluded;
  plain_row want;
  for (int k = 0; k < classes; ++k) {
    T const l = scale * source[static_cast<std::size_t>(k)];
    want.l.push_back(k == excluded ? nothing : static_cast<real>(l));
  }
  if (want.sorted().empty()) {
    CHECK_FALSE(row.scan());
    return;
  }
  proposal shape{};
  if (random() % 2 == 0)
    shape.top_k = 1 + static_cast<int>(random() % (static_cast<unsigned>(classes) + 3u));
  if (random() % 2 == 0) shape.top_p = 0.05 + 0.9 * static_cast<double>(random() % 1000) / 1000.0;
  if (random() % 3 == 0) shape.min_p = static_cast<double>(random() % 101) / 100.0;
  shape.top_p_first = random() % 2 == 0;
  shape.keeps_crossing = random() % 2 == 0;
  // Sums of exponentials of T: relative errors of some units in the last place.
  real const blur = sizeof(T) == 4 ? 1e-5L : 1e-12L;
  bool sure = true;
  if (shape.top_p_first) sure = sure && want.top_p(shape.top_p, shape.keeps_crossing, blur);
  if (shape.top_k > 0) want.top_k(shape.top_k);
  if (!shape.top_p_first) sure = sure && want.top_p(shape.top_p, shape.keeps_crossing, blur);
  sure = sure && want.min_p(shape.min_p, blur * 100);
  ++compared;
  if (!sure) {
    ++too_close;
    return;
  }
  CAPTURE(classes);
  CAPTURE(kind);
  CAPTURE(shape.top_k);
  CAPTURE(shape.top_p);
  CAPTURE(shape.min_p);
  CAPTURE(shape.top_p_first);
  CAPTURE(shape.keeps_crossing);
  shape.filter(row);
  bool same = true;
  for (int k = 0; k < classes; ++k) {
    same = same && row.keeps(k) == (want.l[static_cast<std::size_t>(k)] != nothing);
  }
  REQUIRE(same);

  auto const p = want.probabilities();
  auto const s = want.sorted();
  double const near = sizeof(T) == 4 ? 2e-6 : 1e-13;
  REQUIRE(row.scan());
  double off = 0.0, log_off = 0.0;
  auto const at_top = std::max_element(want.l.begin(), want.l.end()) - want.l.begin();
  real const log_total = std::log(p[static_cast<std::size_t>(at_top)]) - s[0];
  for (int k = 0; k < classes; ++k) {
    real const mine = p[static_cast<std::size_t>(k)];
    off = std::max(off, std::abs(row.probability(k) - static_cast<double>(mine)));
    if (want.l[static_cast<std::size_t>(k)] == nothing) {
      same = same && row.probability(k) == 0.0;
    } else {
      auto const log_p = static_cast<double>(want.l[static_cast<std::size_t>(k)] + log_total);
      log_off = std::max(log_off, std::abs(row.log_probability(k) - log_p) / (1.0 - log_p));
    }
  }
  CHECK(same);
  CHECK(log_off <= near);
  CHECK(off <= near);
  CHECK(row.likeliest() == static_cast<int>(at_top));

  REQUIRE(row.template scan<row_measure::margin>());
  auto top = p;
  std::sort(top.rbegin(), top.rend());
  double const gap = static_cast<double>(top[0] - (top.size() > 1 ? top[1] : 0));
  CHECK(std::abs(row.measured() - gap) <= near);

  REQUIRE(row.template scan<row_measure::entropy>());
  real entropy = 0;
  for (real const v : p) entropy -= v > 0 ? v * std::log(v) : 0;
  CHECK(std::abs(row.measured() - static_cast<double>(entropy)) <= 8.0 * near);
}

template <class T>
void check_rows(unsigned seed) {
  std::mt19937 random(seed);
  for (int classes = 1; classes <= 600; ++classes) {
    for (int kind = 0; kind < 6; ++kind) {
      int const excluded =
          random() % 3 == 0 ? static_cast<int>(random() % static_cast<unsigned>(classes)) : -1;
      check_row<T>(random, classes, kind, excluded, random() % 2 == 0 ? T(1) : T(1.75));
    }
  }
}

TEST_CASE("class_row: filters and measures of rows of 1 to 600 classes") {
  compared = too_close = 0;
  check_rows<float>(1);
  check_rows<double>(2);
  CHECK(compared > 7000);
  CHECK(too_close < compared / 20);
}

TEST_CASE("class_row: filters and measures of long rows") {
  std::mt19937 random(3);
  for (int const classes : {4097, 70001, 300000}) {
    for (int kind = 0; kind < 6; ++kind) {
      check_row<double>(random, classes, kind, classes / 2, 1.0);
    }
  }
}

/// How many classes of a row a filter keeps, and how many are at least as large as the n-th.
template <class Filter>
int kept(std::vector<float> const& l, Filter const& filter) {
  class_row<float, 1> row;
  row.source[0] = l.data();
  row.weight[0] = 1.0f;
  row.classes = static_cast<int>(l.size());
  filter(row);
  int n = 0;
  for (int k = 0; k < row.classes; ++k) n += row.keeps(k) ? 1 : 0;
  return n;
}
int at_least_the(std::size_t n, std::vector<float> const& l) {
  auto sorted = l;
  std::sort(sorted.rbegin(), sorted.rend());
  return static_cast<int>(std::count_if(l.begin(), l.end(), [&](float v) {
    return v >= sorted[n - 1] && v > -std::numeric_limits<float>::infinity();
  }));
}

TEST_CASE("class_row: filters of rows that no heap holds: ties, masks, huge and tiny ranges") {
  constexpr std::size_t size = 20000;
  float const huge = std::numeric_limits<float>::max(),
              inf = std::numeric_limits<float>::infinity();
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  std::vector<std::vector<float>> rows(8, std::vector<float>(size));
  for (std::size_t i = 0; i < size; ++i) {
    float const z = normal(random);
    rows[0][i] = z;
    rows[1][i] = static_cast<float>(i % 3);              // ties of thousands
    rows[2][i] = i % 4 == 0 ? z : -huge;                 // masks as some write them
    rows[3][i] = i % 5 == 0 ? z : -inf;                  // and as others do
    rows[4][i] = i % 2 == 0 ? huge / 2 : -huge;          // a range of infinity
    rows[5][i] = static_cast<float>(i % 4000) * 1e-45f;  // a range of nothing
    rows[6][i] = 1.0f;
    rows[7][i] = i < 3 ? 30.0f : z * 1e-3f;  // one bin holds nearly all
  }
  rows[4][7] = huge;
  for (auto const& l : rows) {
    for (int const n : {1, 2, 3, 50, 79, 80, 700, 4500, 19999}) {
      CAPTURE(&l - rows.data());
      CAPTURE(n);
      CHECK(kept(l, [n](auto& row) { row.keep_top_k(n); }) ==
            at_least_the(static_cast<std::size_t>(n), l));
    }
    for (double const p : {1e-6, 0.1, 0.5, 0.9, 0.999}) {
      // The classes kept have more than p, those above the last of them no more.
      class_row<float, 1> row;
      row.source[0] = l.data();
      row.weight[0] = 1.0f;
      row.classes = static_cast<int>(size);
      row.keep_top_p(p);
      float const top = *std::max_element(l.begin(), l.end());
      real total = 0, sum = 0, above = 0;
      float least = top;
      for (int k = 0; k < row.classes; ++k) {
        if (row.keeps(k)) least = std::min(least, l[static_cast<std::size_t>(k)]);
      }
      for (float const v : l) {
        real const e = std::exp(static_cast<real>(v) - static_cast<real>(top));
        total += e;
        if (v >= least) sum += e;
        if (v > least) above += e;
      }
      CAPTURE(&l - rows.data());
      CAPTURE(p);
      CHECK(sum >= (static_cast<real>(p) - 1e-6L) * total);
      CHECK(above <= (static_cast<real>(p) + 1e-6L) * total);
    }
  }
}

TEST_CASE("class_row: as many classes as the heap holds, one less and one more") {
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  for (std::size_t const size : {1023u, 1024u, 1025u}) {
    std::vector<float> l(size);
    for (float& v : l) v = normal(random);
    for (int const n : {1, 500, 1000, 1022}) {
      CAPTURE(size);
      CAPTURE(n);
      CHECK(kept(l, [n](auto& row) { row.keep_top_k(n); }) == n);
    }
  }
}

TEST_CASE("class_row: a row in which everything is ruled out has the sum 0") {
  for (std::size_t const size : {3u, 256u, 1000u}) {
    std::vector<float> const l(size, -std::numeric_limits<float>::infinity());
    class_row<float, 1> row;
    row.source[0] = l.data();
    row.weight[0] = 1.0f;
    row.classes = static_cast<int>(size);
    CHECK_FALSE(row.scan());
    CHECK(row.log_sum() == -std::numeric_limits<double>::infinity());
  }
}

TEST_CASE("class_row: filters see the mixture of two branches") {
  std::vector<double> const a{0.0, 1.0, 2.0, 3.0}, b{3.0, 2.0, 1.0, 0.0};
  class_row<double, 2> row;
  row.source[0] = a.data();
  row.source[1] = b.data();
  row.weight[0] = -0.5;
  row.weight[1] = 1.5;  // 4.5, 2.5, 0.5, -1.5
  row.classes = 4;
  row.keep_top_k(2);
  CHECK(row.keeps(0));
  CHECK(row.keeps(1));
  CHECK_FALSE(row.keeps(2));
  CHECK_FALSE(row.keeps(3));
  row.keep_min_p(0.5);
  CHECK(row.keeps(0));
  CHECK_FALSE(row.keeps(1));
}

}  // namespace
