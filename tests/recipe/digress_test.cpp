// DiGress on graphs so small that every law is exact, and what a graph does not depend on: the
// order of its nodes, how much it is padded, what else is in the batch, the number of threads.

#include <diffx/analysis/class_kernel.hpp>
#include <diffx/domain/graph/edge_removal.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/distorted.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/by_node.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/digress.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/solver/defog.hpp>

#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::graph;
using law_type = std::vector<double>;

// ---- all graphs of n nodes of two classes; bits of a code: nodes, then pairs ----

std::size_t places(std::int64_t n) { return static_cast<std::size_t>(n + pair_count(n)); }
std::size_t states(std::int64_t n) { return std::size_t{1} << places(n); }
int bit(std::size_t code, std::size_t place) { return static_cast<int>(code >> place & 1); }

std::size_t code_of(labelled_graph const& g) {
  std::size_t code = 0, place = 0;
  for (auto const c : g.nodes) code |= static_cast<std::size_t>(c) << place++;
  for (auto const c : g.pairs) code |= static_cast<std::size_t>(c) << place++;
  return code;
}

/// Of five nodes only those of class 0 are data: 1024 graphs instead of 32768.
bool is_data(std::int64_t n, std::size_t code) { return n < 5 || code % 32 == 0; }

/// A law in which nodes are exchangeable and nothing is independent.
law_type data_law(std::int64_t n) {
  law_type p(states(n), 0.0);
  for (std::size_t code = 0; code < p.size(); ++code) {
    if (!is_data(n, code)) continue;
    auto const joined = [&](std::int64_t i, std::int64_t j) {
      return bit(code, static_cast<std::size_t>(n + pair_index(i, j)));
    };
    double weight = 0.0;
    for (std::int64_t i = 0; i < n; ++i) {
      int const a = bit(code, static_cast<std::size_t>(i));
      weight -= 0.4 * a;
      for (std::int64_t j = 0; j < i; ++j) {
        int const b = bit(code, static_cast<std::size_t>(j));
        weight += joined(i, j) * (a == b ? 0.9 : -0.7);
        for (std::int64_t k = 0; k < j; ++k) {
          weight -= 1.1 * joined(i, j) * joined(i, k) * joined(j, k);
        }
      }
    }
    p[code] = std::exp(weight);
  }
  return analysis::normalised(p);
}

/// p(class 1 at every place | noised graph), of one noise level; NaN where the data do not lead
/// there.
std::vector<law_type> posteriors(std::int64_t n, law_type const& data, level const& at,
                                 law_type const& node_pi, law_type const& pair_pi) {
  std::vector<law_type> out(states(n), law_type(places(n), 0.0));
  for (std::size_t now = 0; now < out.size(); ++now) {
    if (!is_data(n, now)) continue;
    double total = 0.0;
    for (std::size_t code = 0; code < data.size(); ++code) {
      double q = data[code];
      if (q == 0.0) continue;
      for (std::size_t k = 0; k < places(n); ++k) {
        auto const& pi = k < static_cast<std::size_t>(n) ? node_pi : pair_pi;
        auto const c = static_cast<std::size_t>(bit(now, k));
        q *= (bit(now, k) == bit(code, k) ? at.alpha : 0.0) + at.sigma * pi[c];
      }
      total += q;
      for (std::size_t k = 0; k < places(n); ++k) out[now][k] += bit(code, k) * q;
    }
    for (double& v : out[now]) v /= total;
  }
  return out;
}

using both =
    prediction::product<prediction::x0_posterior<double>, prediction::x0_posterior<double>>;

/// What a perfectly trained network would say of every graph of a batch.
struct exact_network {
  both prediction{};
  graph_batch const* batch;
  law_type node_pi, pair_pi;
  mutable int asked = -1;
  mutable std::vector<std::vector<law_type>> told{};  // by size

