// Policies that are wrong in one line, run through the checks that the library's own policies pass:
// every one must be found. The unaltered policies go through the same checks first.

#include <diffx/guidance/clip_x0.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/solver/dpm_solver_blocks.hpp>
#include <diffx/solver/dpmpp_2m.hpp>
#include <diffx/solver/dpmpp_3m.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/allocations.hpp"
#include "../support/policy_checks.hpp"
#include "altered.hpp"
#include "hunt.hpp"
#include <cstdio>
#include <doctest/doctest.h>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

using namespace diffx;
using mutants::altered;

namespace {

using mutants::reports;

/// Sums over the test cases of this file.
mutants::hunt& hunted() {
  static mutants::hunt one;
  return one;
}

process::vp<> const path{{}, 999.0};

double decay(timetable const& g, int i) { return std::exp(g[i].lambda - g[i + 1].lambda); }  // e^-h

/// DDIM's own noise weight at eta = 1.
double ancestral(timetable const& g, int i) {
  return g[i + 1].sigma == 0.0 ? 0.0 : g[i + 1].sigma * std::sqrt(1.0 - decay(g, i) * decay(g, i));
}

/// DDIM's weights rebuilt with another direction and noise.
void rebuild(timetable const& g, int i, stage& s, double direction, double noise) {
  s.state[0] = direction / g[i].sigma;
  s.output = g[i + 1].alpha - s.state[0] * g[i].alpha;
  s.noise[0].weight = noise;
}

int hidden = 0;  // what a solver must not have: a memory outside its buffers

}  // namespace

TEST_CASE("mutants of a one-evaluation solver") {
  using solver_type = altered<solver::ddim>;
  auto& h = hunted();
  auto const with = [](double eta, solver_type::change change) {
    return [=] { return test::all_checks(path, solver_type{{.eta = eta}, change}, false); };
  };
  for (double const eta : {0.0, 0.5, 1.0}) h.control("ddim", with(eta, nullptr));

  // Weights of one step.
  h.mutant("noise negated", with(1.0, [](timetable const&, int, plan& p, std::size_t k) {
             p.stages()[k].noise[0].weight *= -1.0;
           }));
  h.mutant("sign of eps", with(0.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             rebuild(g, i, p.stages()[k], -g[i + 1].sigma, 0.0);
           }));
  h.mutant("x0 and eps swapped", with(0.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             p.stages()[k].state[0] = g[i + 1].alpha / g[i].alpha;
             p.stages()[k].output = g[i + 1].sigma - g[i + 1].alpha / g[i].alpha * g[i].sigma;
           }));
  h.mutant("1/alpha forgotten", with(1.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             p.stages()[k].output *= g[i].alpha;
           }));
  h.mutant("variance used as deviation",
           with(1.0, [](timetable const&, int, plan& p, std::size_t k) {
             p.stages()[k].noise[0].weight *= p.stages()[k].noise[0].weight;
           }));
  h.mutant("root of the deviation", with(1.0, [](timetable const&, int, plan& p, std::size_t k) {
             p.stages()[k].noise[0].weight = std::sqrt(p.stages()[k].noise[0].weight);
           }));
  h.mutant("beta for the posterior variance",
           with(1.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             double const ratio = g[i].alpha / g[i + 1].alpha;
             if (g[i + 1].sigma > 0.0) {
               p.stages()[k].noise[0].weight = std::sqrt(1.0 - ratio * ratio);
             }
           }));
  h.mutant("direction keeps its length beside the noise",
           with(0.5, [](timetable const& g, int i, plan& p, std::size_t k) {
             rebuild(g, i, p.stages()[k], g[i + 1].sigma, 0.5 * ancestral(g, i));
           }));
  h.mutant("sigma - w for sqrt(sigma^2 - w^2)",
           with(0.5, [](timetable const& g, int i, plan& p, std::size_t k) {
             double const w = 0.5 * ancestral(g, i);
             rebuild(g, i, p.stages()[k], g[i + 1].sigma - w, w);
           }));
  h.mutant("alpha of the wrong end",
           with(0.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             p.stages()[k].output += g[i].alpha - g[i + 1].alpha;
           }));
  h.mutant("noise 1 % too strong", with(1.0, [](timetable const&, int, plan& p, std::size_t k) {
             p.stages()[k].noise[0].weight *= 1.01;
           }));
  h.mutant("noise of 0.02 in the last step",
           with(1.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             if (i + 1 == g.steps()) p.stages()[k].noise[0].weight = 0.02;
           }));
  h.mutant("last noise skipped", with(0.5, [](timetable const& g, int i, plan& p, std::size_t k) {
             if (i + 2 == g.steps()) p.stages()[k].noise[0].weight = 0.0;
           }));
  h.mutant("result scaled by 0.9988",
           with(0.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             if (i + 1 != g.steps()) return;
             p.stages()[k].state[0] *= 0.9988;
             p.stages()[k].output *= 0.9988;
           }));

  // Where the network is asked.
  h.mutant("network asked at the next level",
           with(0.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             p.stages()[k].at = g[i + 1];
           }));
  h.mutant("network asked at lambda + 0.3",
           with(0.0, [](timetable const& g, int i, plan& p, std::size_t k) {
             if (g[i].lambda < 3.0) p.stages()[k].at = path.at_lambda(g[i].lambda + 0.3);
           }));
  h.mutant("an evaluation more than needed",
           with(0.0, [](timetable const& g, int i, plan& p, std::size_t) {
             p.evaluate(g[i], g[i + 1]).state[0] = 1.0;
           }));
  h.mutant("a pass that the solver does not declare",
           with(1.0, [](timetable const& g, int i, plan& p, std::size_t) {
             p.pass(g[i + 1], g[i + 1]).state[0] = 1.0;
           }));

  // Addresses.
  h.mutant("the same noise in every step",
           with(1.0, [](timetable const&, int, plan& p, std::size_t k) {
             p.stages()[k].noise[0].key.step = 0;
           }));
  h.mutant("the same noise in pairs of steps",
           with(1.0, [](timetable const&, int i, plan& p, std::size_t k) {
             p.stages()[k].noise[0].key.step = i / 2 * 2;
           }));
  h.mutant("the starting noise once more in step 1",
           with(1.0, [](timetable const&, int i, plan& p, std::size_t k) {
             if (i == 1) p.stages()[k].noise[0].key.step = noise::prior_step;
           }));
  h.mutant("a variate without its interval",
           with(1.0, [](timetable const&, int, plan& p, std::size_t k) {
             p.stages()[k].noise[0].key.to = p.stages()[k].noise[0].key.from;
           }));
  h.mutant("a memory outside the buffers",
           with(0.0, [](timetable const&, int, plan& p, std::size_t k) {
             if (++hidden % 5 == 0) p.stages()[k].output *= 1.001;
           }));
}

