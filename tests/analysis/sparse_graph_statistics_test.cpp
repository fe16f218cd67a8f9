// The summary of large graphs against what is known of small ones.

#include <diffx/analysis/graph_statistics.hpp>
#include <diffx/analysis/sparse_graph_statistics.hpp>
#include <diffx/denoiser/symmetric_eigen.hpp>
#include <diffx/domain/graph/pairs.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::graph;

/// A pair is joined with about such a probability.
labelled_graph random_graph(std::int64_t n, double share, std::uint64_t seed) {
  labelled_graph g(n);
  std::uint64_t state = seed;
  for (std::int64_t j = 1; j < n; ++j) {
    for (std::int64_t i = 0; i < j; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      g.pair(i, j) = static_cast<double>(state >> 40) < share * 0x1p24 ? 1 : 0;
    }
  }
  return g;
}

/// Lengths of the shortest ways between all pairs, by relaxation; n for none.
std::vector<std::int64_t> distances(labelled_graph const& g) {
  auto const n = g.size();
  std::vector<std::int64_t> d(static_cast<std::size_t>(n * n), n);
  auto const at = [&](std::int64_t i, std::int64_t j) -> std::int64_t& {
    return d[static_cast<std::size_t>(i * n + j)];
  };
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) at(i, j) = i == j ? 0 : g.joined(i, j) ? 1 : n;
  }
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) at(i, j) = std::min(at(i, j), at(i, k) + at(k, j));
    }
  }
  return d;
}

}  // namespace

TEST_CASE("sparse graph statistics: against dense formulas") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    auto const n = static_cast<std::int64_t>(12 + seed);
    auto const g = random_graph(n, 0.04 * static_cast<double>(seed), seed);
    auto const s = sparse(g);
    auto const found = analysis::summary_of(s);
    CHECK(found.edges == g.edges());

    std::int64_t triangles = 0, paths = 0;
    for (std::int64_t a = 0; a < n; ++a) {
      for (std::int64_t b = 0; b < a; ++b) {
        for (std::int64_t c = 0; c < b; ++c) {
          int const joined = g.joined(a, b) + g.joined(b, c) + g.joined(a, c);
          triangles += joined == 3;
          paths += joined == 3 ? 3 : joined == 2;
        }
      }
    }
    CHECK(found.triangles == triangles);
    auto const corners = analysis::triangles_at(s);
    CHECK(std::accumulate(corners.begin(), corners.end(), std::int64_t{0}) == 3 * triangles);
    CHECK(found.transitivity ==
          doctest::Approx(
              paths > 0 ? 3.0 * static_cast<double>(triangles) / static_cast<double>(paths) : 0.0));
    auto const each = analysis::clustering_coefficients(g);
    CHECK(found.clustering ==
          doctest::Approx(std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(n)));

    auto const degree = g.degrees();
    CHECK(found.largest_degree == *std::max_element(degree.begin(), degree.end()));
    std::vector<double> x, y;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        if (i == j || !g.joined(i, j)) continue;
        x.push_back(static_cast<double>(degree[static_cast<std::size_t>(i)]));
        y.push_back(static_cast<double>(degree[static_cast<std::size_t>(j)]));
      }
    }
    double const mean =
        std::accumulate(x.begin(), x.end(), 0.0) / std::max(static_cast<double>(x.size()), 1.0);
    double together = 0.0, alone = 0.0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      together += (x[k] - mean) * (y[k] - mean);
      alone += (x[k] - mean) * (x[k] - mean);
    }
    CHECK(found.assortativity == doctest::Approx(alone > 0.0 ? together / alone : 0.0));

    auto const far = distances(g);
    std::vector<std::int64_t> reached(static_cast<std::size_t>(n), 0);
    std::vector<double> total(static_cast<std::size_t>(n), 0.0);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        auto const d = far[static_cast<std::size_t>(i * n + j)];
        if (d == n) continue;
        ++reached[static_cast<std::size_t>(i)];
        total[static_cast<std::size_t>(i)] += static_cast<double>(d);
      }
    }
    auto const size = *std::max_element(reached.begin(), reached.end());
    CHECK(found.largest_part ==
          doctest::Approx(static_cast<double>(size) / static_cast<double>(n)));
    auto const part = analysis::largest_part(s);
    REQUIRE(static_cast<std::int64_t>(part.size()) == size);
    double length = 0.0;
    for (auto const i : part) length += total[static_cast<std::size_t>(i)];
    double const pairs = static_cast<double>(size) * (static_cast<double>(size) - 1.0);
    CHECK(found.path_length == doctest::Approx(pairs > 0.0 ? length / pairs : 0.0));

    std::vector<double> adjacency(static_cast<std::size_t>(n * n), 0.0);
    g.for_each_edge([&](std::int64_t i, std::int64_t j, std::int32_t) {
      adjacency[static_cast<std::size_t>(i * n + j)] = 1.0;
      adjacency[static_cast<std::size_t>(j * n + i)] = 1.0;
    });
    auto const values =
        denoiser::eigen_decompose(std::move(adjacency), static_cast<std::size_t>(n)).values;
    CHECK(found.spectral_radius ==
          doctest::Approx(*std::max_element(values.begin(), values.end())).epsilon(1e-4));
  }
}

TEST_CASE("sparse graph statistics: graphs that are known") {
  auto const star = analysis::summary_of(sparse_graph(5, {{0, 1}, {0, 2}, {0, 3}, {0, 4}}));
  CHECK(star.triangles == 0);
  CHECK(star.assortativity == doctest::Approx(-1.0));
  CHECK(star.path_length == doctest::Approx(1.6));
  CHECK(star.spectral_radius == doctest::Approx(2.0));
  CHECK(star.largest_part == 1.0);
  auto const ring = analysis::summary_of(sparse_graph(4, {{0, 1}, {1, 2}, {2, 3}, {0, 3}}));
  CHECK(ring.assortativity == 0.0);
  CHECK(ring.spectral_radius == doctest::Approx(2.0));
  // Distances from the first node met alone, the star's centre.
  CHECK(analysis::summary_of(sparse_graph(5, {{0, 1}, {0, 2}, {0, 3}, {0, 4}}), 1).path_length ==
        doctest::Approx(1.0));
  CHECK(analysis::largest_part(sparse_graph(4, {{0, 2}, {1, 3}})) ==
        std::vector<std::int32_t>{0, 2});
  auto const nothing = analysis::summary_of(sparse_graph(3));
  CHECK(nothing.edges == 0);
  CHECK(nothing.clustering == 0.0);
  CHECK(nothing.path_length == 0.0);
  CHECK(nothing.spectral_radius == doctest::Approx(0.0));
  CHECK(nothing.largest_part == doctest::Approx(1.0 / 3.0));
}
