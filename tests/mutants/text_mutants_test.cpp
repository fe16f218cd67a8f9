// Policies of classes that are wrong in one line, run through the checks that the library's own
// policies pass: every one must be found. The unaltered policies go through the same checks first.
//
// Laws are compared on spaces that are propagated exactly, with 30000 samples and the suite's
// alpha = 1e-6 for every statistic, of which the controls have about fifty: a total variation of
// 4 % in 81 cells is seen with power 0.99. Rules and caches are compared without chance.

#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/concrete_score.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/remdm.hpp>
#include <diffx/solver/tweedie.hpp>

#include "../support/decoding.hpp"
#include "../support/kernel_chains.hpp"
#include "../support/statistics.hpp"
#include "hunt.hpp"
#include "text_altered.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace diffx;
using mutants::altered_classes;

namespace {

using mutants::altered_words;
using mutants::reports;
using test::at;
using test::codes;
using test::numbers;
using test::weights;

/// Sums over the test cases of this file.
mutants::hunt& hunted() {
  static mutants::hunt one;
  return one;
}

constexpr int classes = 3, length = 2;
constexpr std::int64_t samples = 30'000;

process::absorbing<> const masks(classes);
process::uniform<> const uniform(classes);

timetable grid_of(double first) {
  std::vector<level> levels;
  for (double const t : {first, 0.65, 0.4, 0.2, 0.0}) levels.push_back(uniform.at(t));
  return timetable(levels);
}

/// A logit of no law in particular.
double wild_logit(int branch, int first, int second, int l, int v) {
  int const q = 4 * first + second;
  return ((7 + 4 * branch) * q + 11 * l + 5 * v + q * v + 3 * branch * v) % 13 / 5.0;
}

template <class Prediction>
struct wild {
  static constexpr int branches = 2;
  Prediction prediction{};

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.batch; ++i) {
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < classes; ++v) {
          out.row(i)[l * classes + v] = of(q.branch, x.row(i)[0], x.row(i)[1], l, v);
        }
      }
    }
  }
  /// Log-scores of no great size, which leave every class something.
  static double of(int branch, int a, int b, int l, int v) {
    double const logit = wild_logit(branch, a, b, l, v);
    return scores_classes<Prediction> ? 0.5 * logit - 0.6 : logit;
  }
};
using posterior = wild<prediction::x0_posterior<double>>;
using cavity = wild<prediction::x0_cavity<double>>;
using score = wild<prediction::concrete_score<double>>;

/// Branch 1 is a table of log-ratios instead.
struct with_table : posterior {
  static constexpr bool log_ratios = true;
  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    posterior::operator()(exec, x, q, out);
    if (q.branch == 0) return;
    for (std::int64_t k = 0; k < x.batch * length; ++k) {
      double const here = out.data[k * classes + x.data[k]];
      for (int v = 0; v < classes; ++v) out.data[k * classes + v] -= here;
    }
  }
};

weights law_of_data(std::vector<int> const& x, int l, int branch = 0) {
  weights p;
  for (int v = 0; v < classes; ++v) p.push_back(wild_logit(branch, x[0], x[1], l, v));
  return test::softmax(p);
}

/// Of every step the joint law of the sequence before and after it: a chain that stays where it
/// should move may well have the right law after each.
using laws = std::vector<weights>;
using transition = std::function<weights(std::vector<int> const&, level const&, level const&)>;
template <class Process>
laws laws_of(Process const& process, timetable const& grid, transition const& next) {
  int const states = static_cast<int>(test::states_of(process));
  auto const count = at(states * states);
  weights now;
  for (int i = 0; i < states * states; ++i) {
    now.push_back(process.limit().probability(i / states) *
                  process.limit().probability(i % states));
  }
  laws out;
  for (int step = 0; step < grid.steps(); ++step) {
    weights joint(count * count, 0.0), then(count, 0.0);
    for (std::size_t i = 0; i < count; ++i) {
      if (now[i] == 0.0) continue;
      std::vector<int> const x{static_cast<int>(i) / states, static_cast<int>(i) % states};
      auto const to = next(x, grid[step], grid[step + 1]);
      for (std::size_t k = 0; k < count; ++k) {
        then[k] += joint[i * count + k] = now[i] * to[k];
      }
    }
    out.push_back(joint);
    now = then;
  }
  return out;
}
/// The same for positions that do not look at each other: kernel(from, to, x, position).
template <class Process, class Kernel>
laws laws_of_kernel(Process const& process, timetable const& grid, Kernel const& kernel) {
  return laws_of(process, grid,
                 [kernel](std::vector<int> const& x, level const& from, level const& to) {
                   weights out;
                   auto const a = kernel(from, to, x, 0), b = kernel(from, to, x, 1);
                   for (double const u : a) {
                     for (double const v : b) out.push_back(u * v);
                   }
                   return out;
                 });
}

template <class Process, class Solver, class Network, class Guidance = guidance::none,
          class Noise = noise::counted>
test::report chain(Process const& process, Solver const& solver, Network const& network,
                   timetable const& grid, laws const& want, Noise noise = {1},
                   Guidance guidance = {}) {
  test::report r("law of the steps");
  auto const sampler = test::composed(process, solver, guidance);
  codes x(at(samples * length));
  batch_view<std::int32_t> const view{x.data(), samples, length};
  options<Noise> const opts{noise};
  exec::host const host;
  detail::workspace const memory(sampler.workspace_size(host, network, view, opts));
  auto run = sampler.start(host, network, grid, view, memory.span(), opts);
  auto const states = test::states_of(process);
  for (auto const& law : want) {
    auto const before = x;
    run.advance();
    std::vector<std::int64_t> count(law.size(), 0);
    for (std::size_t i = 0; i < x.size(); i += length) {
      std::size_t const from = at(before[i]) * states + at(before[i + 1]);
      ++count[(from * states + at(x[i])) * states + at(x[i + 1])];
    }
    auto const found = test::test_cells(count, law);
    r.expect(found.p >= test::significance, found.worst);
  }
  return r;
}

}  // namespace

