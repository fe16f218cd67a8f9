// Graphs of numbers on two coupled equations: the loops by hand, moments of Gaussian graphs, and
// what a graph does not depend on.

#include <diffx/domain/graph/number_graphs.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/by_node.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/score.hpp>
#include <diffx/process/ve.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/recipe/gdss.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/euler_maruyama.hpp>

#include "support/statistics.hpp"
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::domain::graph;
using both = prediction::product<prediction::score, prediction::score>;
using row = std::vector<double>;

// ---- a nonlinear system, by hand ----

constexpr std::int64_t n = 4, d = 2;
std::vector<std::int64_t> const sizes{4, 2, 3};

/// A pair of scores, neither of them of anything; NaN in what is padded.
void say(row const& x, row const& a, std::int64_t size, level const& at, row& of_x, row& of_a) {
  of_x.assign(x.size(), std::numeric_limits<double>::quiet_NaN());
  of_a.assign(a.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::int64_t i = 0; i < size; ++i) {
    double near = 0.0;
    for (std::int64_t j = 0; j < size; ++j) {
      if (j != i) {
        near += a[static_cast<std::size_t>(pair_index(i, j))] * x[static_cast<std::size_t>(j * d)];
      }
    }
    for (std::int64_t f = 0; f < d; ++f) {
      auto const e = static_cast<std::size_t>(i * d + f);
      of_x[e] = 0.3 * std::tanh(near) - 0.8 * x[e] + 0.1 * at.t;
    }
  }
  for (std::int64_t j = 0; j < size; ++j) {
    for (std::int64_t i = 0; i < j; ++i) {
      auto const e = static_cast<std::size_t>(pair_index(i, j));
      of_a[e] =
          0.4 * std::tanh(x[static_cast<std::size_t>(i * d)] * x[static_cast<std::size_t>(j * d)]) -
          a[e] + at.t;
    }
  }
}

struct network {
  both prediction{};
  template <class Exec, class T>
  void operator()(Exec const&, std::tuple<batch_view<T const>, batch_view<T const>> const& z,
                  query const& q, std::tuple<batch_view<T>, batch_view<T>> const& out) const {
    auto const& [x, a] = z;
    for (std::int64_t b = 0; b < x.batch; ++b) {
      row of_x, of_a;
      say(row(x.row(b), x.row(b) + x.features), row(a.row(b), a.row(b) + a.features),
          sizes[static_cast<std::size_t>(b)], q.at, of_x, of_a);
      for (std::size_t i = 0; i < of_x.size(); ++i) {
        std::get<0>(out).row(b)[i] = static_cast<T>(of_x[i]);
      }
      for (std::size_t i = 0; i < of_a.size(); ++i) {
        std::get<1>(out).row(b)[i] = static_cast<T>(of_a[i]);
      }
    }
  }
};

process::ve narrow() { return process::ve(schedule::ve_geometric{0.1, 1.0}); }

enum class loop { reverse, euler, s4 };

struct graph_state {
  row x, a;
};

