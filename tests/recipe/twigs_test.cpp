// Trunk and stems: joint Gaussian laws through exact denoisers, what a stem that is ignored does
// not change, and a trunk of classes with a stem of numbers.

#include <diffx/denoiser/twigs.hpp>
#include <diffx/domain/graph/graph_batch.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/recipe/twigs.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>

#include "support/statistics.hpp"
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;

// ---- g ~ N(m, v), p = w g + noise: a trunk and a stem of one number each ----

constexpr double mean_g = 0.5, var_g = 0.6, slope = 0.9, noise_p = 0.2;
constexpr double mean_p = slope * mean_g, var_p = slope * slope * var_g + noise_p,
                 cov_gp = slope * var_g;

/// x0 of both, given both: rows of a matrix and offsets.
struct affine {
  std::array<std::array<double, 2>, 2> map;
  std::array<double, 2> offset;
};
affine exact(level const& at) {
  double const a = at.alpha, s2 = at.sigma * at.sigma;
  double const c[2][2] = {{var_g, cov_gp}, {cov_gp, var_p}}, m[2] = {mean_g, mean_p};
  double const v[2][2] = {{a * a * c[0][0] + s2, a * a * c[0][1]},
                          {a * a * c[1][0], a * a * c[1][1] + s2}};
  double const det = v[0][0] * v[1][1] - v[0][1] * v[1][0];
  double const k[2][2] = {{v[1][1] / det, -v[0][1] / det}, {-v[1][0] / det, v[0][0] / det}};
  affine out{};
  for (std::size_t i = 0; i < 2; ++i) {
    out.offset[i] = m[i];
    for (std::size_t j = 0; j < 2; ++j) {
      out.map[i][j] = a * (c[i][0] * k[0][j] + c[i][1] * k[1][j]);
    }
    for (std::size_t j = 0; j < 2; ++j) out.offset[i] -= out.map[i][j] * a * m[j];
  }
  return out;
}

using two = std::tuple<batch_view<float const>, batch_view<float const>>;

void tell(two const& x, level const& at, std::size_t block, batch_view<float> out) {
  affine const f = exact(at);
  for (std::int64_t b = 0; b < out.batch; ++b) {
    double const g = static_cast<double>(std::get<0>(x).row(b)[0]);
    double const p = static_cast<double>(std::get<1>(x).row(b)[0]);
    out.row(b)[0] = static_cast<float>(f.map[block][0] * g + f.map[block][1] * p + f.offset[block]);
  }
}

struct heads {
  prediction::product<prediction::x0, prediction::x0> prediction{};
  template <class Exec>
  void operator()(Exec const&, two const& x, query const& q,
                  std::tuple<batch_view<float>, batch_view<float>> const& out) const {
    tell(x, q.at, 0, std::get<0>(out));
    tell(x, q.at, 1, std::get<1>(out));
  }
};

template <std::size_t Block>
struct own_network {
  prediction::x0 prediction{};
  template <class Exec>
  void operator()(Exec const&, two const& x, query const& q, batch_view<float> out) const {
    tell(x, q.at, Block, out);
  }
};

auto twins(int rounds) {
  return recipe::twigs(std::tuple{process::vp<>{}}, std::tuple{solver::ddpm{}},
                       std::tuple{process::vp<>{}}, std::tuple{solver::ddpm{}}, rounds);
}

struct moments {
  std::array<double, 2> mean{};
  std::array<std::array<double, 2>, 2> cov{{{1.0, 0.0}, {0.0, 1.0}}};
};

/// The chain of the card's step, a trunk that is held and a stem that goes back.
moments chain(timetable const& grid, int rounds) {
  moments m;
  for (int i = 0; i < grid.steps(); ++i) {
    level const t = grid[i], s = grid[i + 1];
    double const a = t.alpha / s.alpha, v = t.sigma * t.sigma - a * a * s.sigma * s.sigma;
    double const keep = a * s.sigma * s.sigma / (t.sigma * t.sigma);
    double const kick = s.alpha * v / (t.sigma * t.sigma);
    double const spread = std::sqrt(v) * s.sigma / t.sigma;
    affine const f = exact(t);
    for (int r = 0; r < rounds; ++r) {
      bool const last = r + 1 == rounds;
      double map[2][2], add[2], var[2];
      for (std::size_t k = 0; k < 2; ++k) {
        for (std::size_t j = 0; j < 2; ++j) map[k][j] = (k == j ? keep : 0.0) + kick * f.map[k][j];
        add[k] = kick * f.offset[k];
        var[k] = spread * spread;
      }
      if (!last) {
        map[0][0] = 1.0, map[0][1] = 0.0, add[0] = 0.0, var[0] = 0.0;
        for (double& e : map[1]) e *= a;
        add[1] *= a;
        var[1] = a * a * var[1] + v;
      }
      moments next;
      for (std::size_t k = 0; k < 2; ++k) {
        next.mean[k] = map[k][0] * m.mean[0] + map[k][1] * m.mean[1] + add[k];
        for (std::size_t j = 0; j < 2; ++j) {
          double c = k == j ? var[k] : 0.0;
          for (std::size_t p = 0; p < 2; ++p) {
            for (std::size_t q = 0; q < 2; ++q) c += map[k][p] * m.cov[p][q] * map[j][q];
          }
          next.cov[k][j] = c;
        }
      }
      m = next;
    }
  }
  return m;
}

