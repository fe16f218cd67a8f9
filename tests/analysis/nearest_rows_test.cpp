// Nearest rows, against a sort of all distances.

#include <diffx/analysis/nearest_rows.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>

#include "../support/message.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;

template <class T>
std::vector<T> normals(std::int64_t n, std::uint64_t seed) {
  std::vector<T> out(static_cast<std::size_t>(n));
  noise::counted{seed}.fill(noise::key{}, 0, 0, static_cast<int>(n), out.data());
  return out;
}

template <class T>
batch_view<T const> view(std::vector<T> const& x, std::int64_t width) {
  return {x.data(), static_cast<std::int64_t>(x.size()) / width, width};
}

template <class T>
std::vector<double> by_sorting(std::vector<T> const& rows, T const* query, std::int64_t width) {
  std::vector<double> all;
  for (std::size_t i = 0; i < rows.size(); i += static_cast<std::size_t>(width)) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < width; ++j) {
      double const d = static_cast<double>(query[j]) -
                       static_cast<double>(rows[i + static_cast<std::size_t>(j)]);
      sum += d * d;
    }
    all.push_back(sum);
  }
  std::sort(all.begin(), all.end());
  return all;
}

template <class T>
void check(std::int64_t rows, std::int64_t width, std::int64_t queries, int k) {
  auto const x = normals<T>(rows * width, 1), q = normals<T>(queries * width, 2);
  auto const got = analysis::nearest_rows(view(x, width)).squared(view(q, width), k);
  REQUIRE(got.size() == static_cast<std::size_t>(queries * k));
  // A sum of `width` squares is rounded width + 1 times at most.
  double const rounding = static_cast<double>(width + 2) * std::numeric_limits<T>::epsilon();
  for (std::int64_t i = 0; i < queries; ++i) {
    auto const all = by_sorting(x, q.data() + i * width, width);
    for (int n = 0; n < k; ++n) {
      double const want = all[static_cast<std::size_t>(n)];
      CHECK(std::fabs(static_cast<double>(got[static_cast<std::size_t>(i * k + n)]) - want) <=
            rounding * want);
    }
  }
}

TEST_CASE("the k smallest distances, whatever the sizes") {
  for (std::int64_t const rows : {1, 7, 8, 9, 64, 301}) {
    for (std::int64_t const width : {1, 3, 10}) {
      for (std::int64_t const queries : {1, 4, 7, 35}) {
        for (int const k : {1, 5, static_cast<int>(rows)}) {
          if (k > rows) continue;
          check<double>(rows, width, queries, k);
          check<float>(rows, width, queries, k);
        }
      }
    }
  }
  check<double>(700, 64, 3, 700);  // several blocks of panels
  check<float>(9, 40000, 2, 3);    // one panel is more than a block
}

TEST_CASE("near rows lose no digits, and the order of the rows is none of their business") {
  std::vector<double> const x{1e8, 1e8, 1e8 + 1.0, 1e8, 1e8, 1e8 - 0.5}, q{1e8, 1e8};
  CHECK(analysis::nearest_rows(view(x, 2)).squared(view(q, 2), 3) ==
        std::vector<double>{0.0, 0.25, 1.0});
  auto const rows = normals<double>(50 * 5, 3), queries = normals<double>(9 * 5, 4);
  std::vector<double> turned;
  for (std::size_t i = 50; i-- > 0;) {
    turned.insert(turned.end(), rows.begin() + static_cast<long>(5 * i),
                  rows.begin() + static_cast<long>(5 * i + 5));
  }
  CHECK(analysis::nearest_rows(view(rows, 5)).squared(view(queries, 5), 50) ==
        analysis::nearest_rows(view(turned, 5)).squared(view(queries, 5), 50));
}

TEST_CASE("threads give the same bits") {
  auto const rows = normals<float>(500 * 6, 5), queries = normals<float>(100 * 6, 6);
  analysis::nearest_rows const set(view(rows, 6));
  CHECK(set.squared(view(queries, 6), 4) == set.squared(view(queries, 6), 4, exec::threads(3)));
  CHECK(set.squared(batch_view<float const>{nullptr, 0, 6}, 4).empty());
}

TEST_CASE("distances beyond the type are infinite and the nearest of them is still found") {
  std::vector<float> const x{3e38f, 0.0f}, q{-3e38f, 1.0f};
  auto const d = analysis::nearest_rows(view(x, 1)).squared(view(q, 1), 2);
  CHECK(std::isinf(d[0]));
  CHECK(std::isinf(d[1]));
  CHECK(d[2] == 1.0f);
  CHECK(std::isinf(d[3]));
}

TEST_CASE("what is refused") {
  std::vector<double> const good{1, 2, 3, 4}, bad{1, 2, NAN, 4}, none;
  auto const where = "diffx::analysis::nearest_rows";
  auto const making = [&](std::vector<double> const& x, std::int64_t width) {
    return test::message_of([&] {
      analysis::nearest_rows<double>({x.data(), width > 0 ? std::ssize(x) / width : 2, width});
    });
  };
  CHECK(test::says(making(none, 2), where, "rows", "0", "at least 1"));
  CHECK(test::says(making(good, 0), where, "width", "0", "at least 1"));
  CHECK(making(bad, 2) == std::string(where) + ": row 1, column 0 = nan, must be finite");
  analysis::nearest_rows const set(view(good, 2));
  auto const asking = [&](std::vector<double> const& x, std::int64_t width, int k) {
    return test::message_of([&] { set.squared(view(x, width), k); });
  };
  CHECK(test::says(asking(good, 4, 1), where, "queries.features", "4", "the width of the rows, 2"));
  CHECK(test::says(asking(good, 2, 0), where, "k", "0", "in [1, 2], the rows"));
  CHECK(test::says(asking(good, 2, 3), where, "k", "3", "in [1, 2], the rows"));
  CHECK(asking(bad, 2, 1) == std::string(where) + ": row 1, column 0 = nan, must be finite");
}

}  // namespace