/// The published loops, each block with its own process, both moved at once.
std::vector<graph_state> by_hand(loop which, double snr, langevin_norms norms, int steps) {
  process::vp<> const vp;
  process::ve const ve = narrow();
  auto const grid = grid::uniform_t(vp, steps);
  noise::counted const noise{11};
  std::vector<graph_state> g;
  auto const variate = [&](noise::key key, std::size_t b, std::size_t width) {
    row z(width);
    noise.fill(key, static_cast<std::int64_t>(b), 0, static_cast<int>(width), z.data());
    return z;
  };
  std::size_t const width[2] = {n * d, static_cast<std::size_t>(pair_count(n))};
  auto const free = [&](std::size_t b, int block) {
    return static_cast<std::size_t>(block == 0 ? sizes[b] * d : pair_count(sizes[b]));
  };
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    auto x = variate({noise::prior_step, 0, 0}, b, width[0]);
    auto a = variate({noise::prior_step, 0, 1}, b, width[1]);
    for (double& v : a) v *= ve.at(1.0).sigma;
    for (std::size_t i = free(b, 0); i < x.size(); ++i) x[i] = 0.25;  // padding, and it stays
    for (std::size_t i = free(b, 1); i < a.size(); ++i) a[i] = -0.5;
    g.push_back({x, a});
  }
  for (int i = 0; i < grid.steps(); ++i) {
    level const s[2] = {grid[i], ve.at(grid[i].t)}, e[2] = {grid[i + 1], ve.at(grid[i + 1].t)};
    level const m[2] = {vp.at(0.5 * (grid[i].t + grid[i + 1].t)),
                        ve.at(0.5 * (grid[i].t + grid[i + 1].t))};
    double const dt = grid[i].t - grid[i + 1].t;
    bool const last = i + 1 == grid.steps();
    std::vector<graph_state> score(g.size());
    auto const ask = [&] {
      for (std::size_t b = 0; b < g.size(); ++b) {
        say(g[b].x, g[b].a, sizes[b], s[0], score[b].x, score[b].a);
      }
    };
    auto const part = [](graph_state& of, int block) -> row& { return block == 0 ? of.x : of.a; };
    ask();
    if (snr > 0.0) {
      auto const before = score;
      for (int block = 0; block < 2; ++block) {
        double mean_score = 0.0, mean_noise = 0.0;
        std::vector<double> norm(g.size());
        for (std::size_t b = 0; b < g.size(); ++b) {
          auto const z = variate({i, 16, block}, b, width[block]);
          double square = 0.0, of_noise = 0.0;
          for (std::size_t k = 0; k < free(b, block); ++k) {
            square += std::pow(part(score[b], block)[k], 2);
            of_noise += z[k] * z[k];
          }
          norm[b] = std::sqrt(square);
          mean_score += norm[b] / static_cast<double>(g.size());
          mean_noise += std::sqrt(of_noise) / static_cast<double>(g.size());
        }
        for (std::size_t b = 0; b < g.size(); ++b) {
          double const ratio = norms == langevin_norms::batch ? mean_noise / mean_score
                               : norms == langevin_norms::sample
                                   ? std::sqrt(static_cast<double>(free(b, block))) / norm[b]
                                   : s[block].sigma;
          double const slope = s[block].alpha / e[block].alpha;
          double const c = 2.0 * slope * slope * snr * snr * ratio * ratio;
          auto const z = variate({i, 16, block}, b, width[block]);
          for (std::size_t k = 0; k < free(b, block); ++k) {
            part(g[b], block)[k] += c * part(score[b], block)[k] + std::sqrt(2.0 * c) * z[k];
          }
        }
      }
      if (which != loop::s4) ask();
    }
    for (int block = 0; block < 2; ++block) {
      level const &from = s[block], &to = e[block], &middle = m[block];
      double keep = 1.0, kick = 0.0, spread = 0.0;
      double const beta = 0.1 + (20.0 - 0.1) * from.t;
      if (which == loop::reverse) {
        double const r = from.alpha / to.alpha;
        kick = from.sigma * from.sigma - r * r * to.sigma * to.sigma;
        keep = 2.0 - r;
        spread = last ? 0.0 : std::sqrt(kick);
      } else if (which == loop::euler) {
        double const g2 = block == 0 ? beta : 2.0 * from.sigma * from.sigma * std::log(10.0);
        keep = block == 0 ? 1.0 + 0.5 * beta * dt : 1.0;
        kick = g2 * dt;
        spread = last ? 0.0 : std::sqrt(kick);
      } else {
        double const a1 = middle.alpha / from.alpha, a2 = to.alpha / middle.alpha;
        double const v1 = a1 * a1 * from.sigma * from.sigma - middle.sigma * middle.sigma;
        double const v2 = a2 * a2 * middle.sigma * middle.sigma - to.sigma * to.sigma;
        keep = a1 * a2;
        kick = a2 * (v1 + v2 / (a2 * a2));
        spread = std::sqrt(a2 * a2 * v1 + (last ? 0.0 : v2));
      }
      for (std::size_t b = 0; b < g.size(); ++b) {
        auto const z = variate({i, 0, block}, b, width[block]);
        for (std::size_t k = 0; k < free(b, block); ++k) {
          double& v = part(g[b], block)[k];
          v = keep * v + kick * part(score[b], block)[k] + spread * z[k];
        }
      }
    }
  }
  return g;
}