TEST_CASE("mutants of solvers of classes") {
  auto& h = hunted();
  auto const g = grid_of(1.0), late = grid_of(0.9);
  using grid_type = timetable const;
  using planned = std::span<categorical_stage>;
  auto const bridge = [](auto const& process, bool is_cavity) {
    return [&process, is_cavity](level const& from, level const& to, std::vector<int> const& x,
                                 int l) {
      return test::reverse_kernel(process, from, to, x[at(l)], law_of_data(x, l), is_cavity);
    };
  };

  {
    using solver_type = altered_classes<solver::ancestral>;
    auto const want = laws_of_kernel(masks, g, bridge(masks, false));
    auto const with = [&](solver_type::change change, altered_words noise = {1}) {
      return [=, &g] {
        return reports{chain(masks, solver_type{{}, change}, posterior{}, g, want, noise)};
      };
    };
    h.control("ancestral, absorbing", with(nullptr));
    h.mutant("unmasks with 1 - alpha_t / alpha_s", with([](grid_type& t, int i, planned s) {
               s[0].weight[3] = 1.0 - t[i].alpha / t[i + 1].alpha;
             }));
    h.mutant("unmasks with alpha_s - alpha_t", with([](grid_type& t, int i, planned s) {
               s[0].weight[3] = t[i].sigma - t[i + 1].sigma;
             }));
    h.mutant("the last step leaves masks", with([](grid_type& t, int i, planned s) {
               if (i + 1 == t.steps()) s[0].weight[3] = 0.99;
             }));
    h.mutant("the same words in every step",
             with([](grid_type&, int, planned s) { s[0].key.step = 0; }));
    h.mutant("all positions share their words",
             with(nullptr, {1, [](noise::key&, std::int64_t&, std::int64_t& p) { p = 0; }}));
    h.mutant("all samples share their words",
             with(nullptr, {1, [](noise::key&, std::int64_t& s, std::int64_t&) { s = 0; }}));
    h.mutant("the coin is the draw of the class", with(nullptr, {1, nullptr, [](auto& w) {
                                                                   w.word[2] = w.word[0];
                                                                   w.word[3] = w.word[1];
                                                                 }}));
    h.mutant("uniforms of three bits", with(nullptr, {1, nullptr, [](auto& w) {
                                                        w.word[0] &= 0xE0000000u;
                                                        w.word[2] &= 0xE0000000u;
                                                      }}));
    h.mutant("uniforms that end at 15/16",
             with(nullptr, {1, nullptr, [](auto& w) { w.word[2] -= w.word[2] / 16; }}));
  }
  {
    using solver_type = altered_classes<solver::ancestral>;
    auto const want = laws_of_kernel(uniform, g, bridge(uniform, false));
    auto const with = [&](solver_type::change change, altered_words noise = {2}) {
      return [=, &g] {
        return reports{chain(uniform, solver_type{{}, change}, posterior{}, g, want, noise)};
      };
    };
    h.control("ancestral, uniform", with(nullptr));
    h.mutant("alpha_s and sigma_s swapped in the bridge",
             with([](grid_type&, int, planned s) { std::swap(s[0].weight[1], s[0].weight[2]); }));
    h.mutant("1 - a not over alpha_s", with([](grid_type& t, int i, planned s) {
               s[0].weight[3] = t[i].sigma - t[i + 1].sigma;
             }));
    h.mutant("no fresh draws", with([](grid_type&, int, planned s) { s[0].weight[2] = 0.0; }));
    h.mutant("the start is not uniform", with(nullptr, {2, [](noise::key& k, auto&, auto& p) {
                                                          if (k.step == noise::prior_step) p = 0;
                                                        }}));
    h.mutant("the start's words once more in step 0",
             with(nullptr, {2, [](noise::key& k, auto&, auto&) {
                              if (k.step == 0 && k.draw == 0) k.step = noise::prior_step;
                            }}));

    using process_type = mutants::altered_levels<process::uniform<>>;
    auto const of_process = [&](process_type::change change) {
      return [=] {
        process_type const other{uniform, change};
        std::vector<level> levels;
        for (double const t : {1.0, 0.65, 0.4, 0.2, 0.0}) levels.push_back(other.at(t));
        return reports{chain(other, solver::ancestral{}, posterior{}, timetable(levels), want)};
      };
    };
    h.control("levels", of_process(nullptr));
    h.mutant("alpha squared in the levels", of_process([](level& l) { l.alpha *= l.alpha; }));
    h.mutant("another schedule", of_process([](level& l) {
               l.alpha *= l.alpha;
               l.sigma = 1.0 - l.alpha;
             }));
    h.mutant("variance for sigma in the levels", of_process([](level& l) { l.sigma *= l.sigma; }));
  }
  {
    auto const rates = [&](level const& from, level const& to, std::vector<int> const& x, int l) {
      weights out(classes);
      double total = 0.0;
      double const step = std::log(to.alpha / from.alpha);
      for (int v = 0; v < classes; ++v) {
        if (v == x[at(l)]) continue;
        total += out[at(v)] = step / classes * std::exp(score::of(0, x[0], x[1], l, v));
      }
      if (total > 1.0) {
        for (double& p : out) p /= total;
      }
      out[at(x[at(l)])] = total > 1.0 ? 0.0 : 1.0 - total;
      return out;
    };
    using solver_type = altered_classes<solver::euler_ctmc>;
    auto const want = laws_of_kernel(uniform, late, rates);
    auto const with = [&](solver_type::change change) {
      return [=, &late] {
        return reports{chain(uniform, solver_type{{}, change}, score{}, late, want)};
      };
    };
    h.control("euler_ctmc", with(nullptr));
    h.mutant("a step of t for one of the noise",
             with([](grid_type& t, int i, planned s) { s[0].weight[2] = t[i].t - t[i + 1].t; }));
    h.mutant("rates forward", with([](grid_type& t, int i, planned s) {
               s[0].weight[2] = std::log(t[i].sigma / (t[i + 1].sigma + 1e-3));
             }));
  }
  {
    auto const exact = [&](level const& from, level const& to, std::vector<int> const& x, int l) {
      double const a = from.alpha / to.alpha;
      weights s(classes), out(classes);
      for (int v = 0; v < classes; ++v) {
        s[at(v)] = v == x[at(l)] ? 1.0 : std::exp(score::of(0, x[0], x[1], l, v));
      }
      double const sum = std::accumulate(s.begin(), s.end(), 0.0);
      for (int v = 0; v < classes; ++v) {
        out[at(v)] = std::max(0.0, s[at(v)] - (1.0 - a) / classes * sum) *
                     ((v == x[at(l)] ? a : 0.0) + (1.0 - a) / classes);
      }
      test::normalise(out);
      return out;
    };
    using solver_type = altered_classes<solver::tweedie>;
    auto const want = laws_of_kernel(uniform, late, exact);
    auto const with = [&](solver_type::change change) {
      return [=, &late] {
        return reports{chain(uniform, solver_type{{}, change}, score{}, late, want)};
      };
    };
    h.control("tweedie", with(nullptr));
    h.mutant("the score is not made cleaner",
             with([](grid_type&, int, planned s) { s[0].weight[1] = 1e-9; }));
    h.mutant("a = alpha_t", with([](grid_type& t, int i, planned s) {
               s[0].weight[0] = t[i].alpha;
               s[0].weight[1] = t[i].sigma;
             }));
  }
  {
    static constexpr double eta = 0.3;
    auto const remasked = [](level const& from, level const& to, std::vector<int> const& x, int l) {
      double const r = std::min(eta, from.alpha > to.sigma ? to.sigma / from.alpha : 1.0);
      double const draws = (to.alpha - (1.0 - r) * from.alpha) / from.sigma;
      weights out(classes + 1, 0.0);
      int const now = x[at(l)];
      if (now == classes) {
        auto const p = law_of_data(x, l);
        for (int v = 0; v < classes; ++v) out[at(v)] = draws * p[at(v)];
        out[classes] = 1.0 - draws;
      } else {
        out[at(now)] = 1.0 - r;
        out[classes] = r;
      }
      return out;
    };
    using solver_type = altered_classes<solver::remdm<>>;
    auto const want = laws_of_kernel(masks, g, remasked);
    auto const with = [&](solver_type::change change) {
      return [=, &g] {
        return reports{chain(masks, solver_type{{{eta}}, change}, posterior{}, g, want)};
      };
    };
    h.control("remdm", with(nullptr));
    h.mutant("draws no more than it would without remasking",
             with([](grid_type& t, int i, planned s) {
               s[0].weight[0] = (t[i].sigma - t[i + 1].sigma) / t[i].sigma;
             }));
    h.mutant("remasks beyond its limit",
             with([](grid_type&, int, planned s) { s[0].weight[1] = eta; }));
    h.mutant("never remasks", with([](grid_type&, int, planned s) { s[0].weight[1] = 0.0; }));
  }
  {
    static constexpr double c = 1.5;
    auto const jumps = [](level const& from, level const& to, std::vector<int> const& x, int l) {
      bool const starts = from.alpha == 0.0, ends = to.sigma == 0.0;
      double const forth = ends ? 1e9 : (starts ? 1.0 : 1.0 + c) * std::log(from.sigma / to.sigma);
      double const back = starts || ends ? 0.0 : c * std::log(to.alpha / from.alpha);
      int const now = x[at(l)];
      auto const p = law_of_data(x, l);
      weights out(classes, 0.0);
      for (int i = 0; i < classes; ++i) {
        double const away = (i == now ? 0.0 : forth) + back * (classes - 1.0) / classes;
        out[at(now)] += p[at(i)] * std::exp(-away);
        if (away == 0.0) continue;
        for (int y = 0; y < classes; ++y) {
          double const rate = y == now ? 0.0 : (y == i ? forth : 0.0) + back / classes;
          out[at(y)] += p[at(i)] * (1.0 - std::exp(-away)) * rate / away;
        }
      }
      return out;
    };
    using solver_type = altered_classes<solver::discrete_flow_matching>;
    auto const want = laws_of_kernel(uniform, g, jumps);
    auto const with = [&](solver_type::change change) {
      return [=, &g] {
        return reports{chain(uniform, solver_type{{c}, change}, posterior{}, g, want)};
      };
    };
    h.control("discrete_flow_matching", with(nullptr));
    h.mutant(
        "no more jumps to the data beside those back", with([](grid_type& t, int i, planned s) {
          s[0].weight[0] = t[i + 1].sigma == 0.0 ? 1e300 : std::log(t[i].sigma / t[i + 1].sigma);
        }));
    h.mutant("no jumps back", with([](grid_type&, int, planned s) { s[0].weight[1] = 0.0; }));
    h.mutant("rates not over sigma", with([](grid_type& t, int i, planned s) {
               if (t[i + 1].sigma > 0.0) s[0].weight[0] = (1.0 + c) * (t[i].t - t[i + 1].t);
             }));
    h.mutant("the last step is not onto the data", with([](grid_type& t, int i, planned s) {
               if (i + 1 == t.steps()) s[0].weight[0] = 2.0;
             }));
  }
}

