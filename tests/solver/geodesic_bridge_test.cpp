// solver::geodesic_bridge and the block of points on spheres: exact laws on a circle, the way to a
// vertex on any sphere, the order of convergence, and what every run promises.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/noise/zero.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/geodesic_bridge.hpp>
#include <diffx/solver/geodesic_random_walk.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/state/sphere.hpp>

#include "support/circle.hpp"
#include "support/statistics.hpp"
#include <algorithm>
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
namespace prior = process::sphere_prior;
using numbers = std::vector<double>;

/// The same logits at every position.
template <class T = float>
auto always(std::vector<T> logits) {
  return denoiser::predicts<prediction::x0_posterior<T>>(
      [logits](auto const&, auto const&, query const&, batch_view<T> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = logits[static_cast<std::size_t>(i) % logits.size()];
        }
      });
}
template <class T>
std::vector<T> sure(std::size_t classes, std::size_t k) {
  std::vector<T> l(classes, -std::numeric_limits<T>::infinity());
  l[k] = T(0);
  return l;
}

// ---- any sphere ----

template <class T, class Prior>
void reaches_vertex(Prior const& p, int steps) {
  sampler const s{process::sphere_bridge<Prior>(5, p), solver::geodesic_bridge{}};
  int const width = s.process.law().width;
  std::vector<T> x(static_cast<std::size_t>(3 * 2 * width));
  s.sample(exec::host{}, always<T>(sure<T>(5, 3)), grid::uniform_t(s.process, steps),
           batch_view<T>{x.data(), 3, 2 * width}, options{noise::counted{7}});
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const want = static_cast<int>(i) % width == 3 ? 1.0 : 0.0;
    // The distance to the vertex is known to the square root of rounding in its cosine.
    CHECK(std::fabs(static_cast<double>(x[i]) - want) < (sizeof(T) == 4 ? 1e-6 : 1e-14));
  }
}

TEST_CASE("geodesic_bridge: a sure network ends on its vertex, from every prior, in any steps") {
  for (int const steps : {1, 2, 3, 50}) {
    CAPTURE(steps);
    reaches_vertex<float>(prior::mask{}, steps);
    reaches_vertex<double>(prior::mask{}, steps);
    reaches_vertex<double>(prior::barycentre{}, steps);
    reaches_vertex<double>(prior::initial{0.4}, steps);
    reaches_vertex<float>(prior::mixture{}, steps);
  }
}

TEST_CASE("geodesic_bridge: one step without noise is a part of the geodesic") {
  process::sphere_bridge<> const p(4);
  sampler const s{p, solver::geodesic_bridge{}};
  timetable const g({p.at(0.9), p.at(0.2)});
  numbers const p_k{0.1, 0.2, 0.3, 0.4};
  std::vector<double> logits;
  for (double const q : p_k) logits.push_back(std::log(q) + 3.0);
  numbers x{0.5, 0.1, -0.3, 0.2, 0.0}, drift(5), want(5);
  double norm = 0.0;
  for (double const v : x) norm += v * v;
  for (double& v : x) v /= std::sqrt(norm);
  sphere::toward_vertices(5, 4, x.data(), p_k.data(), drift.data());
  for (double& v : drift) v *= 1.0 - p.at(0.2).sigma / p.at(0.9).sigma;
  sphere::exp_map(5, x.data(), drift.data(), want.data());
  options<noise::zero> o;
  o.start = start::given;
  numbers preview(5, 9.0);
  exec::host const host;
  auto const d = always<double>(logits);
  batch_view<double> const v{x.data(), 1, 5};
  detail::workspace const memory(s.workspace_size(host, d, v, o));
  auto r = s.start(host, d, g, v, memory.span(), o);
  r.preview_into(preview.data());
  r.finish();
  for (std::size_t k = 0; k < 5; ++k) {
    CHECK(std::fabs(x[k] - want[k]) < 1e-14);
    CHECK(preview[k] == doctest::Approx(k < 4 ? std::sqrt(p_k[k]) : 0.0).epsilon(1e-13));
  }
}

