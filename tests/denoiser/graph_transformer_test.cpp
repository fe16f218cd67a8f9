#include <diffx/denoiser/eigen/graph_transformer.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/domain/graph/labelled_graph.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace test {
std::int64_t allocations_made();  // of another file of this program
}

namespace {

using namespace diffx;
namespace net = denoiser::eigen;
namespace graph = domain::graph;
using values = std::vector<float>;

/// Every tensor pseudo-random, biases and norms included.
struct arbitrary_weights {
  values tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const {
    if (shape.size() > 1) return net::random_weights(5, 0.8).tensor(name, shape);
    values v = net::random_weights(6, 0.5).tensor(std::string(name) + ".m", {*shape.begin(), 1});
    for (float& x : v) x = name.ends_with(".weight") ? 1.0f + 0.5f * x : 0.5f * x;
    return v;
  }
};

net::graph_transformer small() {
  return {{.node_classes = 3,
           .pair_classes = 4,
           .width = 20,
           .pair_width = 12,
           .heads = 2,
           .layers = 3},
          arbitrary_weights{}};
}

graph::labelled_graph some_graph(std::int64_t n, std::uint32_t seed) {
  graph::labelled_graph g(n);
  std::uint32_t state = seed * 2654435761u + 1u;
  auto const draw = [&](std::uint32_t classes) {
    state = state * 1664525u + 1013904223u;
    return static_cast<std::int32_t>((state >> 16) % classes);
  };
  for (auto& c : g.nodes) c = draw(3);
  for (auto& c : g.pairs) c = std::max(draw(6) - 2, 0);
  return g;
}

struct answer {
  values nodes, pairs;
  bool operator==(answer const&) const = default;
};

query told(double alpha) {
  query q;
  q.at.alpha = alpha;
  return q;
}

template <class Exec = exec::host>
answer ask(net::graph_transformer const& n, graph::graph_batch& batch, double alpha,
           Exec const& exec = {}) {
  auto const nodes = batch.nodes(), pairs = batch.pairs();
  std::int64_t const k = n.size().node_classes, m = n.size().pair_classes;
  answer out{values(static_cast<std::size_t>(nodes.batch * nodes.features * k), std::nanf("")),
             values(static_cast<std::size_t>(pairs.batch * pairs.features * m), std::nanf(""))};
  n(exec,
    std::tuple{batch_view<std::int32_t const>{nodes.data, nodes.batch, nodes.features},
               batch_view<std::int32_t const>{pairs.data, pairs.batch, pairs.features}},
    told(alpha),
    std::tuple{batch_view<float>{out.nodes.data(), nodes.batch, nodes.features * k},
               batch_view<float>{out.pairs.data(), pairs.batch, pairs.features * m}});
  return out;
}

answer ask(net::graph_transformer const& n, graph::labelled_graph const& g, double alpha) {
  graph::graph_batch batch(std::vector{g});
  return ask(n, batch, alpha);
}

double distance(values const& a, values const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

}  // namespace

TEST_CASE("graph transformer: agrees with the torch networks") {
  std::ifstream file(std::string(DIFFX_TESTS_DIR) + "/data/graph_parity.json");
  REQUIRE(file.good());
  auto const reference = nlohmann::json::parse(file);
  int compared = 0;
  for (auto const& c : reference.at("cases")) {
    auto const name = c.at("network").get<std::string>();
    CAPTURE(name);
    net::safetensors const weights(std::string(DIFFX_EXAMPLES_DIR) + "/models/graph_" + name +
                                   ".safetensors");
    CHECK(weights.has_metadata("source"));
    CHECK(weights.has_metadata("licence"));
    net::graph_transformer const n(weights);
    graph::labelled_graph g;
    g.nodes = c.at("nodes").get<std::vector<std::int32_t>>();
    g.pairs = c.at("pairs").get<std::vector<std::int32_t>>();
    answer const got = ask(n, g, c.at("alpha").get<double>());
    // Sums of up to some hundred floats in another order, through five layers: a few units in the
    // last place of logits up to 10.
    constexpr double tolerance = 5e-5;
    CHECK(distance(got.nodes, c.at("node_logits").get<values>()) < tolerance);
    CHECK(distance(got.pairs, c.at("pair_logits").get<values>()) < tolerance);
    ++compared;
  }
  CHECK(compared == 9);
}

TEST_CASE("graph transformer: nodes in another order get the same answer in that order") {
  auto const n = small();
  for (std::int64_t const size : {2, 3, 7, 19}) {
    auto const g = some_graph(size, 4);
    std::vector<std::int64_t> order(static_cast<std::size_t>(size));
    for (std::int64_t i = 0; i < size; ++i) {
      order[static_cast<std::size_t>(i)] = (i + size / 2 + 1) % size;
    }
    answer const a = ask(n, g, 0.3), b = ask(n, graph::permuted(g, order), 0.3);
    double off = 0.0, size_of_answer = 0.0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      auto const from = static_cast<std::size_t>(order[i]);
      for (std::size_t c = 0; c < 3; ++c) {
        off = std::max<double>(off, std::fabs(b.nodes[i * 3 + c] - a.nodes[from * 3 + c]));
        size_of_answer = std::max<double>(size_of_answer, std::fabs(a.nodes[from * 3 + c]));
      }
      for (std::size_t j = 0; j < i; ++j) {
        auto const here = static_cast<std::size_t>(
            graph::pair_index(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j)));
        auto const there = static_cast<std::size_t>(graph::pair_index(order[i], order[j]));
        for (std::size_t c = 0; c < 4; ++c) {
          off = std::max<double>(off, std::fabs(b.pairs[here * 4 + c] - a.pairs[there * 4 + c]));
        }
      }
    }
    CHECK(off < 2e-5);  // rounding: sums over nodes come in another order
    CHECK(size_of_answer > 0.1);
  }
}