  template <class Exec>
  void operator()(
      Exec const& exec,
      std::tuple<batch_view<std::int32_t const>, batch_view<std::int32_t const>> const& x,
      query const& q, std::tuple<batch_view<double>, batch_view<double>> const& out) const {
    auto const& sizes = batch->sizes();
    if (q.step != asked) {
      asked = q.step;
      told.assign(6, {});
      for (auto const n : sizes) {
        auto& of = told[static_cast<std::size_t>(n)];
        if (of.empty()) of = posteriors(n, data_law(n), q.at, node_pi, pair_pi);
      }
    }
    auto const& [nodes, pairs] = x;
    auto const* const node_rows = &std::get<0>(out);
    auto const* const pair_rows = &std::get<1>(out);
    auto const* const shown_nodes = &nodes;
    auto const* const shown_pairs = &pairs;
    exec.for_each_sample(nodes.batch, [=, this, &sizes](std::int64_t b) {
      auto const n = static_cast<std::size_t>(sizes[static_cast<std::size_t>(b)]);
      std::size_t const own = static_cast<std::size_t>(pair_count(static_cast<std::int64_t>(n)));
      std::size_t code = 0;
      for (std::size_t i = 0; i < n; ++i) {
        code |= static_cast<std::size_t>(shown_nodes->row(b)[i]) << i;
      }
      for (std::size_t k = 0; k < own; ++k) {
        code |= static_cast<std::size_t>(shown_pairs->row(b)[k]) << (n + k);
      }
      law_type const& p = told[n][code];
      auto const write = [](double* logits, double one) {
        logits[0] = std::log(1.0 - one);
        logits[1] = std::log(one);
      };
      // Beyond a graph's size there is nothing to say: it is not read.
      for (std::int64_t i = 0; i < node_rows->features; ++i) node_rows->row(b)[i] = NAN;
      for (std::int64_t i = 0; i < pair_rows->features; ++i) pair_rows->row(b)[i] = NAN;
      for (std::size_t i = 0; i < n; ++i) write(node_rows->row(b) + 2 * i, p[i]);
      for (std::size_t k = 0; k < own; ++k) write(pair_rows->row(b) + 2 * k, p[n + k]);
    });
  }
};

/// The law after every step of the exact chain; kernel(process, from, to, now, one) is the law of a
/// place that is `now` and of which `one` is the posterior of class 1.
template <class Process, class Kernel>
law_type chain(std::int64_t n, Process const& nodes, Process const& pairs, law_type const& node_pi,
               law_type const& pair_pi, timetable const& grid, Kernel const& kernel) {
  law_type law(states(n), 1.0);
  for (std::size_t code = 0; code < law.size(); ++code) {
    for (std::size_t k = 0; k < places(n); ++k) {
      auto const& pi = k < static_cast<std::size_t>(n) ? node_pi : pair_pi;
      law[code] *= pi[static_cast<std::size_t>(bit(code, k))];
    }
  }
  for (int step = 0; step < grid.steps(); ++step) {
    auto const told = posteriors(n, data_law(n), grid[step], node_pi, pair_pi);
    law_type next(law.size(), 0.0);
    for (std::size_t now = 0; now < law.size(); ++now) {
      if (law[now] == 0.0) continue;
      std::vector<law_type> p;
      for (std::size_t k = 0; k < places(n); ++k) {
        auto const& process = k < static_cast<std::size_t>(n) ? nodes : pairs;
        p.push_back(kernel(process, grid[step], grid[step + 1], bit(now, k), told[now][k]));
      }
      for (std::size_t to = 0; to < law.size(); ++to) {
        double q = law[now];
        for (std::size_t k = 0; k < p.size() && q > 0.0; ++k) {
          q *= p[k][static_cast<std::size_t>(bit(to, k))];
        }
        next[to] += q;
      }
    }
    law = next;
  }
  return law;
}