TEST_CASE("geodesic steps: the norm stays 1 over 10000 steps in float") {
  process::sphere_bridge<> const p(27);
  sampler const s{p, solver::geodesic_random_walk{}};
  std::vector<float> x(28 * 4);
  float worst = 0.0f;
  s.sample(exec::host{}, always<float>(std::vector<float>(27, 0.0f)), grid::uniform_t(p, 10000),
           batch_view<float>{x.data(), 2, 56}, options{}, [&](progress const&) {
             for (std::size_t i = 0; i < x.size(); i += 28) {
               double sum = 0.0;
               for (std::size_t k = 0; k < 28; ++k) sum += static_cast<double>(x[i + k]) * x[i + k];
               worst = std::max(worst, static_cast<float>(std::fabs(std::sqrt(sum) - 1.0)));
             }
           });
  CHECK(worst < 2e-7f);  // one rounding of 28 coordinates, however many steps
}

// ---- the circle ----

/// The share of angles in cells of equal probability of N(mean, deviation^2).
double p_of_normal(numbers const& x, double mean, double deviation) {
  std::vector<std::int64_t> count(16, 0);
  for (std::size_t i = 0; i < x.size(); i += 2) {
    double const u = test::normal_cdf((std::atan2(x[i + 1], x[i]) - mean) / deviation);
    ++count[std::min<std::size_t>(15, static_cast<std::size_t>(16.0 * u))];
  }
  return test::test_cells(count, numbers(16, 1.0 / 16)).p;
}

// n = 200000 sees a total variation of 1 % over 16 cells (power 0.99).
TEST_CASE("geodesic_bridge on a circle: exact in law while the posterior stays, in any steps") {
  constexpr std::int64_t n = 200'000;
  sampler const s{test::circle(), solver::geodesic_bridge{}};
  double const total = s.process.schedule().to_come(1.0);
  struct {
    numbers logits;
    double goal;
  } const cases[] = {{{0.0, -HUGE_VAL}, 0.0},
                     {{std::log(0.25), std::log(0.75)}, 0.75 * test::circle_vertex(1)}};
  for (auto const& c : cases) {
    for (int const steps : {1, 3}) {
      // One step, or three uneven ones, to t = 0.3.
      level const at = s.process.at(0.3);
      std::vector<level> levels{s.process.at(1.0)};
      if (steps == 3) levels.insert(levels.end(), {s.process.at(0.9), s.process.at(0.4)});
      levels.push_back(at);
      numbers x(2 * n);
      s.sample(exec::threads{2}, always<double>(c.logits), timetable(levels),
               batch_view<double>{x.data(), n, 2}, options{noise::counted{17}});
      // A mean direction is a goal between the vertices: the way to it is the mean way.
      double const mean = at.sigma * test::circle_start + at.alpha * c.goal;
      CHECK(test::passes("circle, fixed posterior",
                         p_of_normal(x, mean, std::sqrt(total * at.alpha * at.sigma))));
    }
  }
}

/// The law of the angle after the steps that a solver plans, with the exact posterior, on a grid:
/// p'(y) = int N(y; x + pull (E[vertex | x] - x), spread^2) p(x) dx.
class angle_law {
 public:
  explicit angle_law(double share) : share_(share), density_(points, 0.0) {}

  void step(categorical_stage const& s, double total) {
    double const pull = s.weight[0], spread = s.weight[1];
    numbers next(points, 0.0);
    if (first_) {
      for (std::size_t j = 0; j < points; ++j) {
        next[j] = normal(at(j), moved(test::circle_start, pull, total, s.at), spread);
      }
    } else {
      for (std::size_t i = 0; i < points; ++i) {
        if (density_[i] < 1e-20) continue;
        double const mean = moved(at(i), pull, total, s.at);
        for (std::size_t j = 0; j < points; ++j) {
          next[j] += density_[i] * normal(at(j), mean, spread) * width;
        }
      }
    }
    density_ = next;
    first_ = false;
  }