TEST_CASE("mutants of a corrector of classes") {
  auto& h = hunted();
  auto const g = grid_of(1.0);
  using planned = std::span<categorical_stage>;
  constexpr int sweeps = 2;
  // A sweep: either position, drawn anew from alpha c + sigma pi.
  auto const swept = [](weights const& law, level const& l) {
    weights out(law.size(), 0.0);
    for (std::size_t i = 0; i < law.size(); ++i) {
      std::vector<int> const x{static_cast<int>(i) / classes, static_cast<int>(i) % classes};
      for (int p = 0; p < length; ++p) {
        auto const c = law_of_data(x, p);
        for (int v = 0; v < classes; ++v) {
          auto y = x;
          y[at(p)] = v;
          out[at(y[0] * classes + y[1])] +=
              law[i] / length * (l.alpha * c[at(v)] + l.sigma / classes);
        }
      }
    }
    return out;
  };
  auto const want =
      laws_of(uniform, g, [&](std::vector<int> const& x, level const& from, level const& to) {
        auto const a = test::reverse_kernel(uniform, from, to, x[0], law_of_data(x, 0), true);
        auto const b = test::reverse_kernel(uniform, from, to, x[1], law_of_data(x, 1), true);
        weights next;
        for (double const u : a) {
          for (double const v : b) next.push_back(u * v);
        }
        for (int j = 0; j < sweeps && to.sigma > 0.0; ++j) next = swept(next, to);
        return next;
      });
  auto const with = [&]<class Corrector>(Corrector corrector,
                                         void (*change)(timetable const&, int, planned)) {
    using pair = solver::predictor_corrector<solver::ancestral, Corrector>;
    return [=, &g, &want] {
      return reports{chain(uniform, altered_classes<pair>{{{}, corrector, sweeps}, change},
                           cavity{}, g, want)};
    };
  };
  h.control("gibbs", with(solver::gibbs<>{}, nullptr));
  h.mutant("a sweep at the level before",
           with(solver::gibbs<>{}, [](timetable const& t, int i, planned s) {
             for (auto& stage : s.subspan(1)) {
               stage.weight[0] = t[i].alpha;
               stage.weight[1] = t[i].sigma;
             }
           }));
  h.mutant("alpha and sigma of a sweep swapped",
           with(solver::gibbs<>{}, [](timetable const&, int, planned s) {
             for (auto& stage : s.subspan(1)) std::swap(stage.weight[0], stage.weight[1]);
           }));
  h.mutant("both positions at once", with(solver::gibbs<>{}, [](timetable const&, int, planned s) {
             for (auto& stage : s.subspan(1)) stage.weight[2] = 2.0;
           }));
  h.mutant("no sweeps", with(solver::gibbs<>{}, [](timetable const&, int, planned s) {
             for (auto& stage : s.subspan(1)) stage.weight[2] = 0.0;
           }));
  h.mutant("sweeps share their words", with(mutants::altered_gibbs<0>{}, nullptr));
}

TEST_CASE("mutants of guidance of classes") {
  auto& h = hunted();
  auto const g = grid_of(1.0);
  static constexpr double gamma = 2.0;
  auto const powers = [](level const& from, level const& to, std::vector<int> const& x, int l) {
    auto q = test::reverse_kernel(uniform, from, to, x[at(l)], law_of_data(x, l), false);
    auto const null =
        test::reverse_kernel(uniform, from, to, x[at(l)], law_of_data(x, l, 1), false);
    for (std::size_t k = 0; k < q.size(); ++k) {
      q[k] = q[k] > 0.0 ? std::pow(q[k], gamma) * std::pow(null[k], 1.0 - gamma) : 0.0;
    }
    test::normalise(q);
    return q;
  };
  auto const want = laws_of_kernel(uniform, g, powers);
  auto const with = [&](auto guidance) {
    return [=, &g] {
      return reports{
          chain(uniform, solver::ancestral{}, posterior{}, g, want, noise::counted{4}, guidance)};
    };
  };
  using d_cfg = mutants::altered_kernels<2>;
  h.control("d_cfg", with(d_cfg{gamma}));
  h.mutant("weights of the other branch",
           with(d_cfg{gamma, [](double, double& a, double& b) { std::swap(a, b); }}));
  h.mutant("the scale of w - 1", with(d_cfg{gamma, [](double w, double& a, double& b) {
                                              a = 1.0 + w;
                                              b = -w;
                                            }}));
  h.mutant("the null branch forgotten",
           with(d_cfg{gamma, [](double, double&, double& b) { b = 0.0; }}));
  h.mutant("laws of the data tempered for kernels", with(guidance::cfg<>{{gamma}}));

  auto const tilted = [](level const& from, level const& to, std::vector<int> const& x, int l) {
    auto q = test::reverse_kernel(uniform, from, to, x[at(l)], law_of_data(x, l), false);
    for (int v = 0; v < classes; ++v) q[at(v)] *= std::exp(gamma * wild_logit(1, x[0], x[1], l, v));
    test::normalise(q);
    return q;
  };
  auto const want_tilted = laws_of_kernel(uniform, g, tilted);
  using d_cbg = mutants::altered_kernels<1>;
  auto const with_table_of = [&](d_cbg guidance) {
    return [=, &g] {
      return reports{chain(uniform, solver::ancestral{}, with_table{}, g, want_tilted,
                           noise::counted{5}, guidance)};
    };
  };
  h.control("d_cbg", with_table_of({gamma}));
  h.mutant("away from the class",
           with_table_of({gamma, [](double, double&, double& b) { b = -b; }}));
  h.mutant("gamma on the kernel", with_table_of({gamma, [](double w, double& a, double& b) {
                                                   a = w;
                                                   b = 1.0;
                                                 }}));
  h.mutant("the classifier at gamma = 1",
           with_table_of({gamma, [](double, double&, double& b) { b = 1.0; }}));
}