TEST_CASE("mutants of solvers with history, several evaluations or repeated noise") {
  auto& h = hunted();
  {
    using solver_type = altered<solver::dpmpp_2m>;
    auto const with = [](solver_type::change change) {
      return [=] { return test::all_checks(path, solver_type{{}, change}, false); };
    };
    // r = (lambda_s - lambda_before) / h divides the weight of the older output.
    static auto const scale = [](timetable const& g, int i, stage& s, double power) {
      if (i == 0 || s.history[0] == 0.0) return;
      double const r = (g[i].lambda - g[i - 1].lambda) / (g[i + 1].lambda - g[i].lambda);
      double const w = s.history[0] * std::pow(r, power);
      s.output += s.history[0] - w;
      s.history[0] = w;
    };
    h.control("dpmpp_2m", with(nullptr));
    h.mutant("ratio of steps inverted", with([](timetable const& g, int i, plan& p, std::size_t k) {
               scale(g, i, p.stages()[k], 2.0);
             }));
    h.mutant("ratio of steps taken as 1",
             with([](timetable const& g, int i, plan& p, std::size_t k) {
               scale(g, i, p.stages()[k], 1.0);
             }));
    h.mutant("history of the run before", with([](timetable const&, int i, plan& p, std::size_t k) {
               if (i > 0) return;
               p.stages()[k].history[0] = -0.1;
               p.stages()[k].output += 0.1;
             }));
    h.mutant("output not kept", with([](timetable const&, int, plan& p, std::size_t k) {
               p.stages()[k].keeps = false;
             }));
    h.mutant("history left out", with([](timetable const&, int, plan& p, std::size_t k) {
               p.stages()[k].output += p.stages()[k].history[0];
               p.stages()[k].history[0] = 0.0;
             }));
  }
  {
    using solver_type = altered<solver::dpmpp_3m>;
    auto const with = [](solver_type::change change) {
      return [=] { return test::all_checks(path, solver_type{{}, change}, false); };
    };
    h.control("dpmpp_3m", with(nullptr));
    h.mutant("older outputs in the wrong order",
             with([](timetable const&, int i, plan& p, std::size_t k) {
               if (i > 1) std::swap(p.stages()[k].history[0], p.stages()[k].history[1]);
             }));
  }
  {
    using solver_type = altered<solver::heun>;
    auto const with = [](solver_type::change change) {
      return [=] { return test::all_checks(path, solver_type{{}, change}, false); };
    };
    h.control("heun", with(nullptr));
    h.mutant("second evaluation converted at the first sigma",
             with([](timetable const& g, int i, plan& p, std::size_t k) {
               if (k + 1 < p.stages().size()) p.stages()[k + 1].convert = g[i];
             }));
    h.mutant("first state not retained", with([](timetable const&, int, plan& p, std::size_t k) {
               p.stages()[k].retains = false;
             }));
  }
  {
    using solver_type = altered<solver::dpm_solver_blocks<frame::x0, 2, true>>;
    auto const with = [](solver_type::change change) {
      return [=] { return test::all_checks(path, solver_type{{}, change}, false); };
    };
    h.control("dpm_solver_blocks", with(nullptr));
    h.mutant("fresh noise where it must be repeated",
             with([](timetable const&, int i, plan& p, std::size_t k) {
               p.stages()[k].noise[1].key.step = i;
               p.stages()[k].noise[1].key.draw = 1;
             }));
  }
}

