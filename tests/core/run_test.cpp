// What every run promises, whatever its policies: reproducibility, forks, checkpoints, counts.

#include <diffx/cache/every_n.hpp>
#include <diffx/cache/taylor.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/guidance/dynamic_threshold.hpp>
#include <diffx/guidance/rescale.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/heun.hpp>
#include <diffx/solver/product.hpp>

#include "../support/compositions.hpp"
#include <doctest/doctest.h>
#include <tuple>
#include <vector>

using namespace diffx;

namespace {

constexpr std::int64_t batch = 14, features = 37;  // neither is a multiple of four

template <class Sampler, class Exec = exec::host>
std::vector<float> sample(Sampler const& s, std::uint64_t seed, std::int64_t first = 0,
                          std::int64_t rows = batch, Exec const& exec = {}, int steps = 9) {
  std::vector<float> x(static_cast<std::size_t>(rows * features), NAN);
  s.sample(exec, test::wavy{}, test::lambda_grid(steps),
           batch_view<float>{x.data(), rows, features, first}, options{noise::counted{seed}});
  return x;
}

// One composition of every shape the engine has: noise, history, two evaluations, reductions,
// hooks, caches.
template <class F>
void for_each_composition(F const& f) {
  test::vp_process const p;
  f(sampler{p, solver::ddim{}});
  f(sampler{p, solver::ddim{.eta = 1.0}});
  f(sampler{p, solver::dpmpp_2m{}});
  f(sampler{p, solver::heun{}});
  f(sampler{p, solver::ddim{.eta = 0.5}, guidance::cfg{2.5}});
  f(sampler{p, solver::dpmpp_2m{}, guidance::rescale{guidance::cfg{2.5}, 0.7}});
  f(sampler{p, solver::ddim{}, guidance::clip_x0{guidance::cfg{2.5}, 0.8}});
  f(sampler{p, solver::ddim{.eta = 1.0}, guidance::dynamic_threshold{guidance::none{}, 0.9, 1.5}});
  f(sampler{p, solver::ddim{.eta = 1.0}, guidance::cfg{2.5}, cache::every_n<2>{}});
  f(sampler{p, solver::dpmpp_2m{}, guidance::none{}, cache::linear<2>{}});
  f(sampler{p, solver::ddim{}, guidance::cfg{1.5}, cache::taylor<3, 2>{}});
}

}  // namespace

TEST_CASE("two runs in a row give the same bits") {
  for_each_composition([](auto const& s) {
    auto const a = sample(s, 7), b = sample(s, 7), c = sample(s, 8);
    CHECK(test::same_bits(a, b));
    CHECK_FALSE(test::same_bits(a, c));
  });
}

TEST_CASE("a sample does not depend on the batch around it") {
  for_each_composition([](auto const& s) {
    auto const whole = sample(s, 3);
    for (std::int64_t pieces : {2, 7, static_cast<int>(batch)}) {
      std::vector<float> joined;
      for (std::int64_t k = 0; k < pieces; ++k) {
        auto const rows = batch / pieces;
        auto const part = sample(s, 3, k * rows, rows);
        joined.insert(joined.end(), part.begin(), part.end());
      }
      CHECK(test::same_bits(whole, joined));
    }
  });
}

TEST_CASE("threads give the bits of one thread") {
  exec::threads const two(2), three(3), sixteen(16);
  for_each_composition([&](auto const& s) {
    auto const one = sample(s, 5, 0, 700);  // above the size below which threads are not used
    CHECK(test::same_bits(one, sample(s, 5, 0, 700, two)));
    CHECK(test::same_bits(one, sample(s, 5, 0, 700, three)));
    CHECK(test::same_bits(one, sample(s, 5, 0, 700, sixteen)));
  });
}