namespace {

/// An energy of no law in particular, changed.
struct altered_energy {
  double (*apply)(double energy) = nullptr;
  int shift = 0;  // whose energy a candidate gets
  static double of(int a, int b) { return (3 * a + 5 * b + 4 * a * b) % 7 / 2.0; }

  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x0, batch_view<std::int32_t const> x,
                  query const&, std::span<double const>, std::span<double> out) const {
    std::int64_t const k = x0.batch / x.batch;
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      std::int64_t const from = r / k * k + (r % k + shift) % k;
      double const energy = of(x0.row(from)[0], x0.row(from)[1]);
      out[at(r)] = apply != nullptr ? apply(energy) : energy;
    }
  }
};

}  // namespace

TEST_CASE("mutants of energies") {
  auto& h = hunted();
  timetable const one({masks.at(1.0), masks.at(0.0)});
  // Both of the two candidates, chosen by exp(-E).
  std::vector<int> const hidden{classes, classes};
  auto const a = law_of_data(hidden, 0), b = law_of_data(hidden, 1);
  weights law(16 * 16, 0.0);  // from both masks
  auto const each = [&](auto const& f) {
    for (int i = 0; i < 9; ++i) f(i / 3, i % 3, a[at(i / 3)] * b[at(i % 3)]);
  };
  each([&](int p, int q, double first) {
    each([&](int r, int s, double second) {
      double const u = std::exp(-altered_energy::of(p, q)), v = std::exp(-altered_energy::of(r, s));
      law[at(15 * 16 + 4 * p + q)] += first * second * u / (u + v);
      law[at(15 * 16 + 4 * r + s)] += first * second * v / (u + v);
    });
  });
  auto const with = [&](altered_energy energy, double temperature = 1.0) {
    return [=, &one] {
      // The seed of the run is that of the candidates.
      denoiser::energy_resampled const d(
          masks, posterior{}, energy,
          denoiser::resampling{.candidates = 2, .temperature = temperature, .noise = {6}});
      return reports{chain(masks, solver::ancestral{}, d, one, laws{law}, noise::counted{6})};
    };
  };
  h.control("energy", with({}));
  h.mutant("weights exp(+E)", with({[](double e) { return -e; }}));
  h.mutant("no weights", with({[](double) { return 0.0; }}));
  h.mutant("the best candidate, not a draw", with({[](double e) { return 1e3 * e; }}));
  h.mutant("the other candidate's energy", with({nullptr, 1}));
  h.mutant("temperature of a half", with({}, 0.5));
}

// ---- decoding: what is committed in every call, without chance ----

namespace {

constexpr int words = 5, positions = 12, prompt = 3, calls = 30;

/// What a plain rule is told of the open positions of a block, surest first.
struct told {
  numbers value;
  int count, call, block, open, initial;
  double from, to;  // 1 - alpha
};
using definition = std::function<std::vector<bool>(told const&)>;

std::vector<bool> first_of(int n, int count) {
  std::vector<bool> out(at(count), false);
  std::fill_n(out.begin(), std::clamp(n, 0, count), true);
  return out;
}

struct decoding {
  numbers logits;
  int block = 0, steps = calls;
  /// The key of the order and what the rule reads, of a row of probabilities.
  std::function<double(weights const&)> key, value;
};
double largest_of(weights const& p) { return *std::max_element(p.begin(), p.end()); }
double entropy_of(weights const& p) {
  double h = 0.0;
  for (double const v : p) h -= v * std::log(v);
  return h;
}
double margin_of(weights p) {
  std::sort(p.rbegin(), p.rend());
  return p[0] - p[1];
}

codes begun() {
  codes x(positions, words);
  for (int p = 0; p < prompt; ++p) x[at(p)] = p;
  return x;
}

/// The text after every call.
std::vector<codes> plain_texts(decoding const& d, definition const& rule) {
  codes x = begun();
  std::vector<codes> out;
  int first = -1, since = 0;
  for (int i = 0; i < d.steps && std::count(x.begin(), x.end(), words) > 0; ++i) {
    int open = 0, block = prompt;
    for (int p = positions; p-- > prompt;) {
      if (x[at(p)] != words) continue;
      ++open;
      block = p;
    }
    if (d.block > 0) block = prompt + (block - prompt) / d.block * d.block;
    if (d.block == 0) block = 0;
    if (block != first) since = i;
    first = block;
    int const end = d.block > 0 ? std::min(block + d.block, positions) : positions;
    std::vector<int> order;
    std::vector<weights> p;
    for (int q = 0; q < positions; ++q) {
      p.push_back(
          test::softmax(numbers(d.logits.begin() + q * words, d.logits.begin() + (q + 1) * words)));
      if (q >= block && q < end && x[at(q)] == words) order.push_back(q);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return d.key(p[at(a)]) > d.key(p[at(b)]); });
    told t{{},
           static_cast<int>(order.size()),
           i - since,
           end - block,
           open,
           positions - prompt,
           1.0 - static_cast<double>(i) / d.steps,
           1.0 - (i + 1.0) / d.steps};
    for (int const q : order) t.value.push_back(d.value(p[at(q)]));
    auto const taken = i + 1 == d.steps ? first_of(t.count, t.count) : rule(t);
    for (std::size_t k = 0; k < order.size(); ++k) {
      auto const& row = p[at(order[k])];
      if (taken[k]) {
        x[at(order[k])] = static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin());
      }
    }
    out.push_back(x);
  }
  return out;
}

template <class Confidence, class Rule>
test::report commits(Rule const& rule, decoding const& d, std::vector<codes> const& want) {
  test::report r("texts after every call");
  test::fixed_network network{{}, words, d.logits, {}, 0};
  network.seen = std::make_shared<test::fixed_network::counter>();
  codes x = begun();
  std::size_t i = 0;
  test::decode_run(process::absorbing<>(words), test::decoder<Confidence>(rule, d.block, 0.0),
                   cache::none{}, network, exec::host{}, x, 1, d.steps,
                   options<>{noise::counted{7}, start::given}, [&](auto const&) {
                     r.expect(i >= want.size() ? x == want.back() : x == want[i],
                              "text after call " + std::to_string(i));
                     ++i;
                   });
  r.expect(i >= want.size(), "calls");
  return r;
}

