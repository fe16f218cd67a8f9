// The network of the large graph example against torch, and what goes with it.

#include "../../examples/graph/edge_network.hpp"

#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/domain/graph/degree_guided.hpp>

#include "../../examples/graph/edge_list.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
namespace graph = domain::graph;

struct stored_case {
  graph::sparse_graph data{1};
  std::vector<std::int64_t> target;
  std::vector<std::int32_t> active;
  std::vector<std::uint8_t> is_active;
  std::vector<graph::edge> pairs;
  std::vector<float> logits;
  double alpha_bar = 0.0;

  graph::edge_query query() const { return {data, target, is_active, active, 0, alpha_bar}; }
};

stored_case read_case() {
  std::ifstream file(std::string(DIFFX_TESTS_DIR) + "/data/edge_parity.json");
  REQUIRE(file.good());
  auto const in = nlohmann::json::parse(file);
  stored_case out;
  auto const pairs_of = [](nlohmann::json const& list) {
    std::vector<graph::edge> edges;
    for (auto const& e : list) {
      edges.push_back({e.at(0).get<std::int32_t>(), e.at(1).get<std::int32_t>()});
    }
    return edges;
  };
  out.data = graph::sparse_graph(in.at("nodes").get<std::int64_t>(), pairs_of(in.at("edges")));
  out.target = in.at("target").get<std::vector<std::int64_t>>();
  out.active = in.at("active").get<std::vector<std::int32_t>>();
  out.is_active.assign(out.target.size(), 0);
  for (auto const i : out.active) out.is_active[static_cast<std::size_t>(i)] = 1;
  out.pairs = pairs_of(in.at("pairs"));
  out.logits = in.at("logits").get<std::vector<float>>();
  out.alpha_bar = in.at("alpha_bar").get<double>();
  return out;
}

example::edge_network trained() {
  return example::edge_network(denoiser::eigen::safetensors(std::string(DIFFX_EXAMPLES_DIR) +
                                                            "/models/perl_edges.safetensors"));
}

}  // namespace

TEST_CASE("edge network: agrees with torch") {
  auto const c = read_case();
  REQUIRE(c.pairs.size() == c.logits.size());
  auto net = trained();
  std::vector<float> got(c.pairs.size());
  net(c.query(), c.pairs, got);
  for (std::size_t k = 0; k < got.size(); ++k) {
    CHECK(got[k] == doctest::Approx(c.logits[k]).epsilon(1e-5).scale(1.0));
  }
  // Alone, in another order and after other calls: the same bits.
  for (std::size_t k = got.size(); k-- > 0;) {
    float one = 0.0f;
    net(c.query(), std::span(c.pairs).subspan(k, 1), std::span(&one, 1));
    CHECK(one == got[k]);
  }
}

TEST_CASE("edge network: more nodes and pairs than a tile has, and a graph of another size") {
  auto const c = read_case();
  auto net = trained();
  std::vector<float> want(c.pairs.size());
  net(c.query(), c.pairs, want);

  // Nine copies side by side. Told the number of active nodes of one, all say what one says.
  constexpr std::int32_t copies = 9;
  auto const n = static_cast<std::int32_t>(c.target.size());
  std::vector<graph::edge> edges, pairs;
  stored_case many = c;
  many.target.clear();
  many.is_active.clear();
  for (std::int32_t k = 0; k < copies; ++k) {
    for (auto const& e : c.data.edges()) edges.push_back({k * n + e.low, k * n + e.high});
    for (auto const& e : c.pairs) pairs.push_back({k * n + e.low, k * n + e.high});
    many.target.insert(many.target.end(), c.target.begin(), c.target.end());
    many.is_active.insert(many.is_active.end(), c.is_active.begin(), c.is_active.end());
  }
  many.data = graph::sparse_graph(copies * n, edges);
  for (std::int32_t k = 0; k < copies; ++k) {
    many.active.clear();
    for (auto const i : c.active) many.active.push_back(k * n + i);
    std::vector<float> got(c.pairs.size());
    net(many.query(),
        std::span(pairs).subspan(static_cast<std::size_t>(k) * c.pairs.size(), c.pairs.size()),
        got);
    CHECK(got == want);
  }
  // All at once are more than a tile, and differ by the number of active nodes alone.
  many.active.clear();
  for (std::int32_t k = 0; k < copies; ++k) {
    for (auto const i : c.active) many.active.push_back(k * n + i);
  }
  std::vector<float> got(pairs.size());
  net(many.query(), pairs, got);
  for (std::size_t k = 0; k < got.size(); ++k) CHECK(got[k] == got[k % want.size()]);
  std::fill(want.begin(), want.end(), 0.0f);
  net(c.query(), c.pairs, want);
  CHECK(want != std::vector<float>(got.begin(), got.begin() + std::ssize(want)));
}

TEST_CASE("edge network: a run gives nodes about the degrees that they are to have") {
  auto const real = example::read_edges(std::string(DIFFX_EXAMPLES_DIR) + "/graph/data/perl.txt");
  CHECK(real.nodes() == 3243);
  CHECK(real.edge_count() == 9078);
  auto net = trained();
  auto const degrees = real.degrees();
  auto const made = graph::degree_guided{.over = graph::surplus::refused}.sample(
      graph::edge_removal::even(128), net, degrees, noise::counted{2});
  CHECK(made.nodes_over == 0);
  CHECK(made.graph.edge_count() > 8000);
  CHECK(made.pairs_scored < 128 * graph::pair_count(real.nodes()) / 200);
}

TEST_CASE("edge lists: rewired graphs keep their degrees") {
  auto const real = example::read_edges(std::string(DIFFX_EXAMPLES_DIR) + "/graph/data/perl.txt");
  auto const other = example::rewired(real, noise::counted{5});
  CHECK(other.degrees() == real.degrees());
  CHECK(example::edges_in_common(real, real) == 9078);
  CHECK(example::edges_in_common(other, real) < 1000);
}

TEST_CASE("edge lists: what is refused") {
  std::string const path = "edge_list_test.txt";
  auto const refused = [&](char const* text) {
    std::ofstream(path) << text;
    std::string message;
    try {
      example::read_edges(path);
    } catch (error const& e) {
      message = e.what();
    }
    std::remove(path.c_str());
    return message;
  };
  CHECK(refused("3 2\n0 1\n1 2\n").empty());
  CHECK(refused("3 2\n0 1\n1").find("byte 9 begins no whole number") != std::string::npos);
  CHECK(refused("3 1\n0 x\n").find("byte 6 begins no whole number") != std::string::npos);
  CHECK(refused("3 1\n0 3\n").find("must be a node, below 3") != std::string::npos);
  CHECK(refused("99999999999 1\n").find("byte 0 begins no whole number") != std::string::npos);
}
