#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/eigen/structured.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/recipe/gsdm.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

using namespace diffx;
using namespace diffx::domain;
namespace eigen = diffx::denoiser::eigen;

namespace {

std::vector<float> some_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& v : out) v = normal(random);
  return out;
}

/// Attention with a dense mask, in double: qkv as attend() takes it.
std::vector<double> dense(std::vector<float> const& qkv, int samples, int width, int heads,
                          std::vector<std::uint8_t> const& mask) {
  auto const tokens = static_cast<int>(std::lround(std::sqrt(static_cast<double>(mask.size()))));
  int const d = width / heads;
  std::vector<double> out(static_cast<std::size_t>(samples * tokens * width), 0.0);
  auto const at = [&](int n, int token, int part, int channel) {
    return static_cast<double>(
        qkv[static_cast<std::size_t>(((n * tokens + token) * 3 + part) * width + channel)]);
  };
  for (int n = 0; n < samples; ++n) {
    for (int h = 0; h < heads; ++h) {
      for (int i = 0; i < tokens; ++i) {
        std::vector<double> weight(static_cast<std::size_t>(tokens), 0.0);
        double total = 0.0;
        for (int j = 0; j < tokens; ++j) {
          if (mask[static_cast<std::size_t>(i * tokens + j)] == 0) continue;
          double dot = 0.0;
          for (int c = 0; c < d; ++c) dot += at(n, i, 0, h * d + c) * at(n, j, 1, h * d + c);
          total += weight[static_cast<std::size_t>(j)] = std::exp(dot / std::sqrt(d));
        }
        for (int j = 0; j < tokens; ++j) {
          for (int c = 0; c < d; ++c) {
            out[static_cast<std::size_t>((n * tokens + i) * width + h * d + c)] +=
                weight[static_cast<std::size_t>(j)] / total * at(n, j, 2, h * d + c);
          }
        }
      }
    }
  }
  return out;
}

double largest_difference(std::vector<float> const& a, std::vector<double> const& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  return worst;
}

std::vector<float> along(std::vector<float> const& qkv, int samples, int width, int heads,
                         structure::attention_lists const& lists) {
  std::vector<float> out(static_cast<std::size_t>(samples * lists.variables * width), 9.0f);
  eigen::buffer scores;
  eigen::attend_along(qkv.data(), samples, width, heads, lists, out.data(), scores);
  return out;
}

}  // namespace

TEST_CASE("structured attention: lists of edges are a dense mask, to 1e-6") {
  int const samples = 3, width = 24, heads = 3;
  auto const check = [&](structure::factor_graph const& g) {
    auto const qkv = some_numbers(static_cast<std::size_t>(samples * g.size() * 3 * width), 4);
    auto const lists = g.lists();
    auto const want = dense(qkv, samples, width, heads, g.mask());
    CHECK(largest_difference(along(qkv, samples, width, heads, lists), want) < 1e-6);
    // Padding may say anything.
    auto noisy = lists;
    for (std::size_t k = 0; k < noisy.index.size(); ++k) {
      if (noisy.valid[k] == 0) noisy.index[k] = static_cast<std::int32_t>(k) % g.size();
    }
    CHECK(along(qkv, samples, width, heads, noisy) == along(qkv, samples, width, heads, lists));
  };
  check(structure::sudoku(2, 3).graph());
  check(structure::sorting(4).as_problem().graph);
  check(structure::matrix_factorisation(3, 2, 2).as_problem().graph);
  check(structure::factor_graph(5));  // each sees itself alone

  // Along all edges it is the layer without a mask.
  structure::factor_graph all(9);
  std::vector<int> members{0, 1, 2, 3, 4, 5, 6, 7, 8};
  all.factor(members);
  auto const qkv = some_numbers(static_cast<std::size_t>(samples * 9 * 3 * width), 5);
  std::vector<float> plain(static_cast<std::size_t>(samples * 9 * width));
  eigen::buffer scores;
  eigen::attend(qkv.data(), samples, 9, width, heads, plain.data(), scores);
  auto const edges = along(qkv, samples, width, heads, all.lists());
  for (std::size_t i = 0; i < plain.size(); ++i) CHECK(std::fabs(plain[i] - edges[i]) < 1e-6f);
}

