// Guidance of graphs of three nodes, whose law after every chain is exact: two blocks of classes.

#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/squared_error.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/product.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/defog.hpp>
#include <diffx/solver/product.hpp>

#include "support/kernel_chains.hpp"
#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::graph;
using test::weights;
using codes_view = batch_view<std::int32_t const>;
using state_view = std::tuple<codes_view, codes_view>;
template <class T>
using table_view = std::tuple<batch_view<T>, batch_view<T>>;

constexpr std::size_t places = 6, states = 64;  // three nodes and three pairs of two classes

int bit(std::size_t code, std::size_t place) { return static_cast<int>(code >> place & 1); }

std::size_t code_of(state_view const& x, std::int64_t b) {
  std::size_t code = 0;
  for (std::size_t k = 0; k < places; ++k) {
    auto const c = k < 3 ? std::get<0>(x).row(b)[k] : std::get<1>(x).row(b)[k - 3];
    code |= static_cast<std::size_t>(c) << k;
  }
  return code;
}

/// Of no law in particular: it depends on the branch and on the whole graph.
double logit(int branch, std::size_t code, std::size_t place, int v) {
  std::size_t const c = static_cast<std::size_t>(v), b = static_cast<std::size_t>(branch);
  return static_cast<double>(((7 + 4 * b) * code + 11 * place + 5 * c + code * c) % 13) / 6.0 -
         branch * v * 0.3;
}
weights data_law(int branch, std::size_t code, std::size_t place) {
  return test::softmax({logit(branch, code, place, 0), logit(branch, code, place, 1)});
}

struct network {
  static constexpr int branches = 2;
  prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>> prediction{};

  template <class Exec, class T>
  void operator()(Exec const& exec, state_view const& x, query const& q,
                  table_view<T> const& out) const {
    exec.for_each_sample(std::get<0>(x).batch, [&](std::int64_t b) {
      auto const code = code_of(x, b);
      for (std::size_t k = 0; k < places; ++k) {
        T* const row =
            k < 3 ? std::get<0>(out).row(b) + 2 * k : std::get<1>(out).row(b) + 2 * (k - 3);
        for (int v = 0; v < 2; ++v) row[v] = static_cast<T>(logit(q.branch, code, k, v));
      }
    });
  }
};

/// Edges, and half of the nodes of class 1 times those edges: through both blocks, not linear.
double property_of(std::size_t code) {
  double const edges = bit(code, 3) + bit(code, 4) + bit(code, 5);
  return edges + 0.5 * edges * (bit(code, 0) + bit(code, 1) + bit(code, 2));
}
double slope_of(std::size_t code, std::size_t place) {
  double const edges = bit(code, 3) + bit(code, 4) + bit(code, 5);
  double const ones = bit(code, 0) + bit(code, 1) + bit(code, 2);
  return place < 3 ? 0.5 * edges : 1.0 + 0.5 * ones;
}

struct property {
  template <class Exec, class T>
  void operator()(Exec const&, state_view const& x, query const&, std::span<double> y,
                  table_view<T> const& g) const {
    for (std::size_t b = 0; b < y.size(); ++b) {
      auto const row = static_cast<std::int64_t>(b);
      auto const code = code_of(x, row);
      y[b] = property_of(code);
      for (std::size_t k = 0; k < places; ++k) {
        T* const at =
            k < 3 ? std::get<0>(g).row(row) + 2 * k : std::get<1>(g).row(row) + 2 * (k - 3);
        at[0] = T(0.25);  // what both classes share does not count
        at[1] = static_cast<T>(0.25 + slope_of(code, k));
      }
    }
  }
};

using process_type = process::marginal<>;
process_type nodes() { return process_type({0.6, 0.4}); }
process_type pairs() { return process_type({0.3, 0.7}); }

template <class Solver, class Guidance>
auto guided(Solver const& solver, Guidance const& guidance) {
  return sampler{process::product{std::tuple{nodes(), pairs()}},
                 solver::product{std::tuple{solver, solver}}, guidance};
}

/// kernel(process, from, to, code, place): the law of the place after the step.
using kernel_type = std::function<weights(process_type const&, level const&, level const&,
                                          std::size_t, std::size_t)>;