/// The mutants of one rule: the definition in a single block and in blocks of four, for a
/// network that is sure and one that is not.
template <class Confidence, class Rule>
struct rule_hunt {
  using altered = mutants::altered_rule<Rule>;
  Rule rule;
  definition plain;
  std::function<double(weights const&)> key, value;
  std::vector<int> blocks{0, 4};
  int steps = calls;

  std::function<reports()> with(typename altered::change change) const {
    return [*this, change] {
      reports out;
      for (int const block : blocks) {
        for (double const spread : {1.5, 3.5}) {
          decoding const d{test::mixed_logits(positions, words, spread), block, steps, key, value};
          out.push_back(commits<Confidence>(altered{rule, change}, d, plain_texts(d, plain)));
        }
      }
      return out;
    };
  }
};

}  // namespace

TEST_CASE("mutants of the rules that commit") {
  auto& h = hunted();
  using decode::candidates;
  using decode::choice;
  auto const by_value = [](double from) {
    return [from](told const& t) {
      auto out = first_of(1, t.count);
      for (int i = 0; i < t.count; ++i) out[at(i)] = out[at(i)] || t.value[at(i)] >= from;
      return out;
    };
  };
  auto const and_above = [](told const& t, int n, double tau) {
    auto out = first_of(n, t.count);
    for (int i = 0; i < t.count; ++i) out[at(i)] = out[at(i)] || t.value[at(i)] > tau;
    return out;
  };
  {
    rule_hunt<decode::probability, decode::evenly> const of{
        {3},
        [](told const& t) { return first_of((t.count + 2 - t.call) / (3 - t.call), t.count); },
        largest_of,
        largest_of};
    h.control("evenly", of.with(nullptr));
    h.mutant("shares are rounded down", of.with([](auto const& r, candidates const& c, choice) {
      return choice{c.count / std::max(1, r.steps - c.step)};
    }));
    h.mutant("shares of all open positions",
             of.with([](auto const& r, candidates const& c, choice) {
               int const left = std::max(1, r.steps - c.step);
               return choice{(c.open + left - 1) / left};
             }));
    h.mutant("calls are counted from the run's start",
             of.with([](auto const& r, candidates const& c, choice) {
               int const left = std::max(1, r.steps - (c.initial - c.open) / 2);
               return choice{(c.count + left - 1) / left};
             }));
  }
  {
    rule_hunt<decode::probability, decode::threshold> const of{
        {0.6}, by_value(0.6), largest_of, largest_of};
    h.control("threshold", of.with(nullptr));
    h.mutant("takes none if none is sure", of.with([](auto const&, candidates const&, choice c) {
      return choice{0, c.from};
    }));
    h.mutant("takes the surest alone",
             of.with([](auto const&, candidates const&, choice c) { return choice{c.surest}; }));
    h.mutant("takes the second surest as well",
             of.with([](auto const&, candidates const&, choice c) {
               return choice{2, c.from};
             }));
  }
  {
    rule_hunt<decode::probability, decode::factor> const of{
        {1.0},
        [](told const& t) {
          int n = 1;
          while (n < t.count && (n + 2) * (1.0 - t.value[at(n)]) < 1.0) ++n;
          return first_of(n, t.count);
        },
        largest_of,
        largest_of};
    h.control("factor", of.with(nullptr));
    h.mutant("a factor of n for n + 1", of.with([](auto const& r, candidates const& c, choice) {
      int n = 1;
      while (n < c.count && (n + 1) * (1.0 - c.value(n)) < r.f) ++n;
      return choice{n};
    }));
    h.mutant("a factor of the position before",
             of.with([](auto const& r, candidates const& c, choice) {
               int n = 1;
               while (n < c.count && (n + 2) * (1.0 - c.value(n - 1)) < r.f) ++n;
               return choice{n};
             }));
  }
  {
    auto const minus_entropy = [](weights const& p) { return -entropy_of(p); };
    rule_hunt<decode::neg_entropy, decode::entropy_bound> const of{
        {0.9},
        [](told const& t) {
          double sum = 0.0, most = 0.0;
          int n = 0;
          for (; n < t.count; ++n) {
            sum -= t.value[at(n)];
            most = std::max(most, -t.value[at(n)]);
            if (n > 0 && sum - most > 0.9) break;
          }
          return first_of(n, t.count);
        },
        minus_entropy,
        minus_entropy};
    h.control("entropy_bound", of.with(nullptr));
    h.mutant("the bound keeps the largest", of.with([](auto const& r, candidates const& c, choice) {
      double sum = -c.value(0);
      int n = 1;
      for (; n < c.count && (sum -= c.value(n)) <= r.gamma; ++n) {
      }
      return choice{n};
    }));
    h.mutant("the bound on every position alone",
             of.with([](auto const& r, candidates const& c, choice) {
               int n = 1;
               while (n < c.count && -c.value(n) <= r.gamma) ++n;
               return choice{n};
             }));
    h.mutant("one more than the bound", of.with([](auto const&, candidates const&, choice c) {
      return choice{c.surest + 1};
    }));
  }
  {
    rule_hunt<decode::probability, decode::dynamic> const of{
        {3, 0.5},
        [&](told const& t) {
          int const share = t.block / 3 + (t.call < t.block % 3 ? 1 : 0);
          auto const sure = and_above(t, 0, 0.5);
          bool const enough = std::count(sure.begin(), sure.end(), true) >= share;
          return enough ? sure : first_of(share, t.count);
        },
        largest_of,
        largest_of};
    h.control("dynamic", of.with(nullptr));
    h.mutant("its share and no more", of.with([](auto const& r, candidates const& c, choice) {
      return choice{decode::dynamic::share(c.block, r.steps, std::min(c.step, r.steps - 1))};
    }));
    h.mutant("the sure ones though they are few",
             of.with([](auto const& r, candidates const&, choice) {
               return choice{0, decode::dynamic::above(r.tau)};
             }));
    h.mutant("smaller shares first", of.with([](auto const& r, candidates const& c, choice plain) {
      int const call = std::max(0, r.steps - 1 - c.step);
      if (plain.surest == 0) return plain;
      return choice{decode::dynamic::share(c.block, r.steps, call), plain.from};
    }));
  }
  {
    rule_hunt<decode::probability, decode::pace> const of{
        {4, 0.7},
        [&](told const& t) {
          int const due = (t.block * (t.call + 1) + 3) / 4;
          return and_above(t, std::max(0, due - (t.block - t.count)), 0.7);
        },
        largest_of,
        largest_of,
        {0, 4},
        40};
    h.control("pace", of.with(nullptr));
    h.mutant("a call late", of.with([](auto const& r, candidates const& c, choice plain) {
      int const due = (c.step * c.block + r.steps - 1) / r.steps;
      return choice{std::max(0, due - (c.block - c.count)), plain.from};
    }));
    h.mutant("due anew in every call",
             of.with([](auto const& r, candidates const& c, choice plain) {
               return choice{((c.step + 1) * c.block + r.steps - 1) / r.steps, plain.from};
             }));
  }
  {
    rule_hunt<decode::probability, decode::predict_then_noise> const of{
        {5},
        [](told const& t) {
          int const stay = std::min(t.block * std::max(0, 4 - t.call) / 5, t.count - 1);
          return first_of(t.count - stay, t.count);
        },
        largest_of,
        largest_of,
        {0, 4},
        40};
    h.control("predict_then_noise", of.with(nullptr));
    h.mutant("may keep all", of.with([](auto const& r, candidates const& c, choice) {
      int const keep = c.block * std::max(0, r.steps - 1 - c.step) / r.steps;
      return choice{c.count - std::min(keep, c.count)};
    }));
    h.mutant("noise of the call before", of.with([](auto const& r, candidates const& c, choice) {
      int const keep = c.block * std::max(0, r.steps - c.step) / r.steps;
      return choice{c.count - std::min(keep, c.count - 1)};
    }));
  }
  {
    rule_hunt<decode::probability, decode::transfer> const of{
        {},
        [](told const& t) {
          return first_of(static_cast<int>(t.open * (1.0 - t.to / t.from) + 1e-9), t.count);
        },
        largest_of,
        largest_of,
        {0},
        6};
    h.control("transfer", of.with(nullptr));
    h.mutant("the share is rounded up", of.with([](auto const&, candidates const& c, choice) {
      return choice{static_cast<int>(std::ceil(c.open * c.weight - 1e-9))};
    }));
    h.mutant("a share of those begun with", of.with([](auto const&, candidates const& c, choice) {
      return choice{static_cast<int>(c.initial * c.weight + 1e-9)};
    }));
  }
  {
    rule_hunt<decode::probability, decode::mask_ratio> const of{
        {},
        [](told const& t) {
          int const keep =
              std::max(1, std::min(static_cast<int>(t.initial * t.to + 1e-9), t.open - 1));
          return first_of(t.open - keep, t.count);
        },
        largest_of,
        largest_of,
        {0},
        16};
    h.control("mask_ratio", of.with(nullptr));
    h.mutant("a ratio that may keep all", of.with([](auto const&, candidates const& c, choice) {
      int const keep = static_cast<int>(c.initial * c.weight + 1e-9);
      return choice{c.open - std::max(1, keep)};
    }));
    h.mutant("a ratio that may keep none", of.with([](auto const&, candidates const& c, choice) {
      int const keep = static_cast<int>(c.initial * c.weight + 1e-9);
      return choice{c.open - std::min(keep, c.open - 1)};
    }));
    h.mutant("a ratio of what is open", of.with([](auto const&, candidates const& c, choice) {
      int const keep = static_cast<int>(c.open * c.weight + 1e-9);
      return choice{c.open - std::max(1, std::min(keep, c.open - 1))};
    }));
  }
}