  /// Probability of angles above a bound that lies on the grid's edges, or of a function of them.
  template <class F>
  double mean_of(F const& f) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < points; ++i) sum += density_[i] * width * f(at(i));
    return sum;
  }

  double posterior(double angle, double total, level const& l) const {
    double const a = test::circle_logit(0, angle, share_, total, l);
    double const b = test::circle_logit(1, angle, share_, total, l);
    return 1.0 / (1.0 + std::exp(a - b));
  }

 private:
  static constexpr std::size_t points = 2400;
  static constexpr double low = -1.6, width = 4.8 / points;
  static double at(std::size_t i) { return low + width * (static_cast<double>(i) + 0.5); }
  static double normal(double x, double mean, double deviation) {
    double const z = (x - mean) / deviation;
    return std::exp(-0.5 * z * z) / (deviation * std::sqrt(2.0 * std::numbers::pi));
  }
  double moved(double x, double pull, double total, level const& l) const {
    return x + pull * (test::circle_vertex(1) * posterior(x, total, l) - x);
  }

  double share_;
  bool first_ = true;
  numbers density_;
};

template <class Solver>
std::vector<categorical_stage> stages_of(Solver const& solver, timetable const& g) {
  auto const p = test::circle();
  categorical_plan out;
  for (int i = 0; i < g.steps(); ++i) {
    solver.plan(plan_context<test::circle_process>{p, g, i, 0, g.steps() - 1}, out);
  }
  return out.stages();
}

constexpr double share = 0.3;

/// How often token 1 comes out of N steps, without Monte Carlo.
template <class Solver>
double token_share(Solver const& solver, int steps) {
  auto const p = test::circle();
  double const total = p.schedule().to_come(1.0);
  auto const stages = stages_of(solver, grid::uniform_t(p, steps));
  angle_law law(share);
  for (auto const& s : stages) {
    if (s.weight[1] == 0.0) {  // the last step of geodesic_bridge lands on the mean of the vertices
      return law.mean_of([&](double x) { return law.posterior(x, total, s.at) > 0.5 ? 1.0 : 0.0; });
    }
    law.step(s, total);
  }
  return law.mean_of([](double x) { return x > test::circle_start ? 1.0 : 0.0; });
}

TEST_CASE("geodesic steps on a circle: the tokens' law converges at the order of the solver") {
  auto const check = [](auto const& solver) {
    double const coarse = std::fabs(token_share(solver, 8) - share);
    double const fine = std::fabs(token_share(solver, 32) - share);
    MESSAGE(std::string(solver.name), ": token frequency off by ", coarse, " in 8 steps, ", fine,
            " in 32");
    CHECK(fine < 0.02);
    CHECK(fine < coarse / 2.8);  // at least like 1/N: a factor of 4, less what higher orders take
  };
  check(solver::geodesic_bridge{});
  check(solver::geodesic_random_walk{});
}