/// Samples of graphs of n and of m nodes, in one batch, against the chain.
template <class Sampler, class Kernel>
void check_laws(std::string const& name, Sampler const& s, timetable const& grid,
                law_type const& node_pi, law_type const& pair_pi, std::uint64_t seed,
                Kernel const& kernel, std::int64_t first = 3, std::int64_t second = 4) {
  constexpr std::int64_t each = 150'000;
  std::vector<std::int64_t> sizes;
  for (std::int64_t k = 0; k < 2 * each; ++k) sizes.push_back(k % 2 == 0 ? first : second);
  graph_batch batch(sizes);
  exact_network const network{{}, &batch, node_pi, pair_pi};
  options<> o{noise::counted{seed}};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  s.sample(exec::threads{2}, network, grid, batch.state(), o);
  for (std::size_t which = 0; which < 2; ++which) {
    std::int64_t const n = sizes[which];
    std::vector<std::int64_t> counts(states(n), 0);
    for (std::size_t b = which; b < sizes.size(); b += 2) {
      ++counts[code_of(batch[b])];
    }
    auto const law = chain(n, std::get<0>(s.process.parts), std::get<1>(s.process.parts), node_pi,
                           pair_pi, grid, kernel);
    CHECK(test::passes(name + " of " + std::to_string(n), test::test_cells(counts, law).p));
  }
}

/// An equivariant network whose numbers are exact in float: what it says of a graph in another
/// order is the same in that order, to the bit.
struct invariant_network {
  prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>> prediction{};
  graph_batch const* batch;

  template <class Exec>
  void operator()(
      Exec const& exec,
      std::tuple<batch_view<std::int32_t const>, batch_view<std::int32_t const>> const& x,
      query const& q, std::tuple<batch_view<float>, batch_view<float>> const& out) const {
    auto const* const nodes = &std::get<0>(x);
    auto const* const pairs = &std::get<1>(x);
    auto const* const of_nodes = &std::get<0>(out);
    auto const* const of_pairs = &std::get<1>(out);
    float const step = static_cast<float>(q.step % 4);
    exec.for_each_sample(nodes->batch, [=, this](std::int64_t b) {
      std::int64_t const n = batch->sizes()[static_cast<std::size_t>(b)];
      auto const joined = [&](std::int64_t i, std::int64_t j) {
        return i != j && pairs->row(b)[pair_index(i, j)] != 0;
      };
      for (std::int64_t i = 0; i < n; ++i) {
        float degree = 0.0f;
        for (std::int64_t j = 0; j < n; ++j) degree += joined(i, j) ? 1.0f : 0.0f;
        for (int c = 0; c < 3; ++c) {
          of_nodes->row(b)[3 * i + c] = 0.25f * degree * static_cast<float>(c) - 0.5f * step;
        }
      }
      for (std::int64_t j = 0; j < n; ++j) {
        for (std::int64_t i = 0; i < j; ++i) {
          float common = 0.0f;
          for (std::int64_t k = 0; k < n; ++k) common += joined(i, k) && joined(j, k) ? 1.0f : 0.0f;
          auto const alike = nodes->row(b)[i] == nodes->row(b)[j] ? 0.5f : 0.0f;
          float* const logits = of_pairs->row(b) + 2 * pair_index(i, j);
          logits[0] = 0.25f * common;
          logits[1] = alike - 0.125f * step;
        }
      }
    });
  }
};

auto small_sampler() { return recipe::digress({0.5, 0.3, 0.2}, {0.7, 0.3}, 12); }

/// Graphs of the sizes, named by their nodes and graphs.
std::vector<labelled_graph> named(std::vector<std::int64_t> const& sizes, std::int64_t padded_to,
                                  std::vector<std::vector<std::int32_t>> const& names,
                                  std::vector<std::int64_t> const& graphs, int threads = 1) {
  auto const s = small_sampler();
  graph_batch batch(sizes, padded_to);
  std::vector<std::int32_t> node(sizes.size() * static_cast<std::size_t>(batch.most_nodes()), 0);
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    // Nodes that are not there have names that no node has.
    auto const row = node.begin() + static_cast<std::ptrdiff_t>(b) * batch.most_nodes();
    std::iota(row, row + batch.most_nodes(), 1000);
    std::copy(names[b].begin(), names[b].end(), row);
  }
  noise::by_node const noise{noise::counted{17}, node.data(), batch.most_nodes(), graphs.data()};
  options<noise::by_node> o{noise};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  invariant_network const network{{}, &batch};
  auto const g = grid::uniform_t(std::get<0>(s.process.parts), 13);
  s.sample(exec::threads{threads}, network, g, batch.state(), o);
  return batch.graphs();
}

}  // namespace