namespace {

/// One position a call, surest first: the order is the whole answer.
template <class Base>
std::function<reports()> order_of(std::function<double(weights const&)> key,
                                  typename mutants::altered_confidence<Base>::change change) {
  return [=] {
    using confidence = mutants::altered_confidence<Base>;
    confidence::apply = change;
    decoding const d{test::mixed_logits(positions, words), 0, calls, key, largest_of};
    auto const want = plain_texts(d, [](told const& t) { return first_of(1, t.count); });
    reports const out{commits<confidence>(decode::per_call{1}, d, want)};
    confidence::apply = nullptr;
    return out;
  };
}

/// Runs of `rule` over many short texts; what is open after every call, sample by sample.
template <class Confidence, class Rule, class Noise>
std::vector<std::vector<bool>> open_after(Rule const& rule, int steps, int size, Noise noise) {
  test::fixed_network network{{}, words, test::mixed_logits(size, words), {}, 0};
  network.seen = std::make_shared<test::fixed_network::counter>();
  codes x(at(samples * size), words);
  std::vector<std::vector<bool>> out;
  test::decode_run(process::absorbing<>(words), test::decoder<Confidence>(rule, 0, 0.0),
                   cache::none{}, network, exec::host{}, x, samples, steps,
                   options<Noise>{noise, start::given}, [&](auto const&) {
                     out.emplace_back();
                     for (auto const c : x) out.back().push_back(c == words);
                   });
  return out;
}

}  // namespace

TEST_CASE("mutants of orders") {
  auto& h = hunted();
  using sure_of = double;
  h.control("margin", order_of<decode::margin>(margin_of, nullptr));
  h.mutant("a margin without the second",
           order_of<decode::margin>(margin_of, [](sure_of, double p, auto) { return p; }));
  auto const minus_entropy = [](weights const& p) { return -entropy_of(p); };
  h.control("neg_entropy", order_of<decode::neg_entropy>(minus_entropy, nullptr));
  h.mutant(
      "the largest entropy first",
      order_of<decode::neg_entropy>(minus_entropy, [](sure_of c, double, auto) { return -c; }));
  h.mutant("entropy of the proposed class alone",
           order_of<decode::neg_entropy>(minus_entropy,
                                         [](sure_of, double p, auto) { return p * std::log(p); }));
  h.mutant("confidences in single digits",
           order_of<decode::neg_entropy>(
               minus_entropy, [](sure_of c, double, auto) { return std::round(10.0 * c) / 10.0; }));

  // All orders of three positions are as likely as each other.
  using any = mutants::altered_confidence<decode::random_order>;
  auto const orders = [](any::change change, altered_words noise = {8}) {
    return [=] {
      any::apply = change;
      auto const open = open_after<any>(decode::per_call{1}, 3, 3, noise);
      any::apply = nullptr;
      std::vector<std::int64_t> count(9, 0);
      for (std::int64_t i = 0; i < samples; ++i) {
        int first = 0, last = 0;
        for (int p = 0; p < 3; ++p) {
          if (!open[0][at(3 * i + p)]) first = p;
          if (open[1][at(3 * i + p)]) last = p;
        }
        ++count[at(3 * first + last)];
      }
      weights law(9, 1.0 / 6.0);
      for (std::size_t k = 0; k < 9; k += 4) law[k] = 0.0;
      test::report r("orders");
      auto const found = test::test_cells(count, law);
      r.expect(found.p >= test::significance, found.worst);
      return reports{r};
    };
  };
  h.control("random_order", orders(nullptr));
  h.mutant("one order for all samples",
           orders(nullptr, {8, [](noise::key& k, std::int64_t& s, std::int64_t&) {
                              if (k.step == noise::prior_step) s = 0;
                            }}));
  h.mutant("an order that leans to the left", orders([](sure_of u, double, std::int64_t p) {
             return u - 0.05 * static_cast<double>(p);
           }));
  h.mutant("ties, in the order of the positions",
           orders([](sure_of u, double, std::int64_t) { return std::floor(16.0 * u); }));

  // Coins: after the first of three calls each position is open with probability 2/3.
  using rule = mutants::altered_rule<decode::by_coin>;
  auto const coins = [](rule::change change, altered_words noise = {9}) {
    return [=] {
      auto const open = open_after<decode::probability>(rule{{3}, change}, 3, 2, noise);
      test::report r("coins");
      for (std::size_t call = 0; call < 2; ++call) {
        double const p = call == 0 ? 2.0 / 3.0 : 1.0 / 3.0;
        std::vector<std::int64_t> count(4, 0);
        for (std::int64_t i = 0; i < samples; ++i) {
          auto const left = open[call].at(at(2 * i)), right = open[call].at(at(2 * i + 1));
          ++count[(left ? 2 : 0) + (right ? 1 : 0)];
        }
        weights const law{(1 - p) * (1 - p), p * (1 - p), p * (1 - p), p * p};
        auto const found = test::test_cells(count, law);
        r.expect(found.p >= test::significance, found.worst);
      }
      return reports{r};
    };
  };
  h.control("by_coin", coins(nullptr));
  h.mutant("coins the other way", coins([](auto const&, auto const&, decode::choice c) {
             return decode::choice{0, 1.0 - c.from};
           }));
  h.mutant("a coin of every call alike", coins([](auto const& r, auto const&, decode::choice) {
             return decode::choice{0, 1.0 - 1.0 / r.steps};
           }));
  h.mutant("one coin for all positions",
           coins(nullptr, {9, [](noise::key&, std::int64_t&, std::int64_t& p) { p = 0; }}));
}