// n = 200000: two tokens to a total variation of 0.8 %, 15 cells to 1 %.
TEST_CASE("geodesic steps on a circle: runs have the law of the steps they plan") {
  constexpr std::int64_t n = 200'000;
  auto const check = [](auto const& solver, std::string const& name) {
    sampler const s{test::circle(), solver};
    double const total = s.process.schedule().to_come(1.0);
    test::circle_network const network;
    auto const g = grid::uniform_t(s.process, 5);
    numbers x(2 * n);
    exec::threads const exec(2);
    batch_view<double> const v{x.data(), n, 2};
    detail::workspace const memory(s.workspace_size(exec, network, v));
    auto r = s.start(exec, network, g, v, memory.span(), options{noise::counted{23}});
    angle_law law(share);
    auto const stages = stages_of(solver, g);
    for (int i = 0; i < 4; ++i) {
      r.advance();
      law.step(stages[static_cast<std::size_t>(i)], total);
    }
    constexpr std::size_t parts = 15;  // whose edges are edges of the grid too
    numbers cells(parts);
    std::vector<std::int64_t> count(parts, 0);
    auto const cell = [](double angle) {
      return static_cast<std::size_t>(std::clamp((angle + 0.4) / 0.16, 0.0, parts - 1.0));
    };
    for (std::size_t k = 0; k < parts; ++k) {
      cells[k] = law.mean_of([&](double a) { return cell(a) == k ? 1.0 : 0.0; });
    }
    for (std::size_t i = 0; i < x.size(); i += 2) ++count[cell(std::atan2(x[i + 1], x[i]))];
    CHECK(test::passes(name + " between the steps", test::test_cells(count, cells).p));
    r.finish();
    CHECK(r.status().nfe == 5);
    std::int64_t ones = 0;
    for (std::size_t i = 0; i < x.size(); i += 2) ones += sphere::token_at(2, x.data() + i);
    double const p = token_share(solver, 5);
    CHECK(test::passes(
        name + " tokens",
        test::test_cells(std::vector<std::int64_t>{n - ones, ones}, numbers{1.0 - p, p}).p));
  };
  check(solver::geodesic_bridge{}, "geodesic_bridge");
  check(solver::geodesic_random_walk{}, "geodesic_random_walk");
}

// ---- what every run promises ----

TEST_CASE("block on spheres: the same bits for any split, threads, and after a checkpoint") {
  process::sphere_bridge<> const p(5);  // six coordinates: no multiple of four
  sampler const s{p, solver::geodesic_random_walk{}};
  auto const d = always<float>({0.0f, 1.0f, 2.0f, -1.0f, 0.5f});
  auto const g = grid::uniform_t(p, 7);
  constexpr std::int64_t n = 23, row = 18;
  options const opts{noise::counted{5}};
  exec::host const host;
  std::vector<float> whole(n * row), split(n * row), many(n * row), resumed(n * row, 1.0f);
  s.sample(host, d, g, batch_view<float>{whole.data(), n, row}, opts);
  s.sample(exec::threads{3}, d, g, batch_view<float>{many.data(), n, row}, opts);
  for (std::int64_t first = 0; first < n; first += 5) {
    std::int64_t const count = std::min<std::int64_t>(5, n - first);
    s.sample(host, d, g, batch_view<float>{split.data() + first * row, count, row, first}, opts);
  }
  CHECK(whole == split);
  CHECK(whole == many);
  batch_view<float> const v{split.data(), n, row}, w{resumed.data(), n, row};
  auto const size = s.workspace_size(host, d, v, opts);
  detail::workspace const a(size), b(size), c(size);
  auto r = s.start(host, d, g, v, a.span(), opts);
  r.advance();
  r.advance();
  auto const saved = r.checkpoint();
  std::vector<float> forked(n * row);
  auto child = r.fork(3, std::tuple{batch_view<float>{forked.data(), n, row}}, c.span());
  CHECK(forked == split);
  r.finish();
  CHECK(split == whole);
  child.finish();
  CHECK(forked != whole);
  auto again = s.start(host, d, g, w, b.span(), opts);
  again.resume(saved);
  again.finish();
  CHECK(resumed == whole);
}

TEST_CASE("block on spheres: element k of a sample takes element k of its variate") {
  process::sphere_bridge<> const p(4);  // five coordinates
  sampler const s{p, solver::geodesic_random_walk{}};
  timetable const g({p.at(0.5), p.at(0.4)});
  std::vector<double> x(2 * 10, 0.0), noise(2 * 10), want(2 * 10);
  for (std::size_t i = 0; i < x.size(); ++i) noise[i] = std::sin(1.3 * static_cast<double>(i));
  for (std::size_t i = 0; i < x.size(); i += 5) x[i + 4] = 1.0;
  auto const d = always<double>({0.0, 0.0, 0.0, 0.0});
  double const h = 0.5 - 0.4;
  for (std::size_t i = 0; i < x.size(); i += 5) {
    numbers v(5), q(4, 0.25);
    sphere::toward_vertices(5, 4, x.data() + i, q.data(), v.data());
    for (std::size_t k = 0; k < 5; ++k) {
      v[k] =
          p.schedule().pull(0.5) * h * v[k] + std::sqrt(p.schedule().beta(0.5) * h) * noise[i + k];
    }
    sphere::exp_map(5, x.data() + i, v.data(), want.data() + i);
  }
  options<noise::injected<double>> o{
      noise::injected<double>({{{0, 0, 0, 0.0, 0.0}, noise.data()}}, 2, 10)};
  o.start = start::given;
  s.sample(exec::host{}, d, g, batch_view<double>{x.data(), 2, 10}, o);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(x[i] - want[i]) < 1e-14);
}

