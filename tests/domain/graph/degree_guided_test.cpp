// Edges that come back: the probabilities against the removal that they undo, whole laws by
// enumeration, names, and what is refused. Counts of whole runs: 1e-6, with the counts named there.

#include <diffx/domain/graph/degree_guided.hpp>
#include <diffx/domain/graph/edge_removal.hpp>

#include "support/message.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::graph;

/// A network that knows the data.
auto knows(sparse_graph const& data) {
  return [&data](edge_query const&, std::span<edge const> pairs, std::span<float> logits) {
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      logits[k] = data.joined(pairs[k].low, pairs[k].high) ? HUGE_VALF : -HUGE_VALF;
    }
  };
}

/// A graph of n nodes in which about `degree` edges meet at each.
sparse_graph random_graph(std::int64_t n, double degree, std::uint64_t seed) {
  noise::counted const noise{seed};
  std::vector<edge> edges;
  auto const wanted = static_cast<std::size_t>(0.5 * degree * static_cast<double>(n));
  std::map<edge, bool> seen;
  for (std::int64_t k = 0; edges.size() < wanted; ++k) {
    auto const w = noise.words({}, 0, k);
    auto const i = static_cast<std::int32_t>(w.word[0] % static_cast<std::uint32_t>(n));
    auto const j = static_cast<std::int32_t>(w.word[1] % static_cast<std::uint32_t>(n));
    edge const e{std::min(i, j), std::max(i, j)};
    if (i != j && seen.emplace(e, true).second) edges.push_back(e);
  }
  return sparse_graph(n, std::move(edges));
}

/// Of three nodes: a logit for every pair, step and graph, finite, of no pattern.
double wild_logit(int step, int graph, int pair) {
  return (7 * graph + 5 * pair + 3 * step + graph * pair) % 9 / 3.0 - 1.2;
}
int code_of(sparse_graph const& g) {
  int code = 0;
  for (edge const& e : g.edges()) code |= 1 << pair_index(e.low, e.high);
  return code;
}

std::array<std::int64_t, 3> degrees_of(int code) {
  std::array<std::int64_t, 3> degree{};
  for (int pair = 0; pair < 3; ++pair) {
    if (!(code >> pair & 1)) continue;
    auto const ends = pair_at(pair);
    ++degree[static_cast<std::size_t>(ends.low)];
    ++degree[static_cast<std::size_t>(ends.high)];
  }
  return degree;
}

/// Where a step that drew `drawn` leads to from `code`: to every order of the new edges its share.
template <class F>
void after_step(degree_guided const& s, int code, int drawn,
                std::array<std::int64_t, 3> const& target, F&& f) {
  if (s.over == surplus::kept) return f(drawn, 1.0);
  std::array<int, 3> order{0, 1, 2};
  do {
    int now = code & drawn;  // what is left of the old edges
    for (int const pair : order) {
      if (!(drawn >> pair & 1) || (code >> pair & 1)) continue;
      auto const degree = degrees_of(now);
      auto const ends = pair_at(pair);
      auto const low = static_cast<std::size_t>(ends.low),
                 high = static_cast<std::size_t>(ends.high);
      if (degree[low] < target[low] && degree[high] < target[high]) now |= 1 << pair;
    }
    f(now, 1.0 / 6.0);
  } while (std::next_permutation(order.begin(), order.end()));
}