TEST_CASE("structured attention: its cost is linear in the edges") {
  eigen::random_weights const weights(1);
  eigen::structured_size const size{16, 2, 3};
  for (int const b : {2, 3, 4}) {
    structure::sudoku const rules(b, b);
    eigen::structured const net(size, rules.as_problem(), weights);
    double const n = rules.cells();
    double const edges = static_cast<double>(rules.graph().directed_pairs()) + n;
    CHECK(net.attention_flops() == 4.0 * 16 * 3 * edges);
    CHECK(net.dense_attention_flops() == 4.0 * 16 * 3 * n * n);
  }
}

TEST_CASE("structured network: a row does not depend on its batch, and answers are laws") {
  structure::sorting const three(3);
  auto const p = three.as_problem();
  eigen::structured const net({16, 2, 2}, p, eigen::random_weights(3));
  auto const features = p.variables.features();
  std::int64_t const rows = 7;
  auto const x = some_numbers(static_cast<std::size_t>(rows * features), 6);
  std::vector<std::uint8_t> mask(x.size(), 0);
  for (std::int64_t i = 0; i < rows; ++i) mask[static_cast<std::size_t>(i * features)] = i % 2 != 0;
  std::vector<float> out(x.size()), one(static_cast<std::size_t>(features));
  query q;
  q.at.t = 0.3;
  net(exec::threads{}, batch_view<float const>{x.data(), rows, features}, q,
      batch_view<std::uint8_t const>{mask.data(), rows, features},
      batch_view<float>{out.data(), rows, features});
  for (std::int64_t i = 0; i < rows; ++i) {
    net(exec::host{}, batch_view<float const>{x.data() + i * features, 1, features}, q,
        batch_view<std::uint8_t const>{mask.data() + i * features, 1, features},
        batch_view<float>{one.data(), 1, features});
    CHECK(std::memcmp(one.data(), out.data() + i * features, one.size() * sizeof(float)) == 0);
    for (int v = p.variables.numbers(); v < p.variables.size(); ++v) {
      float const* const law = one.data() + p.variables.offset(v);
      CHECK(law[0] + law[1] == doctest::Approx(1.0f));
      CHECK(std::min(law[0], law[1]) >= 0.0f);
    }
  }
  // It is told the time, and what is observed.
  auto const answer = [&](double t, std::uint8_t first) {
    q.at.t = t;
    mask[0] = first;
    net(exec::host{}, batch_view<float const>{x.data(), 1, features}, q,
        batch_view<std::uint8_t const>{mask.data(), 1, features},
        batch_view<float>{one.data(), 1, features});
    return one;
  };
  auto const base = answer(0.3, 0);
  CHECK(base != answer(0.5, 0));
  CHECK(base != answer(0.3, 1));
  CHECK(base == answer(0.3, 0));
}

TEST_CASE("structured network: what no edge leads to has no influence") {
  // Two problems in one: variables 0 to 3, and 4 to 7.
  structure::problem p{
      structure::variables(8, {}), structure::factor_graph(8), {0, 0, 0, 0, 0, 1, 1, 1}};
  for (int v : {0, 1, 2, 4, 5, 6}) p.graph.join(v, v + 1);
  auto const answer = [&](int blocks, int touched) {
    eigen::structured const net({16, 2, blocks}, p, eigen::random_weights(3));
    auto x = some_numbers(8, 8);
    if (touched >= 0) x[static_cast<std::size_t>(touched)] += 1.0f;
    std::vector<std::uint8_t> const mask(8, 0);
    std::vector<float> out(8);
    query q;
    q.at.t = 0.5;
    net(exec::host{}, batch_view<float const>{x.data(), 1, 8}, q,
        batch_view<std::uint8_t const>{mask.data(), 1, 8}, batch_view<float>{out.data(), 1, 8});
    return out;
  };
  for (int const blocks : {0, 1, 2, 3}) {
    auto const base = answer(blocks, -1), touched = answer(blocks, 0);
    for (int v = 0; v < 8; ++v) {
      INFO("blocks " << blocks << " variable " << v);
      // After k blocks variable 0 is heard of k edges away.
      CHECK((base[static_cast<std::size_t>(v)] != touched[static_cast<std::size_t>(v)]) ==
            (v <= blocks && v < 4));
    }
  }
}