TEST_CASE("graph transformer: a graph's answer is its own, bit for bit") {
  auto const n = small();
  std::vector<graph::labelled_graph> graphs;
  for (std::int64_t const size : {5, 1, 11, 2, 8, 5}) {
    graphs.push_back(some_graph(size, static_cast<std::uint32_t>(size)));
  }
  graph::graph_batch batch(graphs, 13);
  auto const sized = n.of_sizes(batch.sizes());
  answer const all = ask(sized, batch, 0.6);
  CHECK(ask(sized, batch, 0.6, exec::threads{}) == all);
  std::size_t const node_row = 13 * 3, pair_row = 13 * 12 / 2 * 4;
  for (std::size_t b = 0; b < graphs.size(); ++b) {
    answer const alone = ask(n, graphs[b], 0.6);
    auto const same = [&](values const& own, values const& rows, std::size_t row) {
      auto const begin = rows.begin() + static_cast<std::ptrdiff_t>(b * row);
      auto const end = begin + static_cast<std::ptrdiff_t>(row);
      auto const padding = begin + static_cast<std::ptrdiff_t>(own.size());
      return std::equal(own.begin(), own.end(), begin) &&
             std::all_of(padding, end, [](float x) { return x == 0.0f; });
    };
    CHECK(same(alone.nodes, all.nodes, node_row));
    CHECK(same(alone.pairs, all.pairs, pair_row));
  }
}

TEST_CASE("graph transformer: everything that it is told changes its answer") {
  auto const n = small();
  auto g = some_graph(6, 1);
  g.pair(4, 5) = 1;
  answer const a = ask(n, g, 0.3);
  CHECK(distance(ask(n, g, 0.4).pairs, a.pairs) > 1e-3);
  auto other = g;
  other.nodes[2] = (g.nodes[2] + 1) % 3;
  CHECK(distance(ask(n, other, 0.3).pairs, a.pairs) > 1e-3);
  // A far pair's class is seen by every node, and so is whether it is joined at all.
  other = g;
  other.pair(4, 5) = 2;
  CHECK(distance(values{ask(n, other, 0.3).nodes[0]}, values{a.nodes[0]}) > 1e-4);
  other.pair(4, 5) = 0;
  CHECK(distance(values{ask(n, other, 0.3).nodes[0]}, values{a.nodes[0]}) > 1e-4);
}