TEST_CASE("mutants of proposals") {
  auto& h = hunted();
  numbers const logits{0.9, -0.4, 0.3, 1.6, -1.1, 0.5, 0.2, 1.2, -0.7, -0.2};
  using solver_type = altered_classes<solver::decode<decode::random_order, decode::per_call>>;
  // The definition, position by position: temperature, then top_k, then top_p of what is left.
  auto const shaped = [&](decode::proposal const& how, int l) {
    weights p(logits.begin() + l * words, logits.begin() + (l + 1) * words);
    for (double& v : p) v /= how.temperature;
    p = test::softmax(p);
    std::vector<std::size_t> order{0, 1, 2, 3, 4};
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return p[a] > p[b]; });
    if (how.top_k > 0) order.resize(at(how.top_k));
    weights out(words, 0.0);
    for (auto const k : order) out[k] = p[k];
    test::normalise(out);
    double above = 0.0;
    for (auto const k : order) {
      double const mine = out[k];
      if (above > how.top_p || p[k] < how.min_p * p[order[0]]) out[k] = 0.0;
      above += mine;
    }
    test::normalise(out);
    return out;
  };
  auto const with = [&](decode::proposal said, decode::proposal done,
                        solver_type::change change = nullptr, altered_words noise = {10}) {
    weights law;
    for (double const u : shaped(said, 0)) {
      for (double const v : shaped(said, 1)) law.push_back(u * v);
    }
    return [=, &logits] {
      solver_type const solver{{decode::per_call{2}, done}, change};
      test::fixed_network network{{}, words, logits, {}, 0};
      network.seen = std::make_shared<test::fixed_network::counter>();
      codes x(at(samples * 2), words);
      test::decode_run(process::absorbing<>(words), solver, cache::none{}, network, exec::host{}, x,
                       samples, 2, options<altered_words>{noise, start::given}, [](auto const&) {});
      std::vector<std::int64_t> count(law.size(), 0);
      for (std::size_t i = 0; i < x.size(); i += 2) ++count[at(words * x[i] + x[i + 1])];
      test::report r("law of the proposals");
      auto const found = test::test_cells(count, law);
      r.expect(found.p >= test::significance, found.worst);
      return reports{r};
    };
  };
  using planned = std::span<categorical_stage>;
  decode::proposal const warm{0.7}, three{0.7, 3}, share{0.7, 0, 0.8}, both{0.7, 3, 0.8},
      least{0.7, 0, 1.0, 0.1};
  for (auto const& p : {warm, three, share, both, least}) h.control("proposal", with(p, p));
  h.mutant("the temperature inverted", with(warm, warm, [](timetable const&, int, planned s) {
             s[0].weight[3] = 1.0 / s[0].weight[3];
           }));
  h.mutant("no temperature",
           with(warm, warm, [](timetable const&, int, planned s) { s[0].weight[3] = 1.0; }));
  h.mutant("top_k keeps one more", with(three, {0.7, 4}));
  h.mutant("top_k keeps one less", with(three, {0.7, 2}));
  h.mutant("top_p without the class that crosses it",
           with(share, {0.7, 0, 0.8, 0.0, false, false}));
  h.mutant("top_p before top_k", with(both, {0.7, 3, 0.8, 0.0, true}));
  h.mutant("min_p of the square root", with(least, {0.7, 0, 1.0, std::sqrt(0.1)}));
  h.mutant(
      "one draw for all positions",
      with(warm, warm, nullptr, {10, [](noise::key&, std::int64_t&, std::int64_t& p) { p = 0; }}));
  h.mutant("one draw for neighbouring samples",
           with(warm, warm, nullptr,
                {10, [](noise::key&, std::int64_t& s, std::int64_t&) { s &= ~63; }}));
}

// ---- caches of keys and values ----

namespace {

constexpr int text = 13, width = 4;

/// A network that looks at no other position, and keeps book of what its keys were computed from.
struct bookkeeper {
  prediction::x0_posterior<double> prediction{};
  test::fixed_network inner;
  struct books {
    std::int64_t nothing = 0, of_mask = 0, of_other = 0;
  };
  std::shared_ptr<books> seen = std::make_shared<books>();
  struct store {
    codes of;
  };

  int block_length() const { return width; }
  store make_store(std::int64_t batch, std::int64_t n) const { return {codes(at(batch * n), -1)}; }
  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    inner(exec, x, q, out);
  }
  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<kv::role const> roles, store& s, batch_view<double> out) const {
    for (std::size_t i = 0; i < s.of.size(); ++i) {
      kv::role const r = roles.data[i];
      if ((r & kv::query) != 0) {
        if ((r & kv::keep) != 0) s.of[i] = x.data[i];
      } else if ((r & kv::reuse) != 0) {
        seen->nothing += s.of[i] == -1 ? 1 : 0;
        seen->of_mask += s.of[i] == words ? 1 : 0;
        seen->of_other += s.of[i] != x.data[i] ? 1 : 0;
      }
    }
    // What is not wanted is the opposite of what it would be.
    for (std::size_t i = 0; i < inner.logits.size(); ++i) out.data[i] = -inner.logits[i];
    test::fixed_network::store none;
    inner(exec, x, q, roles, none, out);
  }
};

/// The tokens without a cache, keys that are there, and of what they should be; rows as counted.
template <class Solver, class Cache>
test::report cached(Solver const& solver, Cache const& cache, int given, bool masks_are_kept,
                    std::int64_t rows) {
  test::report r("cached text");
  process::absorbing<> const process(words);
  options<> const opts{noise::counted{11}, start::given};
  codes x(text, words);
  std::fill_n(x.begin(), given, 1);
  codes y = x;
  auto const network = [] {
    bookkeeper out{{}, {{}, words, test::mixed_logits(text, words), {}, width}};
    out.inner.seen = std::make_shared<test::fixed_network::counter>();
    return out;
  };
  auto const net = network(), plain = network();
  kv_cost cost;
  test::decode_run(process, solver, cache, net, exec::host{}, x, 1, 20, opts,
                   [&](auto const& run) { cost = run.kv(); });
  test::decode_run(process, solver, cache::none{}, plain, exec::host{}, y, 1, 20, opts,
                   [](auto const&) {});
  r.expect(x == y, "the tokens differ");
  r.equal(net.seen->nothing, std::int64_t{0}, "keys that were never stored");
  if (!masks_are_kept) {
    r.equal(net.seen->of_mask, std::int64_t{0}, "keys of masks");
    r.equal(net.seen->of_other, std::int64_t{0}, "keys of other classes");
  }
  r.equal(cost.rows, rows, "rows");
  return r;
}

}  // namespace