TEST_CASE("float follows double") {
  // C N eps with C = 40: the wavy network amplifies a difference by at most its slope 1.2 a step.
  auto const s = sampler{test::vp_process{}, solver::dpmpp_2m{}};
  auto const grid = test::lambda_grid(20);
  std::vector<float> x(batch * features);
  std::vector<double> y(batch * features);
  s.sample(exec::host{}, test::wavy{}, grid, batch_view<float>{x.data(), batch, features});
  s.sample(exec::host{}, test::wavy{}, grid, batch_view<double>{y.data(), batch, features});
  double worst = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(x[i]) - y[i]));
    largest = std::max(largest, std::fabs(y[i]));
  }
  CHECK(worst < 40 * 20 * 6e-8 * largest);
}

TEST_CASE("a checkpoint resumes bit by bit at every stage") {
  for_each_composition([](auto const& s) {
    auto const grid = test::lambda_grid(5);
    test::wavy const network;
    std::vector<float> x(3 * 5), y(3 * 5);
    batch_view<float> const vx{x.data(), 3, 5}, vy{y.data(), 3, 5};
    options<noise::counted> const opts{noise::counted{11}};
    detail::workspace const mx(s.workspace_size(exec::host{}, network, vx)),
        my(s.workspace_size(exec::host{}, network, vx));
    exec::host const host;
    auto whole = s.start(host, network, grid, vx, mx.span(), opts);
    std::vector<std::vector<std::byte>> saved;
    while (!whole.done()) {
      saved.push_back(whole.checkpoint());
      whole.advance_stage();
    }
    for (auto const& bytes : saved) {
      std::fill(y.begin(), y.end(), 99.0f);
      std::fill(my.span().begin(), my.span().end(), std::byte{0xFF});
      auto other = s.start(host, network, grid, vy, my.span(), opts);
      other.resume(bytes);
      auto const r = other.finish();
      CHECK(r.nfe == whole.status().nfe);
      CHECK(test::same_bits(x, y));
    }
  });
}

TEST_CASE("a damaged checkpoint is refused") {
  auto const s = sampler{test::vp_process{}, solver::dpmpp_2m{}};
  auto const grid = test::lambda_grid(3);
  test::wavy const network;
  exec::host const host;
  std::vector<float> x(4);
  batch_view<float> const v{x.data(), 2, 2};
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto r = s.start(host, network, grid, v, memory.span());
  r.advance();
  auto const good = r.checkpoint();
  int refused = 0, flips = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[i] ^= static_cast<std::byte>(1 << bit);
      ++flips;
      try {
        r.resume(bad);
      } catch (error const&) {
        ++refused;
      }
    }
  }
  CHECK(refused == flips);
  for (std::size_t n = 0; n < good.size(); ++n) {
    CHECK_THROWS_AS(r.resume(std::span(good).first(n)), error);
  }
  auto const other = sampler{test::vp_process{}, solver::ddim{}};
  detail::workspace const memory2(other.workspace_size(host, network, v));
  auto r2 = other.start(host, network, grid, v, memory2.span());
  CHECK_THROWS_WITH_AS(r2.resume(good), doctest::Contains("other policies"), error);
}

TEST_CASE("a fork goes on with noise of its own and leaves its parent alone") {
  auto const s = sampler{test::vp_process{}, solver::ddim{.eta = 1.0}};
  auto const grid = test::lambda_grid(6);
  test::wavy const network;
  exec::host const host;
  std::vector<double> x(8), a(8), b(8), c(8), plain(8);
  auto const view = [](std::vector<double>& v) { return batch_view<double>{v.data(), 2, 4}; };
  auto const size = s.workspace_size(host, network, view(x));
  detail::workspace const mx(size), ma(size), mb(size), mc(size), mp(size);
  auto alone = s.start(host, network, grid, view(plain), mp.span());
  alone.finish();
  auto parent = s.start(host, network, grid, view(x), mx.span());
  parent.advance();
  parent.advance();
  auto first = parent.fork(1, std::tuple{view(a)}, ma.span());
  auto second = parent.fork(2, std::tuple{view(b)}, mb.span());
  auto again = parent.fork(1, std::tuple{view(c)}, mc.span());
  CHECK(test::same_bits(x, a));
  first.finish();
  second.finish();
  again.finish();
  parent.finish();
  CHECK(test::same_bits(x, plain));
  CHECK(test::same_bits(a, c));
  CHECK_FALSE(test::same_bits(a, b));
  CHECK_FALSE(test::same_bits(a, x));
}