TEST_CASE("graph transformer: no allocation once its buffers are there") {
  auto const n = small();
  auto const g = some_graph(9, 2);
  std::vector<std::int64_t> const sizes{9};
  auto const sized = n.of_sizes(sizes);
  graph::graph_batch batch(std::vector{g});
  auto const nodes = batch.nodes(), pairs = batch.pairs();
  values a(27), b(36 * 4);
  auto const call = [&] {
    sized(exec::host{},
          std::tuple{batch_view<std::int32_t const>{nodes.data, 1, 9},
                     batch_view<std::int32_t const>{pairs.data, 1, 36}},
          told(0.5),
          std::tuple{batch_view<float>{a.data(), 1, 27}, batch_view<float>{b.data(), 1, 144}});
  };
  call();
  auto const before = test::allocations_made();
  call();
  CHECK(test::allocations_made() == before);
}

TEST_CASE("graph transformer: what does not fit is refused") {
  auto const n = small();
  auto g = some_graph(4, 1);
  auto const fails = [&](auto const& f, char const* why) {
    CHECK_THROWS_WITH_AS(f(), doctest::Contains(why), error);
  };
  fails([&] { ask(n, g, 1.5); }, "alpha = 1.5");
  fails([&] { ask(n, g, std::nan("")); }, "alpha");
  auto bad = g;
  bad.nodes[3] = 3;
  fails([&] { ask(n, bad, 0.5); }, "class of node 3 = 3, must be in [0, 3)");
  bad = g;
  bad.pair(1, 2) = -1;
  fails([&] { ask(n, bad, 0.5); }, "class of pair 2 = -1, must be in [0, 4)");
  std::vector<std::int64_t> sizes{5};
  fails([&] { ask(n.of_sizes(sizes), g, 0.5); }, "sizes[0] = 5, must be in [1, 4]");
  graph::graph_batch two(std::vector{g, g});
  sizes = {4};
  fails([&] { ask(n.of_sizes(sizes), two, 0.5); }, "sizes.size() = 1");
  values a(12), b(24), c(23);
  auto const call = [&](std::int64_t pairs, values& pair_logits) {
    n(exec::host{},
      std::tuple{batch_view<std::int32_t const>{g.nodes.data(), 1, 4},
                 batch_view<std::int32_t const>{g.pairs.data(), 1, pairs}},
      told(0.5),
      std::tuple{
          batch_view<float>{a.data(), 1, 12},
          batch_view<float>{pair_logits.data(), 1, static_cast<std::int64_t>(pair_logits.size())}});
  };
  fails([&] { call(5, b); }, "pairs = 5, must be 6");
  fails([&] { call(6, c); }, "logits of pairs = 23, must be 24");
  // Two graphs of nodes, and one of each of the others in turn.
  graph::graph_batch second(std::vector{g, g});
  values two_nodes(24), two_pairs(48);
  for (int short_of = 0; short_of < 3; ++short_of) {
    std::int64_t const pairs = short_of == 0 ? 1 : 2, node_rows = short_of == 1 ? 1 : 2;
    std::int64_t const pair_rows = short_of == 2 ? 1 : 2;
    fails(
        [&] {
          n(exec::host{},
            std::tuple{batch_view<std::int32_t const>{second.nodes().data, 2, 4},
                       batch_view<std::int32_t const>{second.pairs().data, pairs, 6}},
            told(0.5),
            std::tuple{batch_view<float>{two_nodes.data(), node_rows, 12},
                       batch_view<float>{two_pairs.data(), pair_rows, 24}});
        },
        "batch = 1, must be 2");
  }
  auto const make = [](net::graph_transformer_size size) {
    return net::graph_transformer(size, net::random_weights(1));
  };
  fails([&] { make({.width = 10, .heads = 4}); }, "width = 10, must be a multiple of the heads");
  fails([&] { make({.pair_classes = 1}); }, "pair_classes = 1");
  fails([&] { make({.heads = 0}); }, "heads = 0");
}