timetable to_data(int steps) {
  return grid::uniform_t(process::vp<>{}, steps, {1.0, 1e-3, grid::end_point::zero});
}

template <class Sampler, class Denoiser>
std::pair<std::vector<float>, std::vector<float>> sampled(Sampler const& s, Denoiser const& d,
                                                          timetable const& grid, std::int64_t count,
                                                          int* nfe = nullptr) {
  std::vector<float> g(static_cast<std::size_t>(count)), p(g.size());
  auto const r = s.sample(
      exec::threads{2}, d, grid,
      std::tuple{batch_view<float>{g.data(), count, 1}, batch_view<float>{p.data(), count, 1}},
      options<>{noise::counted{9}});
  if (nfe != nullptr) *nfe = r.nfe;
  return {g, p};
}

}  // namespace

TEST_CASE("twigs: the joint law of a Gaussian trunk and stem") {
  // More steps come nearer to the joint law, also by a loop.
  for (int const rounds : {1, 2, 4}) {
    auto const error = [&](int steps) {
      auto const m = chain(to_data(steps), rounds);
      return std::fabs(m.cov[0][0] - var_g) + std::fabs(m.cov[1][1] - var_p) +
             std::fabs(m.cov[0][1] - cov_gp);
    };
    CHECK(error(400) < 0.6 * error(200));
    CHECK(error(800) < 0.03);
  }
  constexpr std::int64_t count = 60'000;
  auto const grid = to_data(12);
  for (int const rounds : {1, 3}) {
    int nfe = 0;
    auto const [g, p] = sampled(twins(rounds), heads{}, grid, count, &nfe);
    CHECK(nfe == 12 * rounds);
    auto const m = chain(grid, rounds);
    double sum[2] = {}, square[3] = {};
    for (std::size_t b = 0; b < g.size(); ++b) {
      double const x = static_cast<double>(g[b]) - m.mean[0];
      double const y = static_cast<double>(p[b]) - m.mean[1];
      sum[0] += x / count, sum[1] += y / count;
      square[0] += x * x / count, square[1] += y * y / count, square[2] += x * y / count;
    }
    auto const near = [&](double got, double want, double variance) {
      return test::passes("twigs " + std::to_string(rounds),
                          test::p_of_z((got - want) / std::sqrt(variance / count)));
    };
    double const vg = m.cov[0][0], vp = m.cov[1][1], c = m.cov[0][1];
    CHECK(near(sum[0], 0.0, vg));
    CHECK(near(sum[1], 0.0, vp));
    CHECK(near(square[0], vg, 2.0 * vg * vg));
    CHECK(near(square[1], vp, 2.0 * vp * vp));
    CHECK(near(square[2], c, vg * vp + c * c));
  }
}

TEST_CASE("twigs: networks of their own are the same run, and are counted") {
  auto const grid = to_data(7);
  denoiser::twigs const apart{own_network<0>{}, own_network<1>{}};
  int nfe = 0;
  for (int const rounds : {1, 2}) {
    CHECK(sampled(twins(rounds), apart, grid, 50, &nfe) ==
          sampled(twins(rounds), heads{}, grid, 50));
    CHECK(nfe == 2 * 7 * rounds);
  }
}

TEST_CASE("twigs: stems that are ignored leave the plain run, bit for bit") {
  struct deaf {
    prediction::product<prediction::x0, prediction::x0> prediction{};
    void operator()(exec::threads const&, two const& x, query const& q,
                    std::tuple<batch_view<float>, batch_view<float>> const& out) const {
      for (std::int64_t b = 0; b < std::get<0>(x).batch; ++b) {
        float const g = std::get<0>(x).row(b)[0];
        std::get<0>(out).row(b)[0] = std::tanh(g + static_cast<float>(q.at.t));
        std::get<1>(out).row(b)[0] = 2.0F * g;  // the stem does follow the trunk
      }
    }
  };
  struct alone {
    prediction::x0 prediction{};
    void operator()(exec::threads const&, batch_view<float const> x, query const& q,
                    batch_view<float> out) const {
      for (std::int64_t b = 0; b < x.batch; ++b) {
        out.row(b)[0] = std::tanh(x.row(b)[0] + static_cast<float>(q.at.t));
      }
    }
  };
  auto const grid = to_data(6);
  std::vector<float> want(40);
  sampler{process::vp<>{}, solver::ddpm{}}.sample(exec::threads{2}, alone{}, grid,
                                                  batch_view<float>{want.data(), 40, 1},
                                                  options<>{noise::counted{9}});
  for (int const rounds : {1, 2, 5}) CHECK(sampled(twins(rounds), deaf{}, grid, 40).first == want);
  auto const short_of = grid::uniform_t(process::vp<>{}, 6);  // where the stem has noise
  CHECK(sampled(twins(1), deaf{}, short_of, 40).second !=
        sampled(twins(2), deaf{}, short_of, 40).second);
}