TEST_CASE("the observer sees every step and may stop after any of them") {
  auto const s = sampler{test::vp_process{}, solver::heun{}};
  auto const grid = test::lambda_grid(6);
  for (int stop_after = 1; stop_after <= 6; ++stop_after) {
    int calls = 0;
    test::wavy network;
    network.calls = &calls;
    std::vector<double> x(6);
    int seen = 0;
    auto const r = s.sample(exec::host{}, network, grid, batch_view<double>{x.data(), 2, 3},
                            options{}, [&](progress const& p) {
                              CHECK(p.step == ++seen);
                              CHECK(p.steps == 6);
                              return p.step == stop_after ? flow::stop : flow::go_on;
                            });
    CHECK(r.steps == stop_after);
    CHECK(r.stopped == (stop_after < 6));
    CHECK(calls == 2 * stop_after);  // no call after the request
    CHECK(r.nfe == calls);
  }
}

// Blocks may be of one kind throughout.
static_assert(sizeof(sampler<process::product<process::vp<>, process::vp<>>,
                             solver::product<solver::ddim, solver::ddim>>) > 0);

TEST_CASE("two blocks on one clock are two runs with the same calls") {
  // A network that treats both blocks as `wavy` does: then each block must be the run of its own.
  struct pair_network {
    prediction::eps prediction{};
    void operator()(exec::host const& e,
                    std::tuple<batch_view<float const>, batch_view<double const>> x, query const& q,
                    std::tuple<batch_view<float>, batch_view<double>> out) const {
      test::wavy{}(e, std::get<0>(x), q, std::get<0>(out));
      test::wavy{}(e, std::get<1>(x), q, std::get<1>(out));
    }
  };
  test::vp_process const p;
  auto const both =
      sampler{process::product{std::tuple{p, p}},
              solver::product{std::tuple{solver::ddim{.eta = 0.7}, solver::dpmpp_2m{}}}};
  auto const grid = test::lambda_grid(8);
  std::vector<float> a(4 * 6), a1(4 * 6);
  std::vector<double> b(4 * 3), b1(4 * 3);
  auto const r =
      both.sample(exec::host{}, pair_network{}, grid,
                  std::tuple{batch_view<float>{a.data(), 4, 6}, batch_view<double>{b.data(), 4, 3}},
                  options{noise::counted{4}});
  CHECK(r.nfe == 8);
  sampler{p, solver::ddim{.eta = 0.7}}.sample(exec::host{}, test::wavy{}, grid,
                                              batch_view<float>{a1.data(), 4, 6},
                                              options{noise::counted{4}});
  CHECK(test::same_bits(a, a1));
  // Block 1 draws from addresses of its own, so it must differ from block 0's noise.
  sampler{p, solver::dpmpp_2m{}}.sample(exec::host{}, test::wavy{}, grid,
                                        batch_view<double>{b1.data(), 4, 3},
                                        options{noise::counted{4}});
  CHECK_FALSE(test::same_bits(b, b1));
}

TEST_CASE("renoise puts the run back on an earlier level") {
  auto const s = sampler{test::vp_process{}, solver::dpmpp_2m{}};
  auto const grid = test::lambda_grid(6);
  test::wavy const network;
  exec::host const host;
  std::vector<double> x(4000);
  batch_view<double> const v{x.data(), 4, 1000};
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto r = s.start(host, network, grid, v, memory.span());
  for (int i = 0; i < 4; ++i) r.advance();
  auto const before = x;
  r.renoise(2, 1);
  CHECK(r.step() == 2);
  // q(x_2 | x_4): mean alpha_2 / alpha_4 x, variance by subtraction; n = 4000 sees 10 %.
  double const keep = grid[2].alpha / grid[4].alpha;
  double const variance =
      grid[2].sigma * grid[2].sigma - keep * keep * grid[4].sigma * grid[4].sigma;
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(x[i] - keep * before[i], 2);
  CHECK(sum / 4000 == doctest::Approx(variance).epsilon(0.12));
  auto const rest = r.finish();
  CHECK(rest.nfe == 8);
  CHECK_THROWS_WITH_AS(r.renoise(7, 2), doctest::Contains("index = 7"), error);
}