/// The law of degree_guided on three nodes, by enumeration of active sets and of their edges.
std::vector<double> exact_law(degree_guided const& s, edge_removal const& p,
                              std::array<std::int64_t, 3> const& target) {
  std::vector<double> law(8, 0.0);
  law[0] = 1.0;
  for (int t = p.steps() - 1; t >= 0; --t) {
    double const gone = 1.0 - p.alpha_bar(t);
    double const before = t > 0                         ? p.alpha_bar(t - 1)
                          : s.last == last_gamma::exact ? 1.0
                                                        : p.alpha_bar(0);
    double const gamma = (1.0 - p.alpha(t)) * before / gone;
    std::vector<double> next(8, 0.0);
    for (int code = 0; code < 8; ++code) {
      auto const degree = degrees_of(code);
      for (int active = 0; active < 8; ++active) {
        double chance = law[static_cast<std::size_t>(code)];
        for (std::size_t i = 0; i < 3; ++i) {
          auto const missing = std::max<std::int64_t>(target[i] - degree[i], 0);
          double const p_active = 1.0 - std::pow(1.0 - gamma, static_cast<double>(missing));
          chance *= active >> i & 1 ? p_active : 1.0 - p_active;
        }
        for (int drawn = 0; drawn < 8; ++drawn) {
          double q = chance;
          for (int pair = 0; pair < 3; ++pair) {
            auto const ends = pair_at(pair);
            bool const was = code >> pair & 1, is = drawn >> pair & 1;
            bool const asked = (active >> ends.low & 1) && (active >> ends.high & 1) &&
                               !(was && s.edges == active_edges::kept);
            double const l = static_cast<double>(static_cast<float>(wild_logit(t, code, pair)));
            double const share = 1.0 / (1.0 + std::exp(-l));
            q *= asked ? (is ? share : 1.0 - share) : (was == is ? 1.0 : 0.0);
          }
          after_step(s, code, drawn, target, [&](int to, double share) {
            next[static_cast<std::size_t>(to)] += q * share;
          });
        }
      }
    }
    law = next;
  }
  return law;
}

}  // namespace

TEST_CASE("edge removal: the schedules") {
  auto const even = edge_removal::even(9);
  for (int t = 0; t < 9; ++t) {
    CHECK(even.alpha_bar(t) == doctest::Approx(1.0 - (t + 1) / 10.0).epsilon(1e-12));
    CHECK(even.gamma(t) == doctest::Approx(1.0 / (t + 1)).epsilon(1e-12));
  }
  for (int const steps : {21, 128}) {
    auto const p = edge_removal::linear(steps);
    CHECK(p.steps() == steps);
    CHECK(p.gamma(0) == 1.0);
    for (int t = 1; t < steps; ++t) {
      CHECK(p.alpha(t) < p.alpha(t - 1));
      CHECK(p.gamma(t) > 0.0);
      CHECK(p.gamma(t) < 1.0);
    }
  }
  CHECK(edge_removal::cosine(1).alpha(0) == doctest::Approx(std::sqrt(0.001)));
  level const half = edge_removal({0.5}).at(0);
  CHECK(half.alpha == 0.5);
  CHECK(half.sigma == 0.5);
  CHECK(half.lambda == 0.0);
  CHECK(edge_removal({0.5, 1.0}).gamma(1) == 0.0);  // nothing was taken in this step
  CHECK(edge_removal({1.0, 1.0}).gamma(1) == 0.0);  // nor ever

  constexpr auto where = "diffx::domain::graph::edge_removal";
  auto const refused = [](auto const& f) { return test::message_of(f); };
  CHECK(test::says(refused([] { edge_removal(std::vector<double>{}); }), where, "alpha.size()", "0",
                   "at least 1"));
  CHECK(test::says(refused([] { edge_removal({0.5, 0.0}); }), where, "alpha[1]", "0", "in (0, 1]"));
  CHECK(test::says(refused([] { edge_removal({1.5}); }), where, "alpha[0]", "1.5", "in (0, 1]"));
  CHECK(refused([] { edge_removal::linear(20); }).find("steps = 20, must be above 20") !=
        std::string::npos);
  CHECK_THROWS_AS(edge_removal::cosine(0), error);
  CHECK_THROWS_AS(edge_removal::even(0), error);
  CHECK_THROWS_AS(edge_removal::reciprocal(0), error);
}

