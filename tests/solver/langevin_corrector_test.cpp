#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/langevin_corrector.hpp>

#include "support/levels.hpp"
#include "support/message.hpp"
#include <array>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <stdexcept>
#include <vector>

namespace {

using diffx::level;
using diffx::solver::langevin_corrector;
using diffx::solver::reverse_diffusion;

constexpr std::int64_t batch = 3, features = 5;
using state = std::vector<double>;

/// x0 = 0.4 tanh(x + t): no posterior of anything. Throws at the call with this number.
struct network {
  diffx::prediction::x0 prediction{};
  int* calls;
  int bad_call = -1;

  template <class Exec>
  void operator()(Exec const&, diffx::batch_view<double const> x, diffx::query const& q,
                  diffx::batch_view<double> out) const {
    if ((*calls)++ == bad_call) throw std::runtime_error("network");
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = 0.4 * std::tanh(x.data[i] + q.at.t);
  }
};

state start() {
  state x;
  for (int i = 0; i < batch * features; ++i) x.push_back(std::sin(1.0 + 2.0 * i));
  return x;
}

state variate(diffx::noise::key key) {
  state z(batch * features);
  for (std::int64_t s = 0; s < batch; ++s) {
    diffx::noise::counted{11}.fill(key, s, 0, static_cast<int>(features), z.data() + s * features);
  }
  return z;
}

double mean_norm(state const& v) {
  double sum = 0.0;
  for (std::int64_t s = 0; s < batch; ++s) {
    double square = 0.0;
    for (std::int64_t f = 0; f < features; ++f) {
      double const e = v[static_cast<std::size_t>(s * features + f)];
      square += e * e;
    }
    sum += std::sqrt(square);
  }
  return sum / batch;
}

/// Algorithms 2 and 3 of the paper with `corrections` Langevin steps a level.
state by_hand(diffx::timetable const& grid, double snr, int corrections) {
  state x = start();
  for (int i = 0; i < grid.steps(); ++i) {
    level const s = grid[i], t = grid[i + 1];
    auto const score = [&] {
      state v;
      for (double const e : x) {
        v.push_back((s.alpha * 0.4 * std::tanh(e + s.t) - e) / (s.sigma * s.sigma));
      }
      return v;
    };
    double const a = s.alpha * s.alpha / (t.alpha * t.alpha);
    for (int k = 0; k < corrections; ++k) {
      auto const g = score();
      auto const z = variate({i, 16 + k, 0});
      double const r = snr * mean_norm(z) / mean_norm(g), c = 2.0 * a * r * r;
      for (std::size_t j = 0; j < x.size(); ++j) x[j] += c * g[j] + std::sqrt(2.0 * c) * z[j];
    }
    auto const g = score();
    auto const z = variate({i, 0, 0});
    double const r = s.alpha / t.alpha, g2 = s.sigma * s.sigma - r * r * t.sigma * t.sigma;
    for (std::size_t j = 0; j < x.size(); ++j) {
      x[j] = (2.0 - r) * x[j] + g2 * g[j];
      if (i + 1 < grid.steps()) x[j] += std::sqrt(g2) * z[j];
    }
  }
  return x;
}

template <class Solver, class Exec = diffx::exec::host>
state run(Solver const& solver, diffx::timetable const& grid, int* calls = nullptr,
          Exec const& exec = {}) {
  state x = start();
  int count = 0;
  diffx::sampler const s{test::vp_process{}, solver};
  s.sample(exec, network{{}, calls != nullptr ? calls : &count}, grid,
           diffx::batch_view<double>{x.data(), batch, features},
           diffx::options<>{.noise = {11}, .start = diffx::start::given});
  return x;
}

diffx::timetable rough(int n) {
  std::vector<level> l{test::vp(-2.0), test::vp(-1.2), test::vp(0.1)};
  l.resize(static_cast<std::size_t>(n));
  l.push_back(test::clean());
  return diffx::timetable(l);
}

void check_near(state const& a, state const& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-12));
}

