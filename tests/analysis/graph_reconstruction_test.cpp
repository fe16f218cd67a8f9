// Graphs that are noised and sampled back: a network that knows them, and one that knows nothing.

#include <diffx/analysis/graph_reconstruction.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/digress.hpp>

#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using domain::graph::labelled_graph;

std::vector<labelled_graph> given(std::size_t count) {
  std::vector<labelled_graph> out;
  for (std::size_t b = 0; b < count; ++b) {
    labelled_graph g(static_cast<std::int64_t>(3 + b % 2));
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      g.nodes[i] = static_cast<std::int32_t>((b + i) % 2);
    }
    for (std::size_t k = 0; k < g.pairs.size(); ++k) {
      g.pairs[k] = static_cast<std::int32_t>((b / 2 + k) % 2);
    }
    out.push_back(g);
  }
  return out;
}

double seen(level const& at, int now, int clean) {
  return (now == clean ? at.alpha : 0.0) + (1.0 - at.alpha) * (now == 1 ? 0.3 : 0.7);
}
double posterior(level const& at, int now, int clean) {
  double const one = 0.3 * seen(at, now, 1), none = 0.7 * seen(at, now, 0);
  return (clean == 1 ? one : none) / (one + none);
}

/// Told the graphs: their classes for certain, or else the posterior of independent places whose
/// law is that of the process.
struct coded {
  prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>> prediction{};
  std::vector<labelled_graph> const* code;
  void operator()(
      exec::threads const&,
      std::tuple<batch_view<std::int32_t const>, batch_view<std::int32_t const>> const& x,
      query const& q, std::tuple<batch_view<float>, batch_view<float>> const& out) const {
    for (std::int64_t b = 0; b < std::get<0>(x).batch; ++b) {
      auto const tell = [&](float* row, std::int32_t const* now, std::int64_t positions,
                            std::vector<std::int32_t> const* of) {
        for (std::int64_t i = 0; i < positions; ++i) {
          bool const known = of != nullptr && i < static_cast<std::int64_t>(of->size());
          for (int c = 0; c < 2; ++c) {
            double p = posterior(q.at, now[i], c);
            if (known) p = (*of)[static_cast<std::size_t>(i)] == c ? 1.0 : 0.0;
            row[2 * i + c] = static_cast<float>(std::log(p));
          }
        }
      };
      auto const* g = code != nullptr ? &(*code)[static_cast<std::size_t>(b)] : nullptr;
      tell(std::get<0>(out).row(b), std::get<0>(x).row(b), std::get<0>(x).features,
           g ? &g->nodes : nullptr);
      tell(std::get<1>(out).row(b), std::get<1>(x).row(b), std::get<1>(x).features,
           g ? &g->pairs : nullptr);
    }
  }
};

TEST_CASE("reconstructed: a network that knows the graphs recovers them from any level") {
  auto const graphs = given(6);
  auto const s = recipe::digress({0.7, 0.3}, {0.7, 0.3}, 10);
  auto const grid = grid::uniform_t(std::get<0>(s.process.parts), 11);
  for (int const first : {0, 4, 10}) {
    auto const r = analysis::reconstructed(s, exec::threads{2}, coded{{}, &graphs}, grid, graphs,
                                           first, noise::counted{3});
    CHECK(r.exact == 1.0);
    CHECK(r.nodes == 1.0);
    CHECK(r.pairs == 1.0);
    CHECK(r.nfe == 11 - first);
  }
  CHECK_THROWS_AS(
      analysis::reconstructed(s, exec::threads{2}, coded{{}, &graphs}, grid, graphs, 11), error);
}

TEST_CASE("reconstructed: without a code as much comes back as the level leaves") {
  constexpr std::size_t count = 20'000;
  auto const graphs = given(count);
  auto const s = recipe::digress({0.7, 0.3}, {0.7, 0.3}, 10);
  auto const grid = grid::uniform_t(std::get<0>(s.process.parts), 11);
  double ones[2] = {}, places[2] = {};
  for (auto const& g : graphs) {
    for (auto const c : g.nodes) ones[0] += c, places[0] += 1.0;
    for (auto const c : g.pairs) ones[1] += c, places[1] += 1.0;
  }
  for (int const first : {0, 4, 8}) {
    auto const r = analysis::reconstructed(s, exec::threads{2}, coded{{}, nullptr}, grid, graphs,
                                           first, noise::counted{3});
    auto const check = [&](double got, int of) {
      double const share = ones[of] / places[of];
      double want = 0.0;  // the chain of an exact posterior of independent places is exact
      for (int clean = 0; clean < 2; ++clean) {
        for (int now = 0; now < 2; ++now) {
          want += (clean == 1 ? share : 1.0 - share) * seen(grid[first], now, clean) *
                  posterior(grid[first], now, clean);
        }
      }
      CHECK(test::passes("recovered",
                         test::p_of_z((got - want) / std::sqrt(want * (1.0 - want) / places[of]))));
    };
    check(r.nodes, 0);
    check(r.pairs, 1);
    CHECK(r.exact < std::pow(std::max(r.nodes, r.pairs), 3));
  }
}

}  // namespace