TEST_CASE("mutants of guidance") {
  auto& h = hunted();
  auto const with = [](void (*apply)(double, double&, double&)) {
    return [=] {
      return reports{test::guidance_algebra([=](double w) {
        return mutants::altered_guidance{w, apply};
      })};
    };
  };
  h.control("cfg", with(nullptr));
  h.mutant("branches swapped", with([](double, double& c, double& n) { std::swap(c, n); }));
  h.mutant("1 + w for w", with([](double w, double& c, double& n) {
             c = 1.0 + w;
             n = -w;
           }));
  h.mutant("w applied twice", with([](double w, double& c, double& n) {
             c = w * w;
             n = 1.0 - w * w;
           }));
  h.mutant("null branch always evaluated", with([](double, double&, double& n) {
             if (n == 0.0) n = 1e-30;
           }));
  h.mutant("weights do not sum to 1", with([](double w, double&, double& n) { n = -w; }));
  h.mutant("clipping left on", [] {
    return reports{test::coefficients(
        test::composed(path, solver::ddim{.eta = 1.0}, guidance::clip_x0{guidance::none{}, 1.0}),
        [](level const& from, level const& to) { return test::ddim_weights(from, to, 1.0); })};
  });
}

TEST_CASE("mutants of caches") {
  auto& h = hunted();
  auto const with = [](mutants::altered_cache const& cache) {
    return [=] { return reports{test::cache_schedule(cache, 2, 1)}; };
  };
  h.control("cache::linear", with({}));
  h.mutant("called a step late", with({[](int i, int first) { return (i - first) % 2 == 1; }}));
  h.mutant("period counted from the timetable's start",
           with({[](int i, int) { return i % 2 == 0; }}));
  h.mutant("never refreshed", with({[](int i, int first) { return i == first; }}));
  h.mutant("always refreshed", with({[](int, int) { return true; }}));
  h.mutant("newest and oldest swapped",
           with({nullptr, [](std::span<double const>, std::span<double> w) {
                   if (w.size() == 2) std::swap(w[0], w[1]);
                 }}));
  h.mutant("extrapolated in steps, not in time",
           with({nullptr, [](std::span<double const>, std::span<double> w) {
                   if (w.size() == 2) {
                     w[0] = 1.5;
                     w[1] = -0.5;
                   }
                 }}));
  h.mutant("prediction repeated", with({nullptr, [](std::span<double const>, std::span<double> w) {
                                          w[0] = 1.0;
                                          if (w.size() == 2) w[1] = 0.0;
                                        }}));
}