TEST_CASE("edge removal: a node gets an edge back as often as removal took one in that step") {
  // A node of degree 4; its edges go one by one. Given how many are missing at t, how often was
  // one of them still there at t - 1?
  auto const p = edge_removal::cosine(6);
  noise::counted const noise{21};
  constexpr int runs = 200'000, degree = 4, t = 3;
  std::array<std::array<std::int64_t, 2>, degree + 1> seen{};  // by missing edges: none back, some
  for (int r = 0; r < runs; ++r) {
    int missing = 0, fresh = 0;
    for (int e = 0; e < degree; ++e) {
      bool before = true, after = true;
      for (int s = 0; s <= t; ++s) {
        before = after;
        auto const w = noise.words({s, 0}, r, e);
        after = after && detail::unit_uniform(w.word[0], w.word[1]) < p.alpha(s);
      }
      missing += after ? 0 : 1;
      fresh += before && !after ? 1 : 0;
    }
    ++seen[static_cast<std::size_t>(missing)][fresh > 0 ? 1 : 0];
  }
  CHECK(seen[0][1] == 0);
  for (int missing = 1; missing <= degree; ++missing) {
    double const back = active_probability(p.gamma(t), missing);
    auto const& counts = seen[static_cast<std::size_t>(missing)];
    REQUIRE(counts[0] + counts[1] > 1000);
    CHECK(test::passes("back of " + std::to_string(missing),
                       test::test_cells(counts, std::vector<double>{1.0 - back, back}).p));
  }
  CHECK(active_probability(0.3, 0) == 0.0);
  CHECK(active_probability(0.3, -2) == 0.0);
  CHECK(active_probability(1.0, 1) == 1.0);
}

TEST_CASE("degree_guided: a network that knows the data gives it back, and edges only come") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto const data = random_graph(60, 6.0, seed);
    auto const know = knows(data);
    std::size_t edges = 0;
    auto const watched = [&](edge_query const& q, std::span<edge const> pairs,
                             std::span<float> logits) {
      CHECK(q.graph.edges().size() >= edges);
      edges = q.graph.edges().size();
      for (edge const& e : q.graph.edges()) REQUIRE(data.joined(e.low, e.high));
      std::vector<std::int32_t> active;
      for (std::int32_t i = 0; i < 60; ++i) {
        if (q.is_active[static_cast<std::size_t>(i)] == 1) active.push_back(i);
      }
      REQUIRE(std::equal(active.begin(), active.end(), q.active.begin(), q.active.end()));
      for (edge const& e : pairs) {
        REQUIRE(e.low < e.high);
        REQUIRE(q.is_active[static_cast<std::size_t>(e.low)] == 1);
        REQUIRE(q.is_active[static_cast<std::size_t>(e.high)] == 1);
        REQUIRE(!q.graph.joined(e.low, e.high));
      }
      know(q, pairs, logits);
    };
    auto const degrees = data.degrees();
    auto const made =
        degree_guided{}.sample(edge_removal::cosine(32), watched, degrees, noise::counted{seed});
    CHECK(made.graph == data);
    CHECK(made.nodes_short == 0);
    CHECK(made.nodes_over == 0);
    CHECK(made.evaluations + made.quiet_steps == 32);
    CHECK(made.pairs_scored < 32 * pair_count(60) / 2);
  }
}

TEST_CASE("degree_guided: steps without a pair of active nodes ask nothing") {
  sparse_graph const data(2, {{0, 1}});
  auto const degrees = data.degrees();
  auto const made =
      degree_guided{}.sample(edge_removal::even(40), knows(data), degrees, noise::counted{2});
  CHECK(made.graph == data);
  CHECK(made.quiet_steps > 30);
  CHECK(made.evaluations + made.quiet_steps == 40);
  CHECK(made.pairs_scored == made.evaluations);
}

