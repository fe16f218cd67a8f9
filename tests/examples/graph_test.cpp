// The graph example: the list of its data, and the network that knows their law.

#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/exec/host.hpp>

#include "../../examples/graph/drawing.hpp"
#include "../../examples/graph/planar.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <tuple>
#include <vector>

using namespace diffx;

TEST_CASE("graph example: the numbers of connected planar graphs (OEIS A096332)") {
  CHECK(example::connected_planar_graphs(2).size() == 1);
  CHECK(example::connected_planar_graphs(3).size() == 4);
  CHECK(example::connected_planar_graphs(4).size() == 38);
  CHECK(example::connected_planar_graphs(5).size() == 727);
  CHECK(example::connected_planar_graphs(6).size() == 26013);
  CHECK_THROWS_WITH_AS(example::connected_planar_graphs(7), doctest::Contains("n = 7"), error);
}

TEST_CASE("graph example: the network says the posterior") {
  auto const data = example::connected_planar_graphs(4);
  std::vector<double> const law{0.4, 0.6};
  example::exact_network const network(data, law);
  for (double const alpha : {0.0, 0.3, 0.9}) {
    for (std::int32_t code = 0; code < 64; code += 7) {
      domain::graph::graph_batch batch({4});
      auto const x = batch.state();
      for (int k = 0; k < 6; ++k) std::get<1>(x).data[k] = code >> k & 1;
      std::vector<double> one(6, 0.0);
      double total = 0.0;
      for (auto const& g : data) {
        double share = 1.0;
        for (std::size_t k = 0; k < 6; ++k) {
          int const now = code >> k & 1;
          share *= (now == g.pairs[k] ? alpha : 0.0) +
                   (1.0 - alpha) * law[static_cast<std::size_t>(now)];
        }
        total += share;
        for (std::size_t k = 0; k < 6; ++k) one[k] += share * g.pairs[k];
      }
      query q;
      q.at.alpha = alpha;
      q.at.sigma = 1.0 - alpha;
      std::vector<float> nodes(4, 1.0f), pairs(12);
      network(exec::host{},
              std::tuple{batch_view<std::int32_t const>{std::get<0>(x).data, 1, 4},
                         batch_view<std::int32_t const>{std::get<1>(x).data, 1, 6}},
              q,
              std::tuple{batch_view<float>{nodes.data(), 1, 4},
                         batch_view<float>{pairs.data(), 1, 12}});
      CHECK(nodes == std::vector<float>(4, 0.0f));
      for (std::size_t k = 0; k < 6; ++k) {
        double const odds =
            std::exp(static_cast<double>(pairs[2 * k + 1]) - static_cast<double>(pairs[2 * k]));
        CHECK(odds == doctest::Approx(one[k] / (total - one[k])).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("graph example: a sheet has every node, every edge and every caption") {
  auto const data = example::connected_planar_graphs(4);
  std::vector<std::string> captions;
  std::ptrdiff_t edges = 0;
  for (auto const& g : data) {
    edges += g.edges();
    captions.push_back("caption " + std::to_string(captions.size()) + ".");
    for (auto const& p : example::places_of(g)) {
      CHECK(p.x > 0.0);
      CHECK(p.x < 1.0);
      CHECK(p.y > 0.0);
      CHECK(p.y < 1.0);
    }
  }
  auto const sheet = example::sheet_of(data, captions, 8);
  auto const count = [&](std::string const& what) {
    std::ptrdiff_t n = 0;
    for (auto at = sheet.find(what); at != std::string::npos; at = sheet.find(what, at + 1)) ++n;
    return n;
  };
  CHECK(count("<circle") == 4 * 38);
  CHECK(count("<line") == edges);
  for (auto const& c : captions) CHECK(count(">" + c + "<") == 1);
}