TEST_CASE("mutants of noise sources, forks and checkpoints") {
  auto& h = hunted();
  auto const sampler = test::composed(path, solver::ddim{.eta = 1.0});
  using source = mutants::altered_noise;
  auto const with = [&](source const& s) {
    return [=] {
      auto const n = test::noise_of(s);
      return reports{test::noise_source(n, false), test::reproducible(sampler, n),
                     test::checkpoints(sampler, n), test::forks(sampler, n)};
    };
  };
  h.control("noise::counted", with({}));
  h.mutant("step ignored in the address",
           with({77, [](noise::key& k, std::int64_t&, std::int64_t&) {
                   if (k.step != noise::prior_step) k.step = 0;
                 }}));
  h.mutant("draw ignored in the address",
           with({77, [](noise::key& k, std::int64_t&, std::int64_t&) { k.draw = 0; }}));
  h.mutant("block ignored in the address",
           with({77, [](noise::key& k, std::int64_t&, std::int64_t&) { k.block = 0; }}));
  h.mutant("the start's noise is that of step 0",
           with({77, [](noise::key& k, std::int64_t&, std::int64_t&) {
                   if (k.step == noise::prior_step) k.step = 0;
                 }}));
  h.mutant("neighbours in the batch share noise",
           with({77, [](noise::key&, std::int64_t& sample, std::int64_t&) { sample /= 2; }}));
  h.mutant("noise shifted by one element each step",
           with({77, [](noise::key& k, std::int64_t&, std::int64_t& shift) {
                   if (k.step == noise::prior_step) return;
                   shift = 8 - k.step;
                   k.step = 0;
                 }}));
  h.mutant(
      "antithetic neighbours",
      with({77, [](noise::key&, std::int64_t& sample, std::int64_t&) { sample /= 2; },
            [](noise::key, std::int64_t sample, double z) { return sample % 2 == 0 ? z : -z; }}));
  h.mutant("uniform noise of variance 1",
           with({77, nullptr, [](noise::key, std::int64_t, double z) {
                   return std::sqrt(12.0) * (test::normal_cdf(z) - 0.5);
                 }}));
  h.mutant("source 2 % too strong",
           with({77, nullptr, [](noise::key, std::int64_t, double z) { return 1.02 * z; }}));
  h.mutant("start of deviation 0.9", with({77, nullptr, [](noise::key k, std::int64_t, double z) {
                                             return k.step == noise::prior_step ? 0.9 * z : z;
                                           }}));
  h.mutant("a fork keeps its parent's key",
           with({77, nullptr, nullptr, [](std::uint64_t) { return UINT64_MAX; }}));
  h.mutant("forks ignore their label",
           with({77, nullptr, nullptr, [](std::uint64_t) { return std::uint64_t{1}; }}));
  h.mutant("numbers in the order of calls: batch and threads", [=] {
    return reports{test::reproducible(sampler, test::noise_of(mutants::sequential_noise{}))};
  });
  h.mutant("numbers in the order of calls: checkpoint", [=] {
    return reports{test::checkpoints(sampler, test::noise_of(mutants::sequential_noise{}))};
  });
}

TEST_CASE("mutants of timetables and processes") {
  auto& h = hunted();
  test::vp_process const exact;
  using make = std::function<timetable(int)>;
  auto const with = [=](make const& m) {
    return [=] {
      return reports{test::timetables(
          exact, [&](auto const&, int n) { return m(n); }, true)};
    };
  };
  auto const altered_levels = [](void (*apply)(level&), double shift = 0.0) {
    mutants::altered_process p;
    p.apply = apply;
    p.inverse_shift = shift;
    return make{[=](int n) { return test::uneven_grid(p, n, true); }};
  };
  h.control("timetable", with(altered_levels(nullptr)));
  h.mutant("a step too few",
           with([=](int n) { return test::uneven_grid(exact, n > 1 ? n - 1 : n, true); }));
  h.mutant("the last step left out",
           with([=](int n) { return test::uneven_grid(exact, n, false); }));
  h.mutant("variance for sigma in the levels",
           with(altered_levels([](level& l) { l.sigma *= l.sigma; })));
  h.mutant("alpha_bar for alpha in the levels",
           with(altered_levels([](level& l) { l.alpha *= l.alpha; })));
  h.mutant("lambda of the whole log SNR", with(altered_levels(nullptr, 0.5)));
  h.mutant("network told another index",
           with(altered_levels([](level& l) { l.timestep += 0.001; })));
  h.mutant("time of another level", with(altered_levels([](level& l) { l.t *= 0.999; })));
  h.mutant("sigma 5 % too large in the levels",
           with(altered_levels([](level& l) { l.sigma *= 1.05; })));
}

TEST_CASE("every mutant is killed") {
  auto const& h = hunted();
  std::printf("%d mutants, %d killed\n", h.mutants(), h.killed());
  CHECK(h.mutants() >= 24);
  CHECK(h.killed() == h.mutants());
}