TEST_CASE("block on spheres: guidance mixes log-probabilities") {
  sampler const plain{test::circle(), solver::geodesic_bridge{}};
  sampler const guided{test::circle(), solver::geodesic_bridge{}, guidance::cfg{2.0}};
  // Odds of share and evens, mixed 2 : -1, are the odds squared.
  test::circle_network network, mixed;
  double const odds = network.share / (1.0 - network.share);
  mixed.share = odds * odds / (1.0 + odds * odds);
  auto const g = grid::uniform_t(plain.process, 6);
  numbers a(200), b(200);
  auto const r = guided.sample(exec::host{}, network, g, batch_view<double>{a.data(), 10, 20});
  // The likelihoods stand twice and once less: they are those of one bridge.
  plain.sample(exec::host{}, mixed, g, batch_view<double>{b.data(), 10, 20});
  CHECK(r.nfe == 12);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) < 1e-10);
  sampler const one{test::circle(), solver::geodesic_bridge{}, guidance::cfg{1.0}};
  numbers c(200), e(200);
  one.sample(exec::host{}, network, g, batch_view<double>{c.data(), 10, 20});
  plain.sample(exec::host{}, network, g, batch_view<double>{e.data(), 10, 20});
  CHECK(c == e);
}

TEST_CASE("block on spheres: beside a block of classes, on one clock") {
  process::product const p{std::tuple{process::sphere_bridge<>(3), process::uniform<>(3)}};
  sampler const s{p, solver::product{std::tuple{solver::geodesic_bridge{}, solver::ancestral{}}}};
  struct network {
    prediction::product<prediction::x0_posterior<>, prediction::x0_posterior<>> prediction{};
    void operator()(exec::host const&,
                    std::tuple<batch_view<float const>, batch_view<std::int32_t const>> const&,
                    query const&, std::tuple<batch_view<float>, batch_view<float>> out) const {
      auto const [a, b] = out;
      for (std::int64_t i = 0; i < a.size(); ++i) a.data[i] = i % 3 == 1 ? 0.0f : -HUGE_VALF;
      for (std::int64_t i = 0; i < b.size(); ++i) b.data[i] = i % 3 == 2 ? 0.0f : -HUGE_VALF;
    }
  };
  std::vector<float> x(4 * 8);
  std::vector<std::int32_t> codes(4 * 5);
  s.sample(
      exec::host{}, network{}, grid::uniform_t(std::get<0>(p.parts), 9),
      std::tuple{batch_view<float>{x.data(), 4, 8}, batch_view<std::int32_t>{codes.data(), 4, 5}});
  for (std::size_t i = 0; i < x.size(); i += 4) CHECK(sphere::token_at(3, x.data() + i) == 1);
  for (auto const c : codes) CHECK(c == 2);
}