template <class Sampler, class Exec = exec::host>
std::vector<graph_state> sampled(Sampler const& s, int steps, int* nfe = nullptr,
                                 Exec const& exec = {}) {
  std::size_t const batch = sizes.size();
  row x(batch * n * d, 0.25), a(batch * static_cast<std::size_t>(pair_count(n)), -0.5);
  number_graphs const shape(sizes, d);
  options<> o{noise::counted{11}};
  o.fixed = {shape.fixed_nodes(), shape.fixed_pairs()};
  auto const grid = grid::uniform_t(std::get<0>(s.process.parts), steps);
  auto const r = s.sample(
      exec, network{}, grid,
      std::tuple{batch_view<double>{x.data(), static_cast<std::int64_t>(batch), n * d},
                 batch_view<double>{a.data(), static_cast<std::int64_t>(batch), pair_count(n)}},
      o);
  if (nfe != nullptr) *nfe = r.nfe;
  std::vector<graph_state> out;
  for (std::size_t b = 0; b < batch; ++b) {
    auto const at = [b](row const& of, std::size_t width) {
      auto const first = of.begin() + static_cast<std::ptrdiff_t>(b * width);
      return row(first, first + static_cast<std::ptrdiff_t>(width));
    };
    out.push_back({at(x, n * d), at(a, static_cast<std::size_t>(pair_count(n)))});
  }
  return out;
}

void check_same(std::vector<graph_state> const& got, std::vector<graph_state> const& want) {
  REQUIRE(got.size() == want.size());
  auto const near = [](row const& a, row const& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-9));
  };
  for (std::size_t b = 0; b < got.size(); ++b) {
    near(got[b].x, want[b].x);
    near(got[b].a, want[b].a);
  }
}

constexpr langevin_norms all_norms[] = {langevin_norms::batch, langevin_norms::sample,
                                        langevin_norms::level};

}  // namespace

TEST_CASE("gdss: the loops by hand, with padding that stays and counts in no norm") {
  process::vp<> const vp;
  process::ve const ve = narrow();
  int nfe = 0;
  for (langevin_norms const norms : all_norms) {
    check_same(sampled(recipe::gdss(vp, ve, 0.15, norms), 6, &nfe),
               by_hand(loop::reverse, 0.15, norms, 6));
    CHECK(nfe == 12);
    check_same(sampled(recipe::gdss_s4(vp, ve, 0.15, norms), 6, &nfe),
               by_hand(loop::s4, 0.15, norms, 6));
    CHECK(nfe == 6);
  }
  sampler const plain{
      process::product{std::tuple{vp, ve}},
      solver::product{std::tuple{solver::euler_maruyama{}, solver::euler_maruyama{}}}};
  check_same(sampled(plain, 6), by_hand(loop::euler, 0.0, langevin_norms::level, 6));
}

TEST_CASE("gdss: bits do not depend on threads") {
  exec::threads const pool(2);
  for (langevin_norms const norms : all_norms) {
    auto const s = recipe::gdss(process::vp<>{}, narrow(), 0.15, norms);
    auto const a = sampled(s, 4), b = sampled(s, 4, nullptr, pool);
    for (std::size_t k = 0; k < a.size(); ++k) {
      CHECK(a[k].x == b[k].x);
      CHECK(a[k].a == b[k].a);
    }
  }
}

// ---- Gaussian graphs of three nodes and three pairs ----