weights chain(timetable const& grid, kernel_type const& kernel) {
  process_type const of_nodes = nodes(), of_pairs = pairs();
  weights law(states, 1.0);
  for (std::size_t code = 0; code < states; ++code) {
    for (std::size_t k = 0; k < places; ++k) {
      law[code] *= (k < 3 ? of_nodes : of_pairs).limit().probability(bit(code, k));
    }
  }
  for (int i = 0; i < grid.steps(); ++i) {
    weights next(states, 0.0);
    for (std::size_t now = 0; now < states; ++now) {
      std::vector<weights> p;
      for (std::size_t k = 0; k < places; ++k) {
        p.push_back(kernel(k < 3 ? of_nodes : of_pairs, grid[i], grid[i + 1], now, k));
      }
      for (std::size_t to = 0; to < states; ++to) {
        double q = law[now];
        for (std::size_t k = 0; k < places; ++k) q *= p[k][static_cast<std::size_t>(bit(to, k))];
        next[to] += q;
      }
    }
    law = next;
  }
  return law;
}

constexpr std::int64_t samples = 150'000;
constexpr int steps = 4;

timetable small_grid() { return grid::uniform_t(nodes(), steps); }

template <class Sampler, class Denoiser>
std::vector<std::size_t> sampled(Sampler const& s, Denoiser const& d, std::int64_t count = samples,
                                 int* nfe = nullptr) {
  graph_batch batch(std::vector<std::int64_t>(static_cast<std::size_t>(count), 3));
  auto const grid = small_grid();
  auto const r = s.sample(exec::threads{2}, d, grid, batch.state(), options<>{noise::counted{77}});
  if (nfe != nullptr) *nfe = r.nfe;
  std::vector<std::size_t> out;
  state_view const x{codes_view{batch.nodes().data, count, 3},
                     codes_view{batch.pairs().data, count, 3}};
  for (std::int64_t b = 0; b < count; ++b) out.push_back(code_of(x, b));
  return out;
}

void check_law(std::string const& name, std::vector<std::size_t> const& got, std::size_t first,
               std::size_t stride, weights const& law) {
  std::vector<std::int64_t> counts(states, 0);
  for (std::size_t b = first; b < got.size(); b += stride) ++counts[got[b]];
  CHECK(test::passes(name, test::test_cells(counts, law).p));
}

weights kernel_of(process_type const& process, level const& from, level const& to, int now,
                  weights const& p) {
  return test::reverse_kernel(process, from, to, now, p, false);
}

weights powers(weights const& a, weights const& b, double w) {
  weights out;
  for (std::size_t k = 0; k < a.size(); ++k) {
    out.push_back(a[k] > 0.0 && b[k] > 0.0 ? std::pow(a[k], w) * std::pow(b[k], 1.0 - w) : 0.0);
  }
  return out;
}

/// The rate of DeFoG from `now` to the other of two classes, as the mean over the posterior p.
double rate(process_type const& process, double alpha, double eta, double omega, int now,
            weights const& p) {
  auto const law = process.limit();
  int const to = 1 - now;
  double sum = 0.0;
  for (int x1 = 0; x1 < 2; ++x1) {
    auto const mass = [&](int y) {
      return (y == x1 ? alpha : 0.0) + (1.0 - alpha) * law.probability(y);
    };
    auto const slope = [&](int y) { return (y == x1 ? 1.0 : 0.0) - law.probability(y); };
    double const least = std::max(slope(to) - slope(now), 0.0) / (2.0 * mass(now));
    double const hurry = to == x1 ? omega / (2.0 * mass(now)) : 0.0;
    sum += p[static_cast<std::size_t>(x1)] * (least + eta * mass(to) + hurry);
  }
  return sum;
}

}  // namespace