TEST_CASE("block on spheres: renoising keeps the law") {
  constexpr std::int64_t n = 100'000;
  sampler const s{test::circle(), solver::geodesic_bridge{}};
  double const total = s.process.schedule().to_come(1.0);
  timetable const g({s.process.at(1.0), s.process.at(0.6), s.process.at(0.2), s.process.at(0.0)});
  numbers x(2 * n);
  exec::threads const exec(2);
  auto const d = always<double>({0.0, -HUGE_VAL});
  batch_view<double> const v{x.data(), n, 2};
  detail::workspace const memory(s.workspace_size(exec, d, v));
  auto r = s.start(exec, d, g, v, memory.span(), options{noise::counted{29}});
  r.advance();
  r.advance();
  for (int draw = 1; draw < 3; ++draw) {
    r.renoise(1, draw);
    level const at = s.process.at(0.6);
    CHECK(test::passes("renoised circle", p_of_normal(x, at.sigma * test::circle_start,
                                                      std::sqrt(total * at.alpha * at.sigma))));
    r.advance();
    level const then = s.process.at(0.2);
    CHECK(test::passes("renoised circle, a step on",
                       p_of_normal(x, then.sigma * test::circle_start,
                                   std::sqrt(total * then.alpha * then.sigma))));
  }
}

TEST_CASE("block on spheres: fixed positions keep their points") {
  process::sphere_bridge<> const p(3);
  sampler const s{p, solver::geodesic_random_walk{}};
  std::vector<std::uint8_t> const fixed{0, 1, 1, 0};
  auto const d = always<float>({0.0f, 0.0f, 1.0f});
  for (auto const how : {start::prior, start::noised}) {
    std::vector<float> x(2 * 8, 0.0f);
    for (std::size_t i = 0; i < x.size(); i += 4) x[i] = 1.0f;
    options o;
    o.start = how;
    o.fixed = fixed.data();
    s.sample(exec::host{}, d, grid::uniform_t(p, 5), batch_view<float>{x.data(), 2, 8}, o,
             [&](progress const&) {
               for (std::size_t i = 0; i < 4; ++i) {
                 CHECK((x[4 * i] == 1.0f && x[4 * i + 1] == 0.0f) == (fixed[i] == 1));
               }
             });
  }
  std::vector<float> x(2 * 8, 0.0f);
  options o;
  o.fixed = fixed.data();
  CHECK_THROWS_WITH_AS(
      s.sample(exec::host{}, d, grid::uniform_t(p, 5), batch_view<float>{x.data(), 2, 8}, o),
      doctest::Contains("no point of the sphere"), error);
}

TEST_CASE("block on spheres: errors say where") {
  process::sphere_bridge<> const p(3);
  sampler const s{p, solver::geodesic_bridge{}};
  auto const g = grid::uniform_t(p, 3);
  exec::host const host;
  std::vector<float> x(2 * 8, 0.0f);
  batch_view<float> const v{x.data(), 2, 8};
  for (auto const& row : {std::vector<float>{0.0f, NAN, 0.0f}, std::vector<float>(3, -HUGE_VALF)}) {
    CHECK_THROWS_WITH_AS(
        s.sample(host, always<float>(row), g, v),
        doctest::Contains("no distribution (NaN, +inf, or -inf alone) at sample 0, "
                          "position 0 in step 0"),
        error);
  }
  auto const fine = always<float>({0.0f, 0.0f, 0.0f});
  CHECK_THROWS_WITH_AS(s.sample(host, fine, g, batch_view<float>{x.data(), 2, 7}),
                       doctest::Contains("features = 7"), error);
  options o;
  for (auto const how : {start::given, start::noised}) {
    std::fill(x.begin(), x.end(), 0.0f);
    for (std::size_t i = 0; i < 12; i += 4) x[i] = 1.0f;
    o.start = how;
    CHECK_THROWS_WITH_AS(s.sample(host, fine, g, v, o),
                         doctest::Contains("no point of the sphere (a norm that is not 1 to 1e-3) "
                                           "at sample 1, position 1"),
                         error);
  }
  // Logits of -inf are probabilities of 0, whatever is checked.
  o = {};
  o.check_finite = true;
  s.sample(host, always<float>({0.0f, -HUGE_VALF, 0.0f}), g, v, o);
  timetable const up({p.at(0.1), p.at(0.9)});
  CHECK_THROWS_WITH_AS(s.sample(host, fine, up, v), doctest::Contains("from data to noise"), error);
}

}  // namespace
