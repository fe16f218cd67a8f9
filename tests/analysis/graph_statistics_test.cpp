// What graphs are compared by: orbits against all sets of nodes, closed forms of regular graphs,
// kernels by hand.

#include <diffx/analysis/graph_statistics.hpp>
#include <diffx/analysis/histogram_mmd.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::analysis;
using domain::graph::from_edges;
using domain::graph::labelled_graph;
using edge_list = std::vector<std::pair<std::int64_t, std::int64_t>>;

labelled_graph complete(std::int64_t n) {
  labelled_graph g(n);
  std::fill(g.pairs.begin(), g.pairs.end(), 1);
  return g;
}
labelled_graph cycle(std::int64_t n) {
  edge_list edges;
  for (std::int64_t i = 0; i < n; ++i) edges.emplace_back(i, (i + 1) % n);
  return from_edges(n, edges);
}

/// Orbits of every set of two to four nodes, by the degrees that the connected graphs have.
std::vector<std::array<double, 15>> orbits_by_sets(labelled_graph const& g) {
  std::map<std::vector<int>, std::map<int, int>> const places{
      {{1, 1}, {{1, 0}}},
      {{1, 1, 2}, {{1, 1}, {2, 2}}},
      {{2, 2, 2}, {{2, 3}}},
      {{1, 1, 2, 2}, {{1, 4}, {2, 5}}},
      {{1, 1, 1, 3}, {{1, 6}, {3, 7}}},
      {{2, 2, 2, 2}, {{2, 8}}},
      {{1, 2, 2, 3}, {{1, 9}, {2, 10}, {3, 11}}},
      {{2, 2, 3, 3}, {{2, 12}, {3, 13}}},
      {{3, 3, 3, 3}, {{3, 14}}}};
  std::vector<std::array<double, 15>> out(g.nodes.size());
  for (std::size_t mask = 0; mask < std::size_t{1} << g.nodes.size(); ++mask) {
    std::vector<std::int64_t> set;
    for (std::int64_t i = 0; i < g.size(); ++i) {
      if (mask >> i & 1) set.push_back(i);
    }
    if (set.size() < 2 || set.size() > 4) continue;
    std::vector<int> degree(set.size(), 0);
    for (std::size_t a = 0; a < set.size(); ++a) {
      for (std::size_t b = 0; b < set.size(); ++b) degree[a] += g.joined(set[a], set[b]) ? 1 : 0;
    }
    auto sorted = degree;
    std::sort(sorted.begin(), sorted.end());
    auto const found = places.find(sorted);
    if (found == places.end()) continue;  // not connected
    for (std::size_t a = 0; a < set.size(); ++a) {
      out[static_cast<std::size_t>(set[a])]
         [static_cast<std::size_t>(found->second.at(degree[a]))] += 1.0;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("graph statistics: orbits are those found in all sets of nodes") {
  for (std::uint32_t code = 0; code < 1u << 15; code += 23) {  // graphs of 6 nodes
    labelled_graph g(6);
    for (std::size_t k = 0; k < 15; ++k) g.pairs[k] = static_cast<std::int32_t>(code >> k & 1);
    REQUIRE(orbit_counts(g) == orbits_by_sets(g));
  }
  auto const k7 = orbit_counts(complete(7));
  for (auto const& counts : k7) {
    for (std::size_t o = 0; o < 15; ++o) {
      CHECK(counts[o] == (o == 0 ? 6.0 : o == 3 ? 15.0 : o == 14 ? 20.0 : 0.0));
    }
  }
  auto const means = orbit_means(from_edges(4, edge_list{{0, 1}, {0, 2}, {0, 3}}));
  CHECK(means[0] == 1.5);
  CHECK(means[6] == 0.75);
  CHECK(means[7] == 0.25);
}

TEST_CASE("graph statistics: degrees, clustering, spectra") {
  CHECK(degree_histogram(cycle(5)) == histogram{0.0, 0.0, 5.0});
  CHECK(degree_histogram(labelled_graph(3)) == histogram{3.0});
  auto const tailed = from_edges(4, edge_list{{0, 1}, {1, 2}, {0, 2}, {2, 3}});
  auto const c = clustering_coefficients(tailed);
  CHECK(c[0] == 1.0);
  CHECK(c[2] == doctest::Approx(1.0 / 3.0));
  CHECK(c[3] == 0.0);
  auto const h = clustering_histogram(tailed);
  CHECK(h[0] == 1.0);
  CHECK(h[33] == 1.0);
  CHECK(h[99] == 2.0);

  // A ring of n has 1 - cos(2 pi k / n), a complete graph 0 and n / (n - 1), a lone node 0.
  auto const bin = [](double v) {
    return static_cast<std::size_t>((v + 1e-5) / (2.0 + 1e-5) * 200);
  };
  histogram ring(200, 0.0);
  for (int k = 0; k < 7; ++k) ring[bin(1.0 - std::cos(2.0 * std::numbers::pi * k / 7.0))] += 1.0;
  CHECK(spectrum_histogram(cycle(7)) == ring);
  auto const full = spectrum_histogram(complete(5));
  CHECK(full[0] == 1.0);
  CHECK(full[bin(1.25)] == 4.0);
  CHECK(spectrum_histogram(labelled_graph(3))[0] == 3.0);
  // Two halves that are joined throughout: the largest eigenvalue is 2, the end of the last bin.
  CHECK(spectrum_histogram(from_edges(4, edge_list{{0, 2}, {0, 3}, {1, 2}, {1, 3}}))[199] == 1.0);
}

TEST_CASE("graph statistics: MMD") {
  std::vector<histogram> const a{{0, 2, 3}, {1, 1, 0, 4}}, b{{0, 5}, {2, 2, 2}};
  auto const tv = [](histogram x, histogram y) {
    x.resize(4, 0.0);
    y.resize(4, 0.0);
    double const sx = std::accumulate(x.begin(), x.end(), 1e-6);
    double const sy = std::accumulate(y.begin(), y.end(), 1e-6);
    double sum = 0.0;
    for (std::size_t k = 0; k < 4; ++k) sum += std::fabs(x[k] / sx - y[k] / sy) / 2.0;
    return sum;
  };
  auto const k = [&](histogram const& x, histogram const& y, double s) {
    return std::exp(-tv(x, y) * tv(x, y) / (2.0 * s * s));
  };
  for (double const s : {0.1, 1.0}) {
    double const want =
        (2.0 + 2.0 * k(a[0], a[1], s)) / 4.0 + (2.0 + 2.0 * k(b[0], b[1], s)) / 4.0 -
        (k(a[0], b[0], s) + k(a[0], b[1], s) + k(a[1], b[0], s) + k(a[1], b[1], s)) / 2.0;
    CHECK(mmd_tv(a, b, s) == doctest::Approx(want).epsilon(1e-12));
  }
  CHECK(std::fabs(mmd_tv(a, a, 0.1)) < 1e-15);
  // All of the mass is moved by two bins.
  std::vector<histogram> const near{{1.0}}, far{{0.0, 0.0, 1.0}};
  CHECK(mmd_emd(near, far, 1.0) == doctest::Approx(2.0 - 2.0 * std::exp(-2.0)).epsilon(1e-5));
  CHECK(mmd_emd(near, far, 1.0, 0.5) == doctest::Approx(2.0 - 2.0 * std::exp(-0.5)).epsilon(1e-5));
  std::vector<histogram> const one{{3.0, 0.0}}, two{{0.0, 5.0}};  // counts as they are: TV 4
  CHECK(mmd_tv(one, two, 2.0, true) == doctest::Approx(2.0 - 2.0 * std::exp(-2.0)));

  CHECK_THROWS_WITH_AS(mmd_tv({}, b, 1.0), doctest::Contains("a.size() = 0"), error);
  CHECK_THROWS_WITH_AS(mmd_tv(a, b, 0.0), doctest::Contains("sigma = 0"), error);
  CHECK_THROWS_WITH_AS(mmd_emd(a, b, 1.0, -1.0), doctest::Contains("width = -1"), error);
  std::vector<histogram> const bad{{1.0, -1.0}};
  CHECK_THROWS_WITH_AS(mmd_emd(a, bad, 1.0), doctest::Contains("b[0][1] = -1"), error);
  CHECK_THROWS_WITH_AS(mmd_tv(a, bad, 1.0, true), doctest::Contains("b[0][1] = -1"), error);
}

TEST_CASE("graph statistics: two sets of graphs") {
  std::vector<labelled_graph> const rings{cycle(6), cycle(7)}, dense{complete(6), complete(7)};
  auto const same = distances_of(rings, rings), other = distances_of(rings, dense);
  for (double const d : {same.degree, same.clustering, same.orbit, same.spectrum}) {
    CHECK(std::fabs(d) < 1e-12);
  }
  CHECK(other.degree > 0.5);
  CHECK(other.clustering == doctest::Approx(2.0).epsilon(1e-4));  // no triangle against all
  CHECK(other.orbit > 0.01);
  CHECK(other.spectrum > 0.1);
  std::vector<labelled_graph> const none{labelled_graph{}};
  CHECK_THROWS_WITH_AS(distances_of(rings, none), doctest::Contains("nodes of a graph = 0"), error);
}