TEST_CASE("steps taken again after renoise see noise of their own, also after a resume") {
  auto const s = sampler{test::vp_process{}, solver::ddim{.eta = 1.0}};
  auto const grid = test::lambda_grid(4);
  test::wavy const network;
  exec::host const host;
  std::vector<double> x(4), y(4);
  batch_view<double> const v{x.data(), 1, 4}, w{y.data(), 1, 4};
  options<noise::counted> const opts{noise::counted{3}};
  detail::workspace const memory(s.workspace_size(host, network, v)),
      other(s.workspace_size(host, network, v));
  auto r = s.start(host, network, grid, v, memory.span(), opts);
  for (int visit = 1; visit <= 2; ++visit) {
    r.advance();
    r.advance();
    r.renoise(1, visit);
  }
  auto const saved = r.checkpoint();
  r.finish();
  auto resumed = s.start(host, network, grid, w, other.span(), opts);
  resumed.resume(saved);
  resumed.finish();
  CHECK(test::same_bits(x, y));
  // Without the fork, step 1 would add the same variate on every visit.
  std::vector<double> first(4), second(4);
  noise::counted{3}.fork(1).fill({1, 0}, 0, 0, 4, first.data());
  noise::counted{3}.fork(1).fork(2).fill({1, 0}, 0, 0, 4, second.data());
  CHECK_FALSE(test::same_bits(first, second));
}

TEST_CASE("a solver that plans what it does not declare is refused") {
  struct forgets : solver::ddim {
    void plan(plan_context<test::vp_process> const& c, diffx::plan& out) const {
      out.pass(c.from(), c.to()).state[0] = 1.0;
    }
  };
  auto const s = sampler{test::vp_process{}, forgets{}};
  std::vector<double> x(2);
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, test::wavy{}, test::lambda_grid(2),
                                batch_view<double>{x.data(), 1, 2}),
                       doctest::Contains("pure_passes"), error);
}

TEST_CASE("the preview is the x0 estimate of the evaluation") {
  auto const s = sampler{test::vp_process{}, solver::ddim{}};
  auto const grid = test::lambda_grid(3, true);
  test::wavy const network;
  exec::host const host;
  std::vector<double> x(6), shown(6);
  batch_view<double> const v{x.data(), 2, 3};
  detail::workspace const memory(s.workspace_size(host, network, v));
  auto r = s.start(host, network, grid, v, memory.span());
  r.preview_into(shown.data());
  r.finish();
  CHECK(shown == x);  // the last step lands on sigma = 0 and returns x0
}

TEST_CASE("a run may begin and end anywhere on its timetable") {
  auto const s = sampler{test::vp_process{}, solver::ddim{.eta = 1.0}};
  auto const grid = test::lambda_grid(6);
  std::vector<double> whole(6), parts(6);
  batch_view<double> const vw{whole.data(), 2, 3}, vp{parts.data(), 2, 3};
  s.sample(exec::host{}, test::wavy{}, grid, vw);
  options<noise::counted> opts;
  opts.last_step = 2;
  s.sample(exec::host{}, test::wavy{}, grid, vp, opts);
  opts = {};
  opts.first_step = 3;
  opts.start = start::given;
  s.sample(exec::host{}, test::wavy{}, grid, vp, opts);
  CHECK(test::same_bits(whole, parts));
}

TEST_CASE("an empty batch does nothing") {
  auto const s = sampler{test::vp_process{}, solver::ddim{.eta = 1.0}};
  float none = 0;
  auto const r =
      s.sample(exec::host{}, test::wavy{}, test::lambda_grid(3), batch_view<float>{&none, 0, 5});
  CHECK(r.steps == 3);
}