TEST_CASE("degree_guided: the law on three nodes, by enumeration") {
  auto const p = edge_removal({0.8, 0.5, 0.3});
  auto const wild = [](edge_query const& q, std::span<edge const> pairs, std::span<float> logits) {
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      logits[k] = static_cast<float>(wild_logit(
          q.step, code_of(q.graph), static_cast<int>(pair_index(pairs[k].low, pairs[k].high))));
    }
  };
  constexpr std::int64_t runs = 60'000;
  for (auto const& target :
       {std::array<std::int64_t, 3>{2, 2, 2}, std::array<std::int64_t, 3>{1, 2, 1}}) {
    for (auto const edges : {active_edges::kept, active_edges::redrawn}) {
      for (auto const& [last, over] : {std::pair{last_gamma::exact, surplus::kept},
                                       {last_gamma::published, surplus::kept},
                                       {last_gamma::exact, surplus::refused}}) {
        degree_guided const s{.edges = edges, .last = last, .over = over};
        std::vector<std::int64_t> counts(8, 0);
        for (std::int64_t r = 0; r < runs; ++r) {
          auto const made = s.sample(p, wild, target, noise::counted{5}, r);
          ++counts[static_cast<std::size_t>(code_of(made.graph))];
          if (over == surplus::refused) REQUIRE(made.nodes_over == 0);
        }
        auto const law = exact_law(s, p, target);
        CHECK(test::passes("degree guided " + std::to_string(target[0]) +
                               (edges == active_edges::kept ? "" : " redrawn") +
                               (last == last_gamma::exact ? "" : " published") +
                               (over == surplus::kept ? "" : " refused"),
                           test::test_cells(counts, law).p));
      }
    }
  }
}

TEST_CASE("degree_guided: nodes in another order, with their names, give the same graph") {
  auto const data = random_graph(40, 5.0, 9);
  auto const degrees = data.degrees();
  // A network of degrees alone does not look at the order.
  auto const network = [](edge_query const& q, std::span<edge const> pairs,
                          std::span<float> logits) {
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      auto const a = q.target[static_cast<std::size_t>(pairs[k].low)];
      auto const b = q.target[static_cast<std::size_t>(pairs[k].high)];
      logits[k] = 0.1f * static_cast<float>(a * b) - 2.0f;
    }
  };
  auto const p = edge_removal::cosine(24);
  auto const made = degree_guided{}.sample(p, network, degrees, noise::counted{3});
  std::vector<std::int32_t> order(40);
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t k = 0; k < 40; ++k) std::swap(order[k], order[(7 * k + 3) % 40]);
  std::vector<std::int64_t> there;
  for (auto const i : order) there.push_back(degrees[static_cast<std::size_t>(i)]);
  auto const other = degree_guided{}.sample(p, network, there, noise::counted{3}, 0, order);
  std::vector<edge> renamed;
  for (edge const& e : other.graph.edges()) {
    renamed.push_back(
        {order[static_cast<std::size_t>(e.low)], order[static_cast<std::size_t>(e.high)]});
  }
  CHECK(sparse_graph(40, renamed) == made.graph);
  CHECK(made.nodes_short + made.nodes_over > 0);  // it does not know the degrees that are missing
  CHECK(other.nodes_short == made.nodes_short);
  CHECK(other.nodes_over == made.nodes_over);
  CHECK(made.ends_over >= made.nodes_over);
  CHECK(other.ends_over == made.ends_over);
  auto const wanted = std::accumulate(degrees.begin(), degrees.end(), std::int64_t{0});
  CHECK(2 * made.graph.edge_count() == wanted - made.ends_short + made.ends_over);

  // Whom a step's edges are refused does not depend on the order either.
  degree_guided const strict{.over = surplus::refused};
  auto const exact = strict.sample(p, network, degrees, noise::counted{3});
  auto const there_too = strict.sample(p, network, there, noise::counted{3}, 0, order);
  renamed.clear();
  for (edge const& e : there_too.graph.edges()) {
    renamed.push_back(
        {order[static_cast<std::size_t>(e.low)], order[static_cast<std::size_t>(e.high)]});
  }
  CHECK(sparse_graph(40, renamed) == exact.graph);
  CHECK(exact.nodes_over == 0);
  CHECK(2 * exact.graph.edge_count() == wanted - exact.ends_short);
  CHECK_FALSE(exact.graph == made.graph);

  // Calls of fewer pairs are the same draws.
  auto const pieces = degree_guided{.most_pairs = 7}.sample(p, network, degrees, noise::counted{3});
  CHECK(pieces.graph == made.graph);
  CHECK(pieces.pairs_scored == made.pairs_scored);
  CHECK(pieces.evaluations > made.evaluations);
  // Another graph of the batch is another graph.
  CHECK_FALSE(degree_guided{}.sample(p, network, degrees, noise::counted{3}, 1).graph ==
              made.graph);
}

