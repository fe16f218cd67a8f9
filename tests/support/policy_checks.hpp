#pragma once

#include <diffx/guidance/none.hpp>
#include <diffx/solver/ddim.hpp>

#include "levels.hpp"
#include "probes.hpp"
#include "solver_checks.hpp"
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

// What every guidance, cache, noise source and timetable promises, as checks that return what they
// found wrong; see solver_checks.hpp.

namespace test {

/// Classifier-free guidance made by make(w), through the real loop: the algebra on branch outputs 2
/// and 3, the evaluations, and w = 1 and w = 0 bit for bit.
template <class Make>
report guidance_algebra(Make const& make) {
  report r("guidance");
  vp_process const process;
  diffx::solver::ddim const solver;
  auto const grid = uneven_grid(process, 4, true);
  for (double const w : {-1.0, 0.0, 0.5, 1.0, 3.0, 7.5}) {
    setup<double> s;
    s.grid = &grid;
    s.network.kind = oracle::what::primes;
    s.rows = 2;
    s.features = 3;
    auto const o = go(composed(process, solver, make(w)), s);
    for (double const x : o.x) {
      r.near(x, w * 2.0 + (1.0 - w) * 3.0, 1e-14, "guided x0 at w = " + diffx::detail::text(w));
    }
    bool const one = w == 0.0 || w == 1.0;
    r.equal(o.calls, one ? 4 : 8, "calls at w = " + diffx::detail::text(w));
    r.equal(o.result.nfe, o.calls, "reported NFE");
    r.equal(o.passes, 4, "passes");
    if (!one) continue;
    s.network.kind = oracle::what::hostile;
    auto const guided = go(composed(process, solver, make(w)), s).x;
    s.network.answers_as = w == 1.0 ? 0 : 1;
    r.expect(equal_bits(guided, go(composed(process, solver), s).x),
             "w = " + diffx::detail::text(w) + " is not the branch alone, bit for bit");
  }
  return r;
}

/// A cache that calls the network on every `period`-th step of a run, wherever it starts, and
/// repeats (order 0) or extrapolates in process time (order 1 and more).
template <class Cache>
report cache_schedule(Cache const& cache, int period, int order) {
  report r("cache");
  vp_process const process;
  auto const sampler = composed(process, diffx::solver::ddim{}, diffx::guidance::none{}, cache);
  auto const grid = uneven_grid(process, 12, true);
  for (int const first : {0, 3}) {
    std::vector<diffx::query> asked;
    setup<double> s;
    s.grid = &grid;
    s.network.kind = oracle::what::in_time;
    s.network.value = 0.2;
    s.network.slope = 0.7;
    s.network.asked = &asked;
    s.given = {0.5};
    s.first_step = first;
    auto const o = go(sampler, s);
    std::vector<int> steps, expected;
    for (auto const& q : asked) steps.push_back(q.step);
    for (int i = first; i < grid.steps(); i += period) expected.push_back(i);
    r.expect(steps == expected,
             "the network was called on other steps, first step " + std::to_string(first));
    r.equal(o.result.nfe, static_cast<int>(expected.size()), "NFE");
    // The last step returns the prediction itself. Its times of evaluation are known.
    int const last = grid.steps() - 1;
    double const t = grid[order > 0 ? last : expected.back()].t;
    r.near(o.x[0], 0.2 + 0.7 * t, 1e-13, "prediction of the last step");
  }
  return r;
}

/// A run resumed from a checkpoint at every stage gives the bits of the run without one.
template <class Sampler>
report checkpoints(Sampler const& sampler, any_noise const& noise = {11, nullptr}) {
  report r("checkpoint");
  auto const grid = uneven_grid(sampler.process, 5, false);
  oracle const network;
  spy const exec;
  std::vector<float> x(15), y(15);
  diffx::batch_view<float> const vx{x.data(), 3, 5}, vy{y.data(), 3, 5};
  diffx::options<any_noise> options;
  options.noise = noise;
  auto const size = sampler.workspace_size(exec, network, vx, options);
  diffx::detail::workspace const mx(size), my(size);
  std::fill(mx.span().begin(), mx.span().end(), std::byte{0xFF});
  auto whole = sampler.start(exec, network, grid, vx, mx.span(), options);
  std::vector<std::vector<std::byte>> saved;
  while (!whole.done()) {
    saved.push_back(whole.checkpoint());
    whole.advance_stage();
  }
  for (auto const& bytes : saved) {
    std::fill(my.span().begin(), my.span().end(), std::byte{0xFF});
    std::fill(y.begin(), y.end(), 99.0f);
    auto other = sampler.start(exec, network, grid, vy, my.span(), options);
    other.resume(bytes);
    auto const end = other.finish();
    r.equal(end.nfe, whole.status().nfe, "NFE after a resume");
    r.expect(equal_bits(x, y), "a resumed run ends elsewhere");
  }
  return r;
}

/// Forks draw noise of their own, by label, from where they start; the parent is left alone.
template <class Sampler>
report forks(Sampler const& sampler, any_noise const& noise) {
  report r("fork");
  auto const grid = uneven_grid(sampler.process, 6, false);
  oracle const network;
  spy const exec;
  diffx::options<any_noise> options;
  options.noise = noise;
  std::vector<double> x(8), a(8), b(8), again(8), alone(8);
  auto const view = [](std::vector<double>& v) {
    return diffx::batch_view<double>{v.data(), 2, 4};
  };
  auto const size = sampler.workspace_size(exec, network, view(x), options);
  diffx::detail::workspace const mx(size), ma(size), mb(size), mc(size), ml(size);
  sampler.start(exec, network, grid, view(alone), ml.span(), options).finish();
  auto parent = sampler.start(exec, network, grid, view(x), mx.span(), options);
  parent.advance();
  parent.advance();
  auto first = parent.fork(1, std::tuple{view(a)}, ma.span());
  auto second = parent.fork(2, std::tuple{view(b)}, mb.span());
  auto third = parent.fork(1, std::tuple{view(again)}, mc.span());
  r.expect(equal_bits(x, a), "a fork does not start where its parent stands");
  first.finish();
  second.finish();
  third.finish();
  parent.finish();
  r.expect(equal_bits(x, alone), "a parent is changed by its forks");
  r.expect(!equal_bits(a, x), "a fork repeats its parent");
  r.expect(!equal_bits(a, b), "two labels give one fork");
  r.expect(equal_bits(a, again), "one label gives two forks");
  return r;
}

/// A run and its forks share no address after the fork.
template <class Sampler>
report fork_addresses(Sampler const& sampler) {
  report r("addresses of forks");
  diffx::noise::recording<diffx::noise::counted> const recorder(diffx::noise::counted{8}, false);
  r.expect(forks(sampler, noise_of(recorder)).found().empty(), "recorded forks behave otherwise");
  std::map<diffx::noise::address, int> uses;
  for (auto const& a : recorder.addresses()) ++uses[a];
  // Two runs of the parent's stream, and label 1 twice: no address may be used a third time.
  int most = 0;
  for (auto const& [address, n] : uses) most = std::max(most, n);
  r.equal(most, 2, "uses of one address by a run, its repetition and its forks");
  return r;
}

/// Timetables made by make(process, n): n steps, falling, each level on the process's path, ending
/// where they say.
template <class Process, class Make>
report timetables(Process const& process, Make const& make, bool to_zero) {
  report r("timetable");
  for (int const n : {1, 2, 7, 50}) {
    diffx::timetable const grid = make(process, n);
    r.equal(grid.steps(), n, "steps");
    r.expect((grid.back().sigma == 0.0) == to_zero, "the end is sigma = 0 or not, by mistake");
    for (int i = 0; i < grid.steps(); ++i) {
      diffx::level const &l = grid[i], exact = process.at_lambda(l.lambda);
      r.near(l.alpha, exact.alpha, 1e-12, "alpha of level " + std::to_string(i));
      r.near(l.sigma, exact.sigma, 1e-12 * std::max(1.0, exact.sigma),
             "sigma of level " + std::to_string(i));
      r.near(l.t, exact.t, 1e-9, "time of level " + std::to_string(i));
      r.near(l.timestep, exact.timestep, 1e-6, "timestep of level " + std::to_string(i));
      r.expect(grid[i + 1].lambda > l.lambda, "lambda does not rise");
    }
  }
  return r;
}

}  // namespace test