TEST_CASE("langevin_corrector: the paper's loop, for N = 1, 2, 3 and 1 or 2 corrections") {
  for (int n : {1, 2, 3}) {
    int calls = 0;
    check_near(run(langevin_corrector<>{.snr = 0.1}, rough(n), &calls), by_hand(rough(n), 0.1, 1));
    CHECK(calls == 2 * n);
    calls = 0;
    check_near(run(langevin_corrector<reverse_diffusion, 2>{.snr = 0.2}, rough(n), &calls),
               by_hand(rough(n), 0.2, 2));
    CHECK(calls == 3 * n);
  }
}

TEST_CASE("langevin_corrector: the score in the x0 frame is the same score") {
  // With a vanishing corrector only the predictor is left.
  auto const plain = run(diffx::solver::ddim{}, rough(3));
  auto const corrected = run(langevin_corrector<diffx::solver::ddim>{.snr = 1e-9}, rough(3));
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(corrected[i] == doctest::Approx(plain[i]).epsilon(1e-6));
  }
  // One correction on its own: a step of DDIM that goes nowhere is close to none.
  diffx::timetable const still({test::vp(-1.0), test::vp(-1.0 + 1e-13)});
  auto const a = run(langevin_corrector<diffx::solver::ddim>{.snr = 0.1}, still);
  auto const b = run(langevin_corrector<>{.snr = 0.1}, still);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
}

TEST_CASE("langevin_corrector: bits do not depend on threads") {
  diffx::exec::threads const pool(2);
  CHECK(run(langevin_corrector<>{}, rough(3)) ==
        run(langevin_corrector<>{}, rough(3), nullptr, pool));
}

TEST_CASE("langevin_corrector: a throwing network leaves a run that goes on bit by bit") {
  auto const grid = rough(3);
  diffx::sampler const s{test::vp_process{}, langevin_corrector<>{}};
  diffx::options<> const options{.noise = {11}, .start = diffx::start::given};
  auto const want = run(langevin_corrector<>{}, grid);
  for (int bad = 0; bad < 6; ++bad) {
    int calls = 0;
    network const n{{}, &calls, bad};
    state x = start();
    diffx::batch_view<double> const view{x.data(), batch, features};
    diffx::exec::host const exec;
    diffx::detail::workspace const memory(s.workspace_size(exec, n, view, options));
    auto r = s.start(exec, n, grid, view, memory.span(), options);
    CHECK_THROWS(r.finish());
    r.finish();
    CHECK(x == want);
  }
}

TEST_CASE("langevin_corrector: checkpoint and fork between steps") {
  auto const grid = rough(3);
  diffx::sampler const s{test::vp_process{}, langevin_corrector<>{}};
  diffx::options<> const options{.noise = {11}, .start = diffx::start::given};
  auto const want = run(langevin_corrector<>{}, grid);
  int calls = 0;
  network const n{{}, &calls};
  diffx::exec::host const exec;
  state x = start(), y(x.size());
  diffx::batch_view<double> const view{x.data(), batch, features}, other{y.data(), batch, features};
  auto const bytes = s.workspace_size(exec, n, view, options);
  diffx::detail::workspace const first(bytes), second(bytes);
  auto r = s.start(exec, n, grid, view, first.span(), options);
  r.advance();
  auto const saved = r.checkpoint();
  auto again = s.start(exec, n, grid, other, second.span(), options);
  again.resume(saved);
  again.finish();
  CHECK(y == want);
  diffx::detail::workspace const third(bytes);
  state w(x.size());
  auto forked =
      r.fork(1, std::tuple{diffx::batch_view<double>{w.data(), batch, features}}, third.span());
  forked.finish();
  CHECK(w != want);
  r.finish();
  CHECK(x == want);
}

TEST_CASE("langevin_corrector: bad arguments") {
  CHECK(test::says(test::message_of([] { run(langevin_corrector<>{.snr = 0.0}, rough(2)); }),
                   "diffx::solver::langevin_corrector", "snr", "0", "above 0"));
  diffx::timetable const up({test::vp(1.0), test::vp(0.0)});
  CHECK(test::message_of([&] { run(langevin_corrector<>{}, up); }).find("from data to noise") !=
        std::string::npos);
}

}  // namespace