TEST_CASE("degree_guided: an edge that is taken makes room for another") {
  // All are active in both steps; the first makes {0, 1} alone, the second all others but {2, 3}.
  auto const network = [](edge_query const& q, std::span<edge const> pairs,
                          std::span<float> logits) {
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      bool const first = pairs[k] == edge{0, 1}, last = pairs[k] == edge{2, 3};
      logits[k] = (q.step == 1 ? first : !first && !last) ? HUGE_VALF : -HUGE_VALF;
    }
  };
  degree_guided const s{.edges = active_edges::redrawn, .over = surplus::refused};
  auto const made = s.sample(edge_removal({1.0, 0.5}), network, std::vector<std::int64_t>(4, 2),
                             noise::counted{1});
  CHECK(made.graph == sparse_graph(4, {{0, 2}, {0, 3}, {1, 2}, {1, 3}}));
}

TEST_CASE("active steps: as often as one draw a step") {
  // Over evenly spread numbers every step comes as often as the product of all that were quiet.
  constexpr int cells = 20'000;
  auto const check = [](std::vector<double> const& gamma) {
    active_steps const steps(gamma);
    auto const count = static_cast<int>(gamma.size());
    for (int from = 0; from <= count; ++from) {
      for (std::int64_t const missing : {1, 2, 5}) {
        std::vector<int> seen(gamma.size() + 1, 0);  // the last for never
        for (int c = 0; c < cells; ++c) {
          int const t = steps.next(from, missing, (c + 0.5) / cells);
          REQUIRE(t < from);
          ++seen[t < 0 ? gamma.size() : static_cast<std::size_t>(t)];
        }
        double quiet = 1.0;
        for (int t = from - 1; t >= 0; --t) {
          double const p = active_probability(gamma[static_cast<std::size_t>(t)], missing);
          CHECK(std::fabs(seen[static_cast<std::size_t>(t)] - cells * quiet * p) <= 1.5);
          quiet *= 1.0 - p;
        }
        CHECK(std::fabs(seen[gamma.size()] - cells * quiet) <= 1.5);
        CHECK(steps.next(from, 0, 0.5) == -1);
        CHECK(steps.next(from, -1, 0.5) == -1);
      }
    }
  };
  check({1.0, 0.4, 0.0, 0.3, 0.7});
  check({0.6, 0.4, 0.2});        // as published: never, for some
  check({1.0, 0.0, 1.0, 0.3});   // alpha was 1 in the first steps
  check({0.0, 0.0, 1.0, 0.25});  // the same, as published
  check({0.0});
  check({1.0});
  auto const p = edge_removal::cosine(7);
  std::vector<double> gamma, published;
  double product = 1.0;
  for (int t = 0; t < 7; ++t) {
    gamma.push_back(p.gamma(t));
    published.push_back(p.published_gamma(t));
    if (t >= 3) product *= 1.0 - p.gamma(t);
  }
  check(gamma);
  check(published);
  CHECK(product == doctest::Approx((1.0 - p.alpha_bar(2)) / (1.0 - p.alpha_bar(6))).epsilon(1e-12));
}