namespace {

constexpr std::size_t size6 = 6;
using matrix = std::array<std::array<double, size6>, size6>;
using vector6 = std::array<double, size6>;

matrix inverse(matrix m) {
  matrix out{};
  for (std::size_t i = 0; i < size6; ++i) out[i][i] = 1.0;
  for (std::size_t c = 0; c < size6; ++c) {
    double const p = m[c][c];
    for (std::size_t j = 0; j < size6; ++j) m[c][j] /= p, out[c][j] /= p;
    for (std::size_t r = 0; r < size6; ++r) {
      double const f = m[r][c];
      for (std::size_t j = 0; r != c && j < size6; ++j) {
        m[r][j] -= f * m[c][j];
        out[r][j] -= f * out[c][j];
      }
    }
  }
  return out;
}

/// The law of the data: nodes 0, 1, 2 and pairs {0, 1}, {0, 2}, {1, 2}, the same in any order.
struct gaussian_graphs {
  vector6 mean{0.4, 0.4, 0.4, 0.7, 0.7, 0.7};
  matrix covariance{};
  gaussian_graphs() {
    for (std::size_t i = 0; i < size6; ++i) {
      for (std::size_t j = 0; j < size6; ++j) {
        bool const pair_i = i >= 3, pair_j = j >= 3;
        double v = 0.0;
        if (!pair_i && !pair_j) {
          v = i == j ? 0.5 : 0.1;
        } else if (pair_i && pair_j) {
          v = i == j ? 0.4 : -0.08;
        } else {
          auto const p = pair_at(static_cast<std::int64_t>(pair_i ? i - 3 : j - 3));
          auto const k = static_cast<std::int64_t>(pair_i ? j : i);
          v = k == p.low || k == p.high ? 0.15 : -0.12;
        }
        covariance[i][j] = v;
      }
    }
  }
  /// S(z) = -K (z - alpha mean)
  matrix precision(level const& x, level const& a) const {
    matrix m{};
    for (std::size_t i = 0; i < size6; ++i) {
      for (std::size_t j = 0; j < size6; ++j) {
        m[i][j] = (i < 3 ? x.alpha : a.alpha) * (j < 3 ? x.alpha : a.alpha) * covariance[i][j];
      }
      m[i][i] += std::pow(i < 3 ? x.sigma : a.sigma, 2);
    }
    return inverse(m);
  }
};

struct gaussian_network {
  both prediction{};
  process::ve pairs{};
  gaussian_graphs law{};
  mutable int asked = -1;
  mutable matrix k{};
  template <class Exec>
  void operator()(Exec const& exec,
                  std::tuple<batch_view<float const>, batch_view<float const>> const& z,
                  query const& q,
                  std::tuple<batch_view<float>, batch_view<float>> const& out) const {
    level const at = pairs.at(q.at.t);
    k = law.precision(q.at, at);
    auto const *x = &std::get<0>(z), *a = &std::get<1>(z);
    auto const *of_x = &std::get<0>(out), *of_a = &std::get<1>(out);
    double const alpha = q.at.alpha;
    exec.for_each_sample(x->batch, [=, this](std::int64_t b) {
      vector6 off;
      for (std::size_t i = 0; i < size6; ++i) {
        off[i] = i < 3 ? static_cast<double>(x->row(b)[i]) - alpha * law.mean[i]
                       : static_cast<double>(a->row(b)[i - 3]) - law.mean[i];
      }
      for (std::size_t i = 0; i < size6; ++i) {
        double s = 0.0;
        for (std::size_t j = 0; j < size6; ++j) s -= k[i][j] * off[j];
        (i < 3 ? of_x->row(b)[i] : of_a->row(b)[i - 3]) = static_cast<float>(s);
      }
    });
  }
};

struct moments {
  vector6 mean{};
  matrix covariance{};
};

/// z' = keep z + kick S(z) + spread xi, block by block.
struct affine {
  double keep[2], kick[2], spread[2];
};
void move(moments& m, affine const& by, gaussian_graphs const& law, level const& x,
          level const& a) {
  auto const k = law.precision(x, a);
  matrix map{};
  vector6 mean{};
  for (std::size_t i = 0; i < size6; ++i) {
    int const block = i < 3 ? 0 : 1;
    for (std::size_t j = 0; j < size6; ++j) {
      map[i][j] = (i == j ? by.keep[block] : 0.0) - by.kick[block] * k[i][j];
      mean[i] += map[i][j] * m.mean[j] +
                 by.kick[block] * k[i][j] * (j < 3 ? x.alpha : a.alpha) * law.mean[j];
    }
  }
  matrix next{};
  for (std::size_t i = 0; i < size6; ++i) {
    for (std::size_t j = 0; j < size6; ++j) {
      for (std::size_t p = 0; p < size6; ++p) {
        for (std::size_t q = 0; q < size6; ++q) {
          next[i][j] += map[i][p] * m.covariance[p][q] * map[j][q];
        }
      }
    }
    next[i][i] += std::pow(by.spread[i < 3 ? 0 : 1], 2);
  }
  m = {mean, next};
}

/// The moments that the loop leads to, noise in the last step too.
moments chain(loop which, double snr, int steps, double last_time) {
  process::vp<> const vp;
  process::ve const ve;
  gaussian_graphs const law;
  auto const grid = grid::uniform_t(vp, steps, {1.0, last_time, grid::end_point::none});
  moments m;
  for (std::size_t i = 0; i < size6; ++i) {
    m.covariance[i][i] = i < 3 ? 1.0 : std::pow(ve.at(1.0).sigma, 2);
  }
  for (int i = 0; i < steps; ++i) {
    level const s[2] = {grid[i], ve.at(grid[i].t)}, e[2] = {grid[i + 1], ve.at(grid[i + 1].t)};
    double const half = 0.5 * (grid[i].t + grid[i + 1].t), dt = grid[i].t - grid[i + 1].t;
    level const middle[2] = {vp.at(half), ve.at(half)};
    affine correct{{1.0, 1.0}, {}, {}}, predict{};
    for (int block = 0; block < 2; ++block) {
      level const &from = s[block], &to = e[block], &mid = middle[block];
      double const r = from.alpha / to.alpha;
      double const c = 2.0 * r * r * snr * snr * from.sigma * from.sigma;
      correct.kick[block] = c;
      correct.spread[block] = std::sqrt(2.0 * c);
      double const g2 = from.sigma * from.sigma - r * r * to.sigma * to.sigma;
      if (which == loop::reverse) {
        predict.keep[block] = 2.0 - r;
        predict.kick[block] = g2;
        predict.spread[block] = std::sqrt(g2);
      } else if (which == loop::euler) {
        double const beta = 0.1 + (20.0 - 0.1) * from.t;
        double const rate = block == 0 ? beta : 2.0 * from.sigma * from.sigma * std::log(5000.0);
        predict.keep[block] = block == 0 ? 1.0 + 0.5 * beta * dt : 1.0;
        predict.kick[block] = rate * dt;
        predict.spread[block] = std::sqrt(rate * dt);
      } else {
        double const rs = from.sigma * from.sigma / (from.alpha * from.alpha);
        double const re = to.sigma * to.sigma / (to.alpha * to.alpha);
        predict.keep[block] = to.alpha / from.alpha;
        predict.kick[block] = to.alpha * mid.alpha * (rs - re);
        predict.spread[block] = to.alpha * std::sqrt(rs - re);
      }
    }
    if (snr > 0.0) move(m, correct, law, s[0], s[1]);
    move(m, predict, law, s[0], s[1]);
  }
  return m;
}

double error_of(moments const& m, double last_time) {
  gaussian_graphs const law;
  level const x = process::vp<>{}.at(last_time), a = process::ve{}.at(last_time);
  auto const want = inverse(law.precision(x, a));
  double worst = 0.0;
  for (std::size_t i = 0; i < size6; ++i) {
    for (std::size_t j = 0; j < size6; ++j) {
      worst = std::max(worst, std::fabs(m.covariance[i][j] - want[i][j]));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("gdss: moments of the joint law come nearer in order 1") {
  for (loop const which : {loop::reverse, loop::euler, loop::s4}) {
    double const coarse = error_of(chain(which, 0.0, 2000, 0.05), 0.05);
    double const fine = error_of(chain(which, 0.0, 4000, 0.05), 0.05);
    CAPTURE(coarse);
    CHECK(std::log2(coarse / fine) == doctest::Approx(1.0).epsilon(0.1));
    CHECK(fine < 0.02);
  }
  // A correction that is too short to matter changes little, and helps a coarse predictor.
  CHECK(error_of(chain(loop::reverse, 0.1, 200, 0.05), 0.05) <
        0.8 * error_of(chain(loop::reverse, 0.0, 200, 0.05), 0.05));
}

TEST_CASE("gdss: sampled moments of Gaussian graphs are those of the chain") {
  process::vp<> const vp;
  process::ve const ve;
  constexpr std::size_t count = 60'000;
  constexpr int steps = 30;
  auto const check = [&](std::string const& name, auto const& s, loop which, double snr) {
    number_graphs graphs(std::vector<std::int64_t>(count, 3));
    auto const grid = grid::uniform_t(vp, steps, {1.0, 0.05, grid::end_point::none});
    s.sample(exec::threads{2}, gaussian_network{}, grid, graphs.state(),
             options<>{noise::counted{5}});
    auto const want = chain(which, snr, steps, 0.05);
    moments got;
    std::vector<vector6> z(count);
    for (std::size_t b = 0; b < count; ++b) {
      for (std::size_t i = 0; i < size6; ++i) {
        auto const row = static_cast<std::int64_t>(b);
        z[b][i] = static_cast<double>(i < 3 ? graphs.nodes().row(row)[i]
                                            : graphs.pairs().row(row)[i - 3]) -
                  want.mean[i];
        got.mean[i] += z[b][i] / count;
      }
    }
    for (std::size_t i = 0; i < size6; ++i) {
      double const v = want.covariance[i][i];
      CHECK(test::passes(name + " mean", test::p_of_z(got.mean[i] / std::sqrt(v / count))));
      for (std::size_t j = 0; j <= i; ++j) {
        double c = 0.0;
        for (auto const& e : z) c += e[i] * e[j] / count;
        double const spread = v * want.covariance[j][j] + std::pow(want.covariance[i][j], 2);
        CHECK(test::passes(name + " covariance",
                           test::p_of_z((c - want.covariance[i][j]) / std::sqrt(spread / count))));
      }
    }
  };
  auto const noisy = [&](auto const& solver) {
    return sampler{process::product{std::tuple{vp, ve}},
                   solver::product{std::tuple{solver, solver}}};
  };
  check("reverse", noisy(solver::reverse_diffusion{.noisy_end = true}), loop::reverse, 0.0);
  check("langevin",
        noisy(solver::langevin_corrector<>{0.2, solver::reverse_diffusion{.noisy_end = true},
                                           langevin_norms::level}),
        loop::reverse, 0.2);
  check("euler", noisy(solver::euler_maruyama{.noisy_end = true}), loop::euler, 0.0);
  check("s4", noisy(solver::s4{.snr = 0.0, .noisy_end = true}), loop::s4, 0.0);
}

// ---- what a graph does not depend on ----

namespace {

/// Equivariant, of sums that are exact in float: signs and quarters.
struct exact_sums {
  both prediction{};
  std::vector<std::int64_t> const* of;
  template <class Exec>
  void operator()(Exec const&,
                  std::tuple<batch_view<float const>, batch_view<float const>> const& z,
                  query const&, std::tuple<batch_view<float>, batch_view<float>> const& out) const {
    auto const& [x, a] = z;
    for (std::int64_t b = 0; b < x.batch; ++b) {
      std::int64_t const count = (*of)[static_cast<std::size_t>(b)];
      for (std::int64_t i = 0; i < count; ++i) {
        float near = 0.0F;
        for (std::int64_t j = 0; j < count; ++j) {
          if (j != i) near += a.row(b)[pair_index(i, j)] > 0.5F ? 0.25F : -0.25F;
        }
        for (std::int64_t f = 0; f < d; ++f) {
          std::get<0>(out).row(b)[i * d + f] = near - x.row(b)[i * d + f];
        }
      }
      for (std::int64_t j = 0; j < count; ++j) {
        for (std::int64_t i = 0; i < j; ++i) {
          float const like = x.row(b)[i * d] + x.row(b)[j * d];
          std::get<1>(out).row(b)[pair_index(i, j)] = like - a.row(b)[pair_index(i, j)];
        }
      }
    }
  }
};

/// Nodes and pairs of graph 0 by name.
template <class Sampler>
std::vector<float> named(Sampler const& s, std::vector<std::int64_t> const& of,
                         std::vector<std::int32_t> const& order, std::int64_t padded_to) {
  number_graphs graphs(of, d, padded_to);
  auto const most = static_cast<std::size_t>(graphs.most_nodes());
  std::vector<std::int32_t> names(of.size() * most, 0);
  for (std::size_t b = 0; b < of.size(); ++b) {
    for (std::size_t i = 0; i < most; ++i) {
      names[b * most + i] = static_cast<std::int32_t>(
          b == 0 && i < order.size() ? static_cast<std::size_t>(order[i]) : 100 + i);
    }
  }
  noise::by_node const noise{{3}, names.data(), graphs.most_nodes(), nullptr, d};
  options<noise::by_node> o{noise};
  o.fixed = {graphs.fixed_nodes(), graphs.fixed_pairs()};
  s.sample(exec::host{}, exact_sums{{}, &of}, grid::uniform_t(std::get<0>(s.process.parts), 9),
           graphs.state(), o);
  auto const count = order.size();
  std::vector<float> out(count * d + count * (count - 1) / 2);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t f = 0; f < d; ++f) {
      out[static_cast<std::size_t>(order[i]) * d + f] = graphs.node(0, static_cast<int>(i))[f];
    }
    for (std::size_t j = 0; j < i; ++j) {
      out[count * d + static_cast<std::size_t>(pair_index(order[i], order[j]))] =
          graphs.pairs().row(0)[pair_index(static_cast<int>(i), static_cast<int>(j))];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("gdss: a graph depends neither on padding, nor on its batch, nor on its nodes' order") {
  std::vector<std::int32_t> const order{0, 1, 2, 3, 4}, other{3, 0, 4, 2, 1};
  auto const check = [&](auto const& s, bool any_order) {
    auto const want = named(s, {5}, order, 5);
    CHECK(named(s, {5}, order, 8) == want);
    CHECK(named(s, {5, 7, 2}, order, 7) == want);
    auto const permuted = named(s, {5}, other, 5);
    if (any_order) CHECK(permuted == want);
    for (std::size_t k = 0; k < want.size(); ++k) {
      CHECK(permuted[k] == doctest::Approx(want[k]).epsilon(1e-4));
    }
  };
  process::vp<> const vp;
  process::ve const ve(schedule::ve_geometric{0.1, 1.0});
  check(recipe::gdss(vp, ve, 0.1, langevin_norms::level), true);
  check(recipe::gdss_s4(vp, ve, 0.1, langevin_norms::level), true);
  // Sums of squares may depend on the order in their last bit.
  check(recipe::gdss(vp, ve, 0.1, langevin_norms::sample), false);
  check(recipe::gdss_s4(vp, ve, 0.1), false);
  // Means over the batch do make a graph depend on it.
  auto const published = recipe::gdss(vp, ve, 0.1, langevin_norms::batch);
  CHECK(named(published, {5}, order, 8) == named(published, {5}, order, 5));
  CHECK(named(published, {5, 7, 2}, order, 7) != named(published, {5}, order, 5));
}

TEST_CASE("gdss: numbers become classes, and what is asked wrongly is refused") {
  CHECK(quantised(-3.0, 4) == 0);
  CHECK(quantised(0.4999, 4) == 0);
  CHECK(quantised(0.5, 4) == 1);
  CHECK(quantised(1.4999, 4) == 1);
  CHECK(quantised(1.5, 4) == 2);
  CHECK(quantised(2.4999, 4) == 2);
  CHECK(quantised(2.5, 4) == 3);
  CHECK(quantised(1e30, 4) == 3);
  CHECK(quantised(1e30, 2) == 1);
  CHECK(quantised(std::nan(""), 4) == 0);
  number_graphs graphs({3, 2}, 2);
  graphs.nodes().row(0)[2] = 0.1F;
  graphs.nodes().row(0)[3] = 0.2F;
  graphs.pairs().row(0)[pair_index(0, 2)] = 1.7F;
  graphs.pairs().row(1)[0] = 0.8F;
  auto const g = graphs.quantised(0, 4);
  CHECK(g.nodes == std::vector<std::int32_t>{0, 1, 0});
  CHECK(g.pairs == std::vector<std::int32_t>{0, 2, 0});
  CHECK(graphs.quantised(1, 4).pairs == std::vector<std::int32_t>{1});
  CHECK_THROWS_AS(graphs.quantised(2, 4), error);
  CHECK_THROWS_AS(graphs.quantised(0, 0), error);
  CHECK_THROWS_AS((number_graphs({3}, 0)), error);
  CHECK_THROWS_AS(sampled(recipe::gdss(process::vp<>{}, process::ve{}, 0.0), 3), error);
}

TEST_CASE("options.fixed: a solver that measures its error refuses numbers that stay") {
  std::vector<float> x(4, 0.5F);
  std::vector<std::uint8_t> const keep(4, 1);
  options<> o;
  o.fixed = keep.data();
  sampler const s{process::vp<>{}, solver::adaptive_dopri54{}};
  auto const zero = [](auto const&, batch_view<float const>, query const&, batch_view<float> out) {
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.0F;
  };
  struct silent {
    prediction::score prediction{};
    decltype(zero) f;
    void operator()(exec::host const& e, batch_view<float const> v, query const& q,
                    batch_view<float> out) const {
      f(e, v, q, out);
    }
  };
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, silent{{}, zero}, grid::uniform_t(s.process, 3),
                                batch_view<float>{x.data(), 1, 4}, o),
                       doctest::Contains("measures its error"), error);
}