TEST_CASE("structured network: it is the network that was trained") {
  std::ifstream file(std::string(DIFFX_TESTS_DIR) + "/data/structure_parity.json");
  REQUIRE(file.good());
  auto const reference = nlohmann::json::parse(file);
  int networks = 0;
  for (auto const& c : reference.at("cases")) {
    auto const name = c.at("network").get<std::string>();
    CAPTURE(name);
    eigen::safetensors const weights(std::string(DIFFX_EXAMPLES_DIR) + "/models/" + name +
                                     ".safetensors");
    auto const number = [&](char const* key) { return std::stoi(weights.metadata(key)); };
    auto const p = name == "sudoku6"   ? structure::sudoku(2, 3).as_problem()
                   : name == "sudoku9" ? structure::sudoku(3, 3).as_problem()
                                       : structure::sorting(6).as_problem();
    eigen::structured const net({number("width"), number("heads"), number("blocks")}, p, weights);
    auto const x = c.at("x").get<std::vector<float>>();
    auto const observed = c.at("observed").get<std::vector<std::uint8_t>>();
    auto const features = p.variables.features();
    auto const rows = static_cast<std::int64_t>(x.size()) / features;
    auto const mask = p.variables.features_of({observed.data(), rows, p.variables.size()});
    std::vector<float> out(x.size());
    query q;
    q.at.t = c.at("t").get<double>();
    net(exec::host{}, batch_view<float const>{x.data(), rows, features}, q,
        batch_view<std::uint8_t const>{mask.data(), rows, features},
        batch_view<float>{out.data(), rows, features});
    for (std::int64_t i = 0; i < rows; ++i) {
      auto const wanted = c.at("x0").at(static_cast<std::size_t>(i)).get<std::vector<double>>();
      auto const places = c.at("features").get<std::vector<std::int64_t>>();
      for (std::size_t k = 0; k < places.size(); ++k) {
        CHECK(
            std::fabs(static_cast<double>(out[static_cast<std::size_t>(i * features + places[k])]) -
                      wanted[k]) < 2e-5);
      }
    }
    ++networks;
  }
  CHECK(networks == 3);
}

TEST_CASE("structured network: inside clamp_clean, from noise to a grid") {
  structure::sudoku const rules(2, 2);
  auto const p = rules.as_problem();
  eigen::structured const net({16, 2, 2}, p, eigen::random_weights(3));
  std::vector<float> x(2 * 64, 0.0f);
  x[2] = 1.0f;
  std::vector<std::uint8_t> cells(32, 0);
  cells[0] = 1;
  auto const mask = p.variables.features_of({cells.data(), 2, 16});
  auto const s = recipe::gsdm();
  s.sample(exec::threads{}, denoiser::clamp_clean{net, {mask.data(), 2, 64}},
           grid::timesteps(s.process, grid::index::strided(1000, 4)),
           batch_view<float>{x.data(), 2, 64});
  CHECK(std::vector<float>(x.begin(), x.begin() + 4) == std::vector<float>{0, 0, 1, 0});
  for (float const v : x) CHECK(std::isfinite(v));
}

TEST_CASE("structured network: refusals") {
  structure::sudoku const rules(2, 2);
  auto const p = rules.as_problem();
  eigen::random_weights const weights(1);
  using eigen::structured;
  CHECK_THROWS_WITH_AS(structured({15, 2, 1}, p, weights), doctest::Contains("multiple of heads"),
                       error);
  CHECK_THROWS_AS(structured({0, 1, 1}, p, weights), error);
  CHECK_THROWS_AS(structured({16, 0, 1}, p, weights), error);
  CHECK_THROWS_AS(structured({16, 2, -1}, p, weights), error);
  auto wrong = p;
  wrong.group.pop_back();
  CHECK_THROWS_WITH_AS(structured({16, 2, 1}, wrong, weights),
                       doctest::Contains("variables with a group = 15"), error);
  wrong = p;
  wrong.group[3] = -1;
  CHECK_THROWS_WITH_AS(structured({16, 2, 1}, wrong, weights), doctest::Contains("a group = -1"),
                       error);
  wrong = p;
  wrong.graph = structure::factor_graph(15);
  CHECK_THROWS_WITH_AS(structured({16, 2, 1}, wrong, weights),
                       doctest::Contains("variables of the graph = 15"), error);
  structured const net({16, 2, 1}, p, weights);
  std::vector<float> x(64);
  std::vector<std::uint8_t> const mask(64, 0);
  auto const call = [&](std::int64_t wide, std::int64_t observed, std::int64_t rows) {
    net(exec::host{}, batch_view<float const>{x.data(), 1, wide}, query{},
        batch_view<std::uint8_t const>{mask.data(), rows, observed},
        batch_view<float>{x.data(), 1, wide});
  };
  call(64, 64, 1);
  CHECK_THROWS_AS(call(63, 64, 1), error);
  CHECK_THROWS_AS(call(64, 16, 1), error);
  CHECK_THROWS_AS(call(64, 64, 0), error);
}