TEST_CASE("degree_guided: pairs are linear in the edges where the steps are") {
  std::vector<std::int64_t> const few{1, 1};
  // One step: both lose their edge with probability 1/2, each by itself.
  CHECK(expected_pairs(edge_removal::even(1), few) == doctest::Approx(0.25));
  // A node of two loses some with 3/4.
  CHECK(expected_pairs(edge_removal::even(1), std::vector<std::int64_t>{1, 2, 1}) ==
        doctest::Approx(0.25 + 2 * 0.5 * 0.75));
  CHECK(expected_pairs(edge_removal({0.9, 0.5}), few) == doctest::Approx(0.1 * 0.1 + 0.45 * 0.45));
  CHECK(steps_for(few) == 1);
  CHECK(steps_for(std::vector<std::int64_t>{}) == 1);
  CHECK(steps_for(std::vector<std::int64_t>(1000, 10)) == 625);
  CHECK(steps_for(std::vector<std::int64_t>(1000, 10), 3.0) == 3334);
  CHECK(steps_for(std::vector<std::int64_t>(1000, 1'000'000)) == noise::max_step);
  CHECK(test::says(test::message_of([&] { steps_for(few, 0.0); }),
                   "diffx::domain::graph::steps_for", "pairs_per_edge", "0", "above 0"));
  for (std::int64_t const n : {500, 4000}) {
    auto const data = random_graph(n, 8.0, 4);
    auto const degrees = data.degrees();
    auto const p = edge_removal::even(steps_for(degrees));
    double const edges = static_cast<double>(data.edge_count());
    double const expected = expected_pairs(p, degrees);
    CHECK(expected == doctest::Approx(16.0 * edges).epsilon(0.1));
    // An active node has one edge to get, as a rule, from any other.
    auto const even_chances = [](edge_query const& q, std::span<edge const> pairs,
                                 std::span<float> logits) {
      double const others = static_cast<double>(q.active.size()) - 2.0;
      std::fill_n(logits.begin(), pairs.size(),
                  static_cast<float>(-std::log(std::max(others, 1e-3))));
    };
    for (auto const over : {surplus::kept, surplus::refused}) {
      auto const made =
          degree_guided{.over = over}.sample(p, even_chances, degrees, noise::counted{4});
      CHECK(static_cast<double>(made.pairs_scored) > 0.9 * expected);
      CHECK(static_cast<double>(made.pairs_scored) < 1.5 * expected);
      CHECK(static_cast<double>(made.graph.edge_count()) > 0.98 * edges);
    }
  }
}

TEST_CASE("degree_guided: what is refused") {
  auto const silent = [](edge_query const&, std::span<edge const>, std::span<float>) {};
  auto const p = edge_removal::cosine(4);
  constexpr auto where = "diffx::domain::graph::degree_guided";
  auto const refused = [&](std::vector<std::int64_t> const& degrees, degree_guided const& s = {},
                           std::vector<std::int32_t> const& names = {}) {
    return test::message_of([&] { s.sample(p, silent, degrees, noise::counted{1}, 0, names); });
  };
  CHECK(test::says(refused({}), where, "degrees.size()", "0", "at least 1"));
  CHECK(test::says(refused({1, 1, 1}), where, "the sum of the degrees", "3",
                   "even: every edge has two ends"));
  CHECK(refused({3, 3, 1, 1}).find("no simple graph has these degrees") != std::string::npos);
  CHECK(refused({3, 3, 1, 1}, {.any_degrees = true}).empty());
  auto const long_run = test::message_of([&] {
    degree_guided{}.sample(edge_removal(std::vector<double>(noise::max_step + 1, 0.5)), silent,
                           std::vector<std::int64_t>{1, 1}, noise::counted{1});
  });
  CHECK(test::says(long_run, where, "process.steps()", "1048575", "at most 2^20 - 2"));
  CHECK(test::says(refused({1, 1}, {.most_pairs = 0}), where, "most_pairs", "0", "at least 1"));
  CHECK(test::says(refused({1, 1}, {}, {1}), where, "names.size()", "1", "that of the degrees"));
  CHECK(test::says(refused({1, 1}, {}, {0, -1}), where, "a name", "-1", "in [0, 5000000)"));
  CHECK(test::says(refused({1, 1}, {}, {0, 5'000'000}), where, "a name", "5000000",
                   "in [0, 5000000)"));
  CHECK(refused({1, 1}, {}, {4, 4}).find("the name 4 stands there twice") != std::string::npos);

  auto const broken = [](edge_query const&, std::span<edge const>, std::span<float> logits) {
    logits[0] = std::numeric_limits<float>::quiet_NaN();
  };
  std::vector<std::int64_t> const two{1, 1};
  auto const what = test::message_of(
      [&] { degree_guided{}.sample(edge_removal({0.5}), broken, two, noise::counted{1}); });
  CHECK(what == std::string(where) + ": the logit of the pair {0, 1} is NaN in step 0");
}