TEST_CASE("digress: the law of graphs of three and of four nodes in one batch") {
  auto const kernel = [](auto const& process, level const& from, level const& to, int now,
                         double one) {
    return analysis::mixture_kernel(process, from, to, now, law_type{1.0 - one, one});
  };
  law_type const node_pi{0.6, 0.4}, pair_pi{0.3, 0.7};
  auto const s = recipe::digress(node_pi, pair_pi, 3);
  check_laws("digress", s, grid::uniform_t(std::get<0>(s.process.parts), 4), node_pi, pair_pi, 31,
             kernel);
}

TEST_CASE("digress: the law of graphs of five nodes, beside some of two") {
  auto const kernel = [](auto const& process, level const& from, level const& to, int now,
                         double one) {
    return analysis::mixture_kernel(process, from, to, now, law_type{1.0 - one, one});
  };
  law_type const node_pi{1.0, 0.0}, pair_pi{0.6, 0.4};
  auto const s = recipe::digress(node_pi, pair_pi, 2);
  check_laws("digress", s, grid::uniform_t(std::get<0>(s.process.parts), 3), node_pi, pair_pi, 32,
             kernel, 5, 2);
}

TEST_CASE("digress: edges that are taken away, the law of the chain and of the data") {
  // Pairs forget into no edge: removal on a dense graph. More steps come nearer to the data.
  using process_type = process::marginal<schedule::mask_power>;
  law_type const node_pi{0.6, 0.4}, pair_pi{1.0, 0.0};
  process_type const nodes(node_pi), pairs(pair_pi);
  auto const kernel = [](auto const& process, level const& from, level const& to, int now,
                         double one) {
    return analysis::mixture_kernel(process, from, to, now, law_type{1.0 - one, one});
  };
  sampler const s{process::product{std::tuple{nodes, pairs}},
                  solver::product{std::tuple{solver::ancestral{}, solver::ancestral{}}}};
  check_laws("removal", s, grid::uniform_t(nodes, 4), node_pi, pair_pi, 32, kernel);
  double before = 1.0;
  for (int const steps : {4, 8, 16, 32}) {
    auto const law =
        chain(3, nodes, pairs, node_pi, pair_pi, grid::uniform_t(nodes, steps), kernel);
    auto const data = data_law(3);
    double off = 0.0;
    for (std::size_t k = 0; k < law.size(); ++k) off += 0.5 * std::fabs(law[k] - data[k]);
    CHECK(off < 0.6 * before);
    before = off;
  }
  CHECK(before < 0.02);
}

TEST_CASE("digress: an edge goes and comes with the probabilities of the sparse removal") {
  auto const p = edge_removal::cosine(8);
  process::marginal<> const pairs({1.0, 0.0});
  for (int t = 1; t < 8; ++t) {
    for (double const one : {0.1, 0.8}) {
      auto const law =
          analysis::mixture_kernel(pairs, p.at(t), p.at(t - 1), 0, law_type{1.0 - one, one});
      CHECK(law[1] == doctest::Approx(one * p.gamma(t)).epsilon(1e-12));
      auto const kept =
          analysis::mixture_kernel(pairs, p.at(t), p.at(t - 1), 1, law_type{1.0 - one, one});
      CHECK(kept[1] == doctest::Approx(one).epsilon(1e-12));  // of data that cannot be, nothing
    }
  }
}

TEST_CASE("digress: discrete flow matching of graphs") {
  using process_type = process::marginal<schedule::mask_power>;
  law_type const node_pi{0.6, 0.4}, pair_pi{0.3, 0.7};
  process_type const nodes(node_pi), pairs(pair_pi);
  solver::defog const stirred{.eta = 2.0};
  sampler const s{process::product{std::tuple{nodes, pairs}},
                  solver::product{std::tuple{stirred, stirred}}};
  auto const kernel = [](auto const& process, level const& from, level const& to, int now,
                         double one) {
    law_type out(2, 0.0), posterior{1.0 - one, one};
    for (int x1 = 0; x1 < 2; ++x1) {
      double const share = posterior[static_cast<std::size_t>(x1)];
      if (to.sigma == 0.0) {
        out[static_cast<std::size_t>(x1)] += share;
        continue;
      }
      auto const limit = process.limit();
      solver::defog::rates const rate(limit, from.alpha, 2.0, 0.0, now, x1);
      double const jump = std::min(1.0, rate(1 - now) * (to.alpha - from.alpha));
      out[static_cast<std::size_t>(1 - now)] += share * jump;
      out[static_cast<std::size_t>(now)] += share * (1.0 - jump);
    }
    return out;
  };
  check_laws("defog graphs", s, grid::distorted(nodes, 4, grid::distortion::polydec), node_pi,
             pair_pi, 33, kernel);
}