TEST_CASE("twigs: rounds out of range are refused") {
  CHECK_THROWS_AS(sampled(twins(0), heads{}, to_data(3), 2), error);
  CHECK_THROWS_AS(sampled(twins(65), heads{}, to_data(3), 2), error);
}

// ---- a trunk of DiGress, two nodes and their pair, and a number that depends on the graph ----

namespace {

constexpr double spread_p = 0.5;
double graph_law(std::size_t code) {
  constexpr double p[8] = {0.05, 0.1, 0.1, 0.2, 0.2, 0.05, 0.05, 0.25};
  return p[code];
}
double number_of(std::size_t code) {
  return code == 0 ? -1.0 : code == 7 ? 1.5 : 0.2 * static_cast<double>(code % 3);
}

using mixed = std::tuple<batch_view<std::int32_t const>, batch_view<std::int32_t const>,
                         batch_view<float const>>;

/// The exact posteriors of nodes and pair, and the exact mean of the number.
struct graph_network {
  prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>, prediction::x0>
      prediction{};
  process::vp<> numbers{};
  template <class Exec>
  void operator()(
      Exec const& exec, mixed const& x, query const& q,
      std::tuple<batch_view<float>, batch_view<float>, batch_view<float>> const& out) const {
    level const number = numbers.at(q.at.t);
    exec.for_each_sample(std::get<0>(x).batch, [&](std::int64_t b) {
      int const now[3] = {std::get<0>(x).row(b)[0], std::get<0>(x).row(b)[1],
                          std::get<1>(x).row(b)[0]};
      double const p = static_cast<double>(std::get<2>(x).row(b)[0]);
      double const v = std::pow(number.alpha * spread_p, 2) + std::pow(number.sigma, 2);
      double total = 0.0, ones[3] = {}, mean = 0.0;
      for (std::size_t code = 0; code < 8; ++code) {
        double w = graph_law(code);
        for (std::size_t k = 0; k < 3; ++k) {
          int const clean = static_cast<int>(code >> k & 1);
          w *= (clean == now[k] ? q.at.alpha : 0.0) + 0.5 * (1.0 - q.at.alpha);
        }
        double const off = p - number.alpha * number_of(code);
        w *= std::exp(-0.5 * off * off / v);
        total += w;
        for (std::size_t k = 0; k < 3; ++k) ones[k] += (code >> k & 1) != 0 ? w : 0.0;
        mean += w * (number_of(code) + number.alpha * spread_p * spread_p / v * off);
      }
      for (std::size_t k = 0; k < 3; ++k) {
        float* const row = k < 2 ? std::get<0>(out).row(b) + 2 * k : std::get<1>(out).row(b);
        row[0] = static_cast<float>(std::log(1.0 - ones[k] / total));
        row[1] = static_cast<float>(std::log(ones[k] / total));
      }
      std::get<2>(out).row(b)[0] = static_cast<float>(mean / total);
    });
  }
};

}  // namespace

TEST_CASE("twigs: a trunk of classes with a stem of numbers has the joint law") {
  using process_type = process::marginal<schedule::mask_power>;
  process_type const half({0.5, 0.5});
  constexpr std::int64_t count = 4'000;
  for (int const rounds : {1, 2}) {
    auto const s =
        recipe::twigs(std::tuple{half, half}, std::tuple{solver::ancestral{}, solver::ancestral{}},
                      std::tuple{process::vp<>{}}, std::tuple{solver::ddpm{}}, rounds);
    auto const grid = grid::uniform_t(half, 250, {1.0, 0.0, grid::end_point::none});
    domain::graph::graph_batch graphs(std::vector<std::int64_t>(count, 2));
    std::vector<float> p(count);
    auto const r =
        s.sample(exec::threads{2}, graph_network{}, grid,
                 std::tuple_cat(graphs.state(), std::tuple{batch_view<float>{p.data(), count, 1}}),
                 options<>{noise::counted{4}});
    CHECK(r.nfe == 250 * rounds);
    std::vector<std::int64_t> counts(8, 0);
    std::vector<double> sum(8, 0.0), square(8, 0.0), law;
    for (std::int64_t b = 0; b < count; ++b) {
      auto const code = static_cast<std::size_t>(
          graphs.nodes().row(b)[0] + 2 * graphs.nodes().row(b)[1] + 4 * graphs.pairs().row(b)[0]);
      ++counts[code];
      double const off = static_cast<double>(p[static_cast<std::size_t>(b)]) - number_of(code);
      sum[code] += off;
      square[code] += off * off;
    }
    for (std::size_t code = 0; code < 8; ++code) law.push_back(graph_law(code));
    CHECK(test::passes("graphs", test::test_cells(counts, law).p));
    for (std::size_t code = 0; code < 8; ++code) {
      auto const n = static_cast<double>(counts[code]);
      double const v = spread_p * spread_p;
      CHECK(test::passes("number", test::p_of_z(sum[code] / n / std::sqrt(v / n))));
      CHECK(test::passes("its variance",
                         test::p_of_z((square[code] / n - v) / (v * std::sqrt(2.0 / n)))));
    }
  }
}