TEST_CASE("graph guidance: a property of the graph, each with a target of its own") {
  double const lambda = 0.15;
  std::vector<double> targets;
  for (std::int64_t b = 0; b < samples; ++b) targets.push_back(b % 2 == 0 ? 0.5 : 4.0);
  process::product const process{std::tuple{nodes(), pairs()}};
  denoiser::classified const d{
      network{}, denoiser::gradient_ratios(process, denoiser::squared_error(property{}, targets))};
  int nfe = 0;
  auto const got = sampled(guided(solver::ancestral{}, guidance::d_cbg{lambda}), d, samples, &nfe);
  CHECK(nfe == 2 * steps);  // the network and the table
  auto const of_rates =
      sampled(guided(solver::defog{.eta = 0.5}, guidance::d_cbg{lambda}), d, samples);
  for (std::size_t const half : {std::size_t{0}, std::size_t{1}}) {
    double const target = half == 0 ? 0.5 : 4.0;
    auto const tilt = [&](std::size_t code, std::size_t place, int to) {
      double const error = property_of(code) - target;
      return std::exp(-lambda * 2.0 * error * slope_of(code, place) * to);
    };
    check_law("regressor", got, half, 2,
              chain(small_grid(), [&](auto const& process_of, level const& from, level const& to,
                                      std::size_t code, std::size_t k) {
                auto q = kernel_of(process_of, from, to, bit(code, k), data_law(0, code, k));
                for (int v = 0; v < 2; ++v) q[static_cast<std::size_t>(v)] *= tilt(code, k, v);
                test::normalise(q);
                return q;
              }));
    check_law("regressor of rates", of_rates, half, 2,
              chain(small_grid(), [&](auto const& process_of, level const& from, level const& to,
                                      std::size_t code, std::size_t k) {
                int const now = bit(code, k);
                auto p = data_law(0, code, k);
                if (to.sigma == 0.0) {
                  for (int v = 0; v < 2; ++v) p[static_cast<std::size_t>(v)] *= tilt(code, k, v);
                  test::normalise(p);
                  return p;
                }
                double const r = rate(process_of, from.alpha, 0.5, 0.0, now, p) *
                                 tilt(code, k, 1 - now) / tilt(code, k, now);
                double const jump = std::min(1.0, r * (to.alpha - from.alpha));
                return now == 0 ? weights{1.0 - jump, jump} : weights{jump, 1.0 - jump};
              }));
  }
  // Nothing is asked of the property at 0, and nothing moves.
  auto const plain = guided(solver::ancestral{}, guidance::none{});
  CHECK(sampled(guided(solver::ancestral{}, guidance::d_cbg{0.0}), d, 999, &nfe) ==
        sampled(plain, network{}, 999));
  CHECK(nfe == steps);
  // A graph does not depend on its batch.
  auto const few = sampled(guided(solver::ancestral{}, guidance::d_cbg{lambda}), d, 10);
  CHECK(few == std::vector<std::size_t>(got.begin(), got.begin() + 10));
  denoiser::classified const short_of{
      network{},
      denoiser::gradient_ratios(
          process, denoiser::squared_error(property{}, std::span<double const>(targets).first(9)))};
  CHECK_THROWS_AS(sampled(guided(solver::ancestral{}, guidance::d_cbg{lambda}), short_of, 10),
                  error);
}

TEST_CASE("graph guidance: with and without the condition, predictions, kernels and rates") {
  double const w = 1.8;
  network const d{};
  auto const both = [](std::size_t code, std::size_t k) {
    auto p = powers(data_law(0, code, k), data_law(1, code, k), 1.8);
    test::normalise(p);
    return p;
  };
  int nfe = 0;
  check_law("cfg of predictions",
            sampled(guided(solver::ancestral{}, guidance::cfg{w}), d, samples, &nfe), 0, 1,
            chain(small_grid(), [&](auto const& process, level const& from, level const& to,
                                    std::size_t code, std::size_t k) {
              return kernel_of(process, from, to, bit(code, k), both(code, k));
            }));
  CHECK(nfe == 2 * steps);
  check_law("cfg of kernels", sampled(guided(solver::ancestral{}, guidance::d_cfg{w}), d), 0, 1,
            chain(small_grid(), [&](auto const& process, level const& from, level const& to,
                                    std::size_t code, std::size_t k) {
              auto q = powers(kernel_of(process, from, to, bit(code, k), data_law(0, code, k)),
                              kernel_of(process, from, to, bit(code, k), data_law(1, code, k)), w);
              test::normalise(q);
              return q;
            }));
  check_law("cfg of rates",
            sampled(guided(solver::defog{.eta = 3.0, .omega = 0.2}, guidance::d_cfg{w}), d), 0, 1,
            chain(small_grid(), [&](auto const& process, level const& from, level const& to,
                                    std::size_t code, std::size_t k) {
              if (to.sigma == 0.0) return both(code, k);
              int const now = bit(code, k);
              double const c = rate(process, from.alpha, 3.0, 0.2, now, data_law(0, code, k));
              double const u = rate(process, from.alpha, 3.0, 0.2, now, data_law(1, code, k));
              double const jump =
                  std::min(1.0, std::pow(c, w) * std::pow(u, 1.0 - w) * (to.alpha - from.alpha));
              return now == 0 ? weights{1.0 - jump, jump} : weights{jump, 1.0 - jump};
            }));
  // At 1 the null branch is not asked, and the bits are those of the unguided run.
  auto const same = [&](auto const& solver) {
    auto const plain = sampled(guided(solver, guidance::none{}), d, 999);
    CHECK(sampled(guided(solver, guidance::cfg{1.0}), d, 999, &nfe) == plain);
    CHECK(nfe == steps);
    CHECK(sampled(guided(solver, guidance::d_cfg{1.0}), d, 999, &nfe) == plain);
    CHECK(nfe == steps);
    CHECK(sampled(guided(solver, guidance::d_cfg{1.5}), d, 999) != plain);
  };
  same(solver::ancestral{});
  same(solver::defog{.eta = 0.7});
}