TEST_CASE("digress: a graph depends on the names of its nodes and on nothing else") {
  std::vector<std::int64_t> const sizes{9, 5, 12};
  std::vector<std::vector<std::int32_t>> names;
  for (auto const n : sizes) {
    names.emplace_back(static_cast<std::size_t>(n));
    std::iota(names.back().begin(), names.back().end(), 0);
  }
  auto const graphs = named(sizes, 0, names, {4, 7, 2});
  CHECK(graphs[0].edges() > 0);
  CHECK(graphs[0].edges() < pair_count(9));

  CHECK(named(sizes, 15, names, {4, 7, 2}) == graphs);    // padding
  CHECK(named(sizes, 0, names, {4, 7, 2}, 3) == graphs);  // threads
  auto const alone = named({5}, 0, {names[1]}, {7});      // the batch
  CHECK(alone[0] == graphs[1]);
  CHECK_FALSE(named({5}, 0, {names[1]}, {8})[0] == graphs[1]);

  auto orders = names;  // the order of nodes
  std::vector<std::vector<std::int64_t>> permutations;
  for (auto& order : orders) {
    for (std::size_t k = 0; k < order.size(); ++k)
      std::swap(order[k], order[(5 * k + 2) % order.size()]);
    permutations.emplace_back(order.begin(), order.end());
  }
  auto const shuffled = named(sizes, 0, orders, {4, 7, 2});
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    CHECK(shuffled[b] == permuted(graphs[b], permutations[b]));
  }
  CHECK_FALSE(shuffled[0] == graphs[0]);
}

TEST_CASE("digress: a part of a graph that is kept") {
  auto const s = small_sampler();
  graph_batch batch({8});
  labelled_graph scaffold(8);
  scaffold.nodes = {2, 1, 2, 0, 0, 0, 0, 0};
  scaffold.pair(0, 1) = scaffold.pair(1, 2) = 1;
  batch.set(0, scaffold);
  batch.keep(0, std::vector<std::int64_t>{0, 1, 2});
  options<> o{noise::counted{3}};
  o.fixed = {batch.fixed_nodes(), batch.fixed_pairs()};
  invariant_network const network{{}, &batch};
  s.sample(exec::host{}, network, grid::uniform_t(std::get<0>(s.process.parts), 13), batch.state(),
           o);
  auto const made = batch[0];
  for (std::int64_t j = 0; j < 3; ++j) {
    CHECK(made.nodes[static_cast<std::size_t>(j)] == scaffold.nodes[static_cast<std::size_t>(j)]);
    for (std::int64_t i = 0; i < j; ++i) CHECK(made.pair(i, j) == scaffold.pair(i, j));
  }
  CHECK(made.edges() > 2);
}

TEST_CASE("digress: the levels of its chain") {
  // T = 10: its levels t = 0, 1 and 10, of the published schedule.
  auto const s = recipe::digress({1.0}, {0.5, 0.5}, 10);
  auto const& nodes = std::get<0>(s.process.parts);
  CHECK(nodes.at(1.0 / 11).alpha == doctest::Approx(0.9765823483).epsilon(1e-7));
  CHECK(nodes.at(2.0 / 11).alpha == doctest::Approx(0.9151673317).epsilon(1e-7));
  CHECK(nodes.at(1.0).alpha == doctest::Approx(1.994186e-06).epsilon(1e-5));
}

TEST_CASE("digress: what is refused") {
  CHECK_THROWS_WITH_AS(recipe::digress({1.0}, {0.5, 0.5}, 0), doctest::Contains("steps = 0"),
                       error);
  CHECK_THROWS_WITH_AS(recipe::digress({1.0}, {0.5, 0.4}, 5), doctest::Contains("sum of pi"),
                       error);
}