TEST_CASE("mutants of caches of keys and values") {
  auto& h = hunted();
  using roles = std::span<kv::role>;
  using sample = cache::kv_sample const;
  auto const blocks = test::decoder<decode::probability>(decode::evenly{3}, width, 0.0);
  auto aligned = blocks;
  aligned.align = decode::align::from_zero;
  // Three calls each for blocks of 4, 4, 4 and one for that of 1.
  std::int64_t prefix = 0, near = 0, dual = 0, exact = 0;
  for (int first = 0; first < text; first += width) {
    int const end = std::min(first + width, text), more = end - first == width ? 2 : 0;
    prefix += text + more * (text - first);
    near += text + more * (std::min(end + 2, text) - first);
    dual += text + more * width;
    exact += (more + 1) * (end - first) + (first > 0 ? width : 0);
  }
  auto const hunt_of = [&](auto base, auto const& solver, int given, bool masks_are_kept,
                           std::int64_t rows) {
    using cache_type = mutants::altered_roles<decltype(base)>;
    return [=](typename cache_type::change change) -> std::function<reports()> {
      return [=] {
        return reports{cached(solver, cache_type{base, change}, given, masks_are_kept, rows)};
      };
    };
  };
  {
    auto const with = hunt_of(cache::kv_prefix{}, blocks, 0, false, prefix);
    h.control("kv_prefix", with(nullptr));
    h.mutant("prefix keeps nothing", with([](sample&, roles out) {
               for (auto& r : out) r &= static_cast<kv::role>(~kv::keep);
             }));
    h.mutant("prefix is run again in every call",
             with([](sample& s, roles out) { std::fill_n(out.begin(), s.first, kv::query); }));
    h.mutant("a position of the block without logits", with([](sample& s, roles out) {
               out[at(s.last - 1)] &= static_cast<kv::role>(~kv::logits);
             }));
    h.mutant("prefix keeps the block as it begins", with([](sample& s, roles out) {
               if (s.call == 0) out[at(s.first)] |= kv::keep;
               if (s.call > 0 && !s.masked(s.first)) out[at(s.first)] = kv::reuse;
             }));
  }
  {
    auto const with = hunt_of(cache::kv_prefix{2}, blocks, 0, false, near);
    h.control("kv_prefix with a horizon", with(nullptr));
    h.mutant("the horizon is one more", with([](sample& s, roles out) {
               if (s.call > 0 && s.last + 2 < s.positions) out[at(s.last + 2)] = kv::query;
             }));
  }
  {
    auto const with = hunt_of(cache::kv_dual{}, blocks, 0, true, dual);
    h.control("kv_dual", with(nullptr));
    h.mutant("dual keeps nothing when a block begins", with([](sample& s, roles out) {
               if (s.call > 0) return;
               for (auto& r : out) r &= static_cast<kv::role>(~kv::keep);
             }));
    h.mutant("dual runs on what is behind the block", with([](sample& s, roles out) {
               if (s.call > 0) std::fill(out.begin() + s.last, out.end(), kv::query);
             }));
  }
  {
    std::int64_t const rows = text + (std::int64_t{text} - 4) * 2;
    auto const once = test::decoder<decode::probability>(decode::evenly{3}, 0, 0.0);
    auto const with = hunt_of(cache::kv_prompt{}, once, 4, false, rows);
    h.control("kv_prompt", with(nullptr));
    h.mutant("the prompt is taken for stored",
             with([](sample& s, roles out) { std::fill_n(out.begin(), s.origin, kv::reuse); }));
    h.mutant("the prompt ends one too late", with([](sample& s, roles out) {
               if (s.call > 0) out[at(s.origin)] = kv::reuse;
             }));
  }
  {
    auto const with = hunt_of(cache::kv_blocks{}, aligned, 0, false, exact);
    h.control("kv_blocks", with(nullptr));
    h.mutant("blocks keep keys of masks", with([](sample& s, roles out) {
               for (int p = s.first; p < s.last; ++p) out[at(p)] |= kv::keep;
             }));
    h.mutant("blocks are never kept", with([](sample&, roles out) {
               for (auto& r : out) r &= static_cast<kv::role>(~kv::keep);
             }));
    h.mutant("a complete block is not run once more",
             with([](sample& s, roles out) { std::fill_n(out.begin(), s.first, kv::reuse); }));
    h.mutant("what comes later is run as well", with([](sample& s, roles out) {
               std::fill(out.begin() + s.last, out.end(), kv::query);
             }));
  }
  {
    std::int64_t rows = 0, greedy = 0;
    for (int i = 0; i < text; ++i) {
      int const open = text - i;
      rows += i < 2 || i % 5 == 0 ? text : open + 1;
      greedy += i % 3 == 0 ? text : 2 + std::min(open - 1, 2);
    }
    auto const one = test::decoder<decode::probability>(decode::evenly{text}, 0, 0.0);
    auto const with = hunt_of(cache::dkv_decode{5}, one, 0, false, rows);
    h.control("dkv_decode", with(nullptr));
    h.mutant("reuses what the last call committed", with([](sample& s, roles out) {
               for (int p = 0; p < s.positions && s.call > 1; ++p) {
                 if (s.committed[p] == s.step - 1) out[at(p)] = kv::reuse;
               }
             }));
    h.mutant("keeps what is still masked", with([](sample& s, roles out) {
               for (int p = 0; p < s.positions; ++p) {
                 if (s.masked(p) && s.call % 2 == 0) out[at(p)] |= kv::keep;
                 if (s.masked(p) && s.call % 2 == 1) out[at(p)] = kv::reuse;
               }
             }));
    h.mutant("nothing is run anew", with([](sample& s, roles out) {
               for (int p = 0; p < s.positions && s.call > 1; ++p) {
                 if (!s.masked(p) && s.committed[p] < s.step - 1) out[at(p)] = kv::reuse;
               }
             }));

    auto const known = test::decoder<decode::random_order>(decode::evenly{text}, 0, 0.0);
    auto const greedily = hunt_of(cache::dkv_greedy{3, 2}, known, 0, true, greedy);
    h.control("dkv_greedy", greedily(nullptr));
    h.mutant("the window is one less", greedily([](sample& s, roles out) {
               if (s.call % 3 == 0) return;
               for (int p = 0; p < s.positions; ++p) {
                 bool const next = std::find(s.next.begin(), s.next.end(), p) != s.next.end();
                 if (!next && s.masked(p) && (out[at(p)] & kv::query) != 0) {
                   out[at(p)] = kv::reuse;
                   return;
                 }
               }
             }));
    h.mutant("what was made is not run", greedily([](sample& s, roles out) {
               if (s.call % 3 == 0) return;
               for (auto const p : s.made) out[at(p)] = kv::reuse;
             }));
    h.mutant("what comes next is not run", greedily([](sample& s, roles out) {
               if (s.call % 3 == 0) return;
               for (auto const p : s.next) out[at(p)] = kv::reuse;
             }));
  }
}

TEST_CASE("every mutant of text is killed") {
  auto const& h = hunted();
  std::printf("%d mutants of text, %d killed\n", h.mutants(), h.killed());
  CHECK(h.mutants() >= 100);
  CHECK(h.killed() == h.mutants());
}
