// The graph example: its data, what a right graph is, and the network that knows a law.

#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/isomorphism.hpp>
#include <diffx/exec/host.hpp>

#include "../../examples/graph/datasets.hpp"
#include "../../examples/graph/drawing.hpp"
#include "../../examples/graph/planar.hpp"
#include <algorithm>
#include <array>
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

namespace {

std::string const data_folder = std::string(DIFFX_EXAMPLES_DIR) + "/graph/data";

}  // namespace

TEST_CASE("graph example: the planar graphs are all that there are (OEIS A003094)") {
  auto const data = example::read_dataset(data_folder, "planar");
  std::array<std::size_t, 9> kinds{};
  domain::graph::graph_set seen;
  for (auto const* const part : {&data.training, &data.held_out}) {
    for (auto const& g : *part) {
      REQUIRE(data.is_right(g));
      seen.add(g);
    }
  }
  for (std::size_t k = 0; k < seen.graphs().size(); ++k) {
    CHECK(seen.counts()[k] == 1);
    ++kinds[seen.graphs()[k].nodes.size()];
  }
  CHECK(kinds == std::array<std::size_t, 9>{0, 0, 0, 0, 0, 20, 99, 646, 5974});
  CHECK(data.held_out.size() == 673);
}

TEST_CASE("graph example: molecules and communities are right") {
  auto const molecules = example::read_dataset(data_folder, "molecules");
  CHECK(molecules.training.size() + molecules.held_out.size() == 1564);
  auto const communities = example::read_dataset(data_folder, "communities");
  CHECK(communities.training.size() + communities.held_out.size() == 400);
  for (auto const* const set : {&molecules, &communities}) {
    domain::graph::graph_set seen;
    for (auto const* const part : {&set->training, &set->held_out}) {
      for (auto const& g : *part) {
        CHECK(set->is_right(g));
        domain::graph::check_classes(g, set->node_classes, set->pair_classes);
        seen.add(g);
      }
    }
    for (auto const n : seen.counts()) CHECK(n == 1);
  }
  auto g = communities.training.front();
  std::int64_t between = 0;  // more edges between the halves, one after another
  for (std::int64_t i = 0; i < g.size() / 2 && communities.is_right(g); ++i) {
    for (std::int64_t j = g.size() / 2; j < g.size() && communities.is_right(g); ++j) {
      between += g.joined(i, j) ? 0 : 1;
      g.pair(i, j) = 1;
    }
  }
  CHECK(between >= 1);
  CHECK(between <= 6);
  CHECK_FALSE(communities.is_right(domain::graph::labelled_graph(30)));
}

TEST_CASE("graph example: molecules as lines") {
  auto const g = example::molecule("O C Cl 0=1 1-2");
  CHECK(g.nodes == std::vector<std::int32_t>{2, 0, 6});
  CHECK(g.pairs == std::vector<std::int32_t>{2, 0, 1});
  CHECK(example::molecule("C").size() == 1);
  auto const fails = [](char const* line, char const* why) {
    CHECK_THROWS_WITH_AS(example::molecule(line), doctest::Contains(why), error);
  };
  fails("", "no atom");
  fails("0-1", "no atom");
  fails("C Xy 0-1", "no atom is called Xy");
  for (char const* const bond : {"0-2", "0-0", "0-", "0", "0+1", "0-1x", "-1-0", "01"}) {
    fails((std::string("C C ") + bond).c_str(), bond[0] == '-' ? "called -1-0" : bond);
  }
  fails("C C 0-1 1=0", "no bond is 1=0");
}

TEST_CASE("graph example: a sheet names nodes and draws as many lines as a bond has") {
  std::vector const graphs{example::molecule("O C Cl 0=1 1-2")};
  std::vector<std::string> const captions{"one"};
  std::string const sheet = example::sheet_of(graphs, captions, 1, example::atoms);
  auto const count = [&](std::string const& text) {
    int n = 0;
    for (auto at = sheet.find(text); at != std::string::npos; at = sheet.find(text, at + 1)) ++n;
    return n;
  };
  CHECK(count("<line ") == 3);
  CHECK(count("<circle ") == 3);
  CHECK(count(">Cl</text>") == 1);
  CHECK(count(">one</text>") == 1);
  CHECK(count("<svg ") == 1);
}
