// solver::remdm: its kernel by enumeration, marginals that no rule changes, what is masked between
// the steps, and the law of whole chains.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/mask_cosine.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/remdm.hpp>

#include "support/class_chains.hpp"
#include <map>
#include <utility>

namespace {

using namespace diffx;
using namespace test::chains;
namespace remask = solver::remask;

constexpr std::int64_t samples = 200'000;  // sees a total variation of 1.1 % in 27 cells

template <class Rule, class Process>
categorical_stage plan_of(Rule const& rule, Process const& p, level const& from, level const& to) {
  timetable const grid({from, to});
  categorical_plan out;
  solver::remdm<Rule>{rule}.plan(plan_context<Process>{p, grid, 0, 0, 0}, out);
  REQUIRE(out.stages().size() == 1);
  return out.stages()[0];
}

template <class F>
void for_each_rule(F const& f) {
  f(remask::cap{0.3});
  f(remask::cap{1.0});
  f(remask::rescale{0.5});
  f(remask::rescale{1.0});
  f(remask::forward_backward{});
  f(remask::loop{.eta = 0.2, .t_on = 0.6, .t_off = 0.2, .alpha_on = 0.7});
  f(remask::loop{});
}

TEST_CASE("remdm: the limit of a share, and what each rule makes of it") {
  process::absorbing<> const p(3);
  level const a = p.at(0.4), b = p.at(0.35);  // alpha 0.6 and 0.65
  CHECK(remask::limit(a, b) == doctest::Approx(0.35 / 0.6).epsilon(1e-15));
  CHECK(remask::limit(p.at(0.7), p.at(0.6)) == 1.0);
  CHECK(remask::limit(p.at(1.0), p.at(0.9)) == 1.0);  // nothing is visible at alpha = 0
  CHECK(remask::limit(p.at(1.0), p.at(0.0)) == 1.0);
  CHECK(remask::limit(p.at(0.3), p.at(0.0)) == 0.0);
  CHECK(plan_of(remask::cap{0.02}, p, a, b).weight[1] == 0.02);
  CHECK(plan_of(remask::cap{0.9}, p, a, b).weight[1] == remask::limit(a, b));
  CHECK(plan_of(remask::rescale{0.1}, p, a, b).weight[1] == 0.1 * remask::limit(a, b));
  CHECK(plan_of(remask::forward_backward{}, p, a, b).weight[1] ==
        doctest::Approx(0.05 / 0.6).epsilon(1e-14));
  // A forward step of its own length back from the last step would mask what must be data.
  CHECK(plan_of(remask::forward_backward{}, p, a, p.at(0.0)).weight[1] == 0.0);
  CHECK(plan_of(remask::forward_backward{}, p, p.at(1.0), p.at(0.9)).weight[1] == 1.0);
  remask::loop const loop{};
  CHECK(loop.on(p, p.at(1.0)).alpha == 0.0);
  CHECK(loop.on(p, p.at(0.0)).sigma == 0.0);
  CHECK(loop.on(p, p.at(0.775)).alpha == doctest::Approx(0.45).epsilon(1e-14));
  CHECK(loop.on(p, p.at(0.55)).alpha == doctest::Approx(0.9).epsilon(1e-14));
  CHECK(loop.on(p, p.at(0.3)).alpha == doctest::Approx(0.9).epsilon(1e-14));
  CHECK(loop.on(p, p.at(0.025)).sigma == doctest::Approx(0.05).epsilon(1e-14));
  auto const held = plan_of(loop, p, p.at(0.4), p.at(0.35));
  CHECK(held.weight[1] == 0.02);
  CHECK(held.at.alpha == doctest::Approx(0.9).epsilon(1e-14));  // what the network is told
  CHECK(held.to.alpha == held.at.alpha);
  CHECK(plan_of(loop, p, p.at(0.8), p.at(0.7)).weight[1] == 0.0);
  CHECK(plan_of(loop, p, p.at(0.05), p.at(0.02)).weight[1] == 0.0);
}

TEST_CASE("remdm: every rule keeps the marginals, on any grid") {
  auto const check = [](auto const& p) {
    for (int const steps : {1, 2, 3, 7, 1000}) {
      auto const g = grid::uniform_t(p, steps);
      for_each_rule([&](auto const& rule) {
        for (int i = 0; i < steps; ++i) {
          level const from = rule.on(p, g[i]), to = rule.on(p, g[i + 1]);
          auto const s = plan_of(rule, p, g[i], g[i + 1]);
          double const leaves = s.weight[0], masked = s.weight[1];
          CHECK(leaves >= 0.0);
          CHECK(leaves <= 1.0 + 1e-15);
          CHECK(masked >= 0.0);
          CHECK(masked <= 1.0);
          double const after = from.alpha * (1.0 - masked) + from.sigma * leaves;
          CHECK(std::abs(after - to.alpha) < 1e-14);
        }
        CHECK(plan_of(rule, p, g[steps - 1], g[steps]).weight[0] == 1.0);  // no mask is left
      });
    }
  };
  check(process::absorbing<>(3));
  check(process::absorbing<schedule::mask_cosine>(3, 3));
}

/// The textbook kernel: of a class, and of the mask.
auto kernel_of(double leaves, double masked) {
  return [=](int now, weights const& p) {
    weights out(classes + 1, 0.0);
    if (now != classes) {
      out[static_cast<std::size_t>(now)] = 1.0 - masked;
      out[classes] = masked;
    } else {
      for (std::size_t v = 0; v < classes; ++v) out[v] = leaves * p[v];
      out[classes] = 1.0 - leaves;
    }
    return out;
  };
}

TEST_CASE("remdm: the kernel of a position, by enumeration of its words") {
  process::absorbing<> const p(3);
  constexpr int coins = 997, cells = 20;
  std::vector<double> const logits{std::log(0.2), std::log(0.5), std::log(0.3)};
  weights const law{0.2, 0.5, 0.3};
  auto const s = plan_of(remask::rescale{0.4}, p, p.at(0.4), p.at(0.3));
  double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
  for (int now = 0; now <= 3; ++now) {
    weights count(4, 0.0);
    for (int c = 0; c < coins; ++c) {
      for (int u = 0; u < cells; ++u) {
        auto row = row_of(logits, 3);
        int const k = solver::remdm<>::advance<false>(
            w, p.limit(), now, row, given_words{{(c + 0.5) / coins, (u + 0.5) / cells}});
        count[static_cast<std::size_t>(k)] += 1.0 / (coins * cells);
      }
    }
    auto const want = kernel_of((0.1 + w[1] * 0.6) / 0.4, 0.4 * 0.3 / 0.6)(now, law);
    for (std::size_t k = 0; k < 4; ++k) {
      CHECK(std::abs(count[k] - want[k]) < 1.5 / coins);
      if (want[k] == 0.0) CHECK(count[k] == 0.0);
    }
  }
  // Whatever the words, a class that the network rules out is not drawn, and a share of 0 or 1 is
  // that.
  std::vector<double> const one{-HUGE_VAL, 0.3, -HUGE_VAL};
  for_extreme_words([&](auto const& words) {
    for (int now = 0; now <= 3; ++now) {
      auto row = row_of(one, 3);
      double const none[4] = {0.0, 0.0, 0.0, 0.0}, all[4] = {1.0, 1.0, 0.0, 0.0};
      CHECK(solver::remdm<>::advance<false>(none, p.limit(), now, row, words) == now);
      CHECK(solver::remdm<>::advance<false>(all, p.limit(), now, row, words) == (now == 3 ? 1 : 3));
    }
  });
}

TEST_CASE("remdm: the law of the chain, exact and hostile, and the masks after every step") {
  process::absorbing<> const p(3);
  denoiser::joint_table const exact(p, classes, length, data_weights());
  constexpr int steps = 5;
  auto const g = grid::uniform_t(p, steps);
  std::uint64_t seed = 100;
  for_each_rule([&](auto const& rule) {
    sampler const s{p, solver::remdm{rule}};
    std::string const name = "remdm " + std::string(rule.name);
    auto const check = [&](auto const& network, std::string const& which) {
      auto law = start_law(p);
      for (int i = 0; i < steps; ++i) {
        level const from = rule.on(p, g[i]), to = rule.on(p, g[i + 1]);
        double const limit = from.alpha > 0.0 ? std::min(1.0, (1.0 - to.alpha) / from.alpha) : 1.0;
        double const r = std::min(limit, rule.share(g[i].t, from, to));
        law = propagated(
            law, network, 4, from,
            each(kernel_of((to.alpha - (1.0 - r) * from.alpha) / (1.0 - from.alpha), r)));
      }
      auto const seen = counts(s, memo(network, 4), g, samples, ++seed);
      CHECK(test::passes(name + which, test::test_cells(seen, data_part(law, 4)).p));
    };
    check(exact, " exact");
    check(hostile{}, " hostile");

    // Between the steps a wrong denominator shows that the end hides.
    constexpr std::int64_t n = 50'000;
    hostile const inner{};
    auto const d = memo(inner, 4);
    codes x(n * length);
    batch_view<std::int32_t> const v{x.data(), n, length};
    exec::host const host;
    detail::workspace const memory(s.workspace_size(host, d, v));
    auto r = s.start(host, d, g, v, memory.span(), options{noise::counted{++seed}});
    for (int k = 0;; ++k) {
      std::vector<std::int64_t> masked(length + 1, 0);
      for (std::size_t i = 0; i < x.size(); i += length) {
        ++masked[static_cast<std::size_t>((x[i] == 3) + (x[i + 1] == 3) + (x[i + 2] == 3))];
      }
      double const q = rule.on(p, g[k]).sigma;
      weights const law{(1 - q) * (1 - q) * (1 - q), 3 * q * (1 - q) * (1 - q), 3 * q * q * (1 - q),
                        q * q * q};
      CHECK(test::passes(name + " masks " + std::to_string(k), test::test_cells(masked, law).p));
      if (r.done()) break;
      r.advance();
    }
    CHECK(r.status().nfe == steps);
  });
}

TEST_CASE("remdm: a share of 0 is the ancestral step, bit for bit") {
  process::absorbing<> const p(3);
  denoiser::joint_table const d(p, classes, length, data_weights());
  auto const g = grid::uniform_t(p, 6);
  auto const a = counts(sampler{p, solver::remdm{remask::cap{0.0}}}, d, g, 2000, 7);
  auto const b = counts(sampler{p, solver::ancestral{}}, d, g, 2000, 7);
  CHECK(a == b);
}

// ---- by confidence ----

TEST_CASE("remdm by confidence: shares of a sample") {
  using rule = remask::confidence;
  double const inf = HUGE_VAL;
  codes const x{3, 0, 2, 3, 1, 1};
  weights const psi{0.1, 0.9, 0.2, inf, 0.5, inf};
  auto const t = rule::of(x.data(), psi.data(), 6, 3);
  double const sum = std::exp(-0.9) + std::exp(-0.2) + std::exp(-0.5);
  CHECK(t.share(0.9) == doctest::Approx(std::exp(-0.9) / sum).epsilon(1e-14));
  CHECK(t.share(0.2) == doctest::Approx(std::exp(-0.2) / sum).epsilon(1e-14));
  CHECK(t.share(0.9) + t.share(0.2) + t.share(0.5) == doctest::Approx(1.0).epsilon(1e-14));
  CHECK(t.share(inf) == 0.0);  // a class that was given
  codes const masks(6, 3), given(6, 1);
  weights const none(6, inf);
  CHECK(rule::of(masks.data(), psi.data(), 6, 3).share(0.5) == 0.0);
  CHECK(rule::of(given.data(), none.data(), 6, 3).share(inf) == 0.0);
}

TEST_CASE("remdm by confidence: a position remembers the probability of its draw, and its share") {
  using solver_type = solver::remdm<remask::confidence>;
  process::absorbing<> const p(3);
  std::vector<double> const logits{std::log(0.2), std::log(0.5), std::log(0.3)};
  auto const s = plan_of(remask::confidence{}, p, p.at(0.5), p.at(0.4));
  double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
  CHECK(w[0] == doctest::Approx(0.2).epsilon(1e-14));  // the ancestral share leaves the mask
  CHECK(w[1] == doctest::Approx(0.8).epsilon(1e-14));  // of which each position has a part
  auto const advance = [&](int now, double coin, double u, double share, double& psi) {
    auto row = row_of(logits, 3);
    return solver_type::advance<false>(w, p.limit(), now, row, given_words{{coin, u}}, share, psi);
  };
  double psi = 7.0;
  CHECK(advance(3, 0.21, 0.1, 0.5, psi) == 3);
  CHECK(psi == 7.0);
  CHECK(advance(3, 0.19, 0.1, 0.5, psi) == 0);
  CHECK(psi == doctest::Approx(0.2).epsilon(1e-14));
  CHECK(advance(3, 0.19, 0.9, 0.5, psi) == 2);
  CHECK(psi == doctest::Approx(0.3).epsilon(1e-14));
  CHECK(advance(2, 0.41, 0.9, 0.5, psi) == 2);
  CHECK(advance(2, 0.39, 0.9, 0.5, psi) == 3);
  CHECK(advance(2, 0.01, 0.9, 0.0, psi) == 2);
}

TEST_CASE("remdm by confidence: the law of the chain over classes and what they remember") {
  process::absorbing<> const p(3);
  constexpr int steps = 4;
  auto const g = grid::uniform_t(p, steps);
  denoiser::joint_table const exact(p, classes, length, data_weights());
  auto const check = [&](auto const& network, std::string const& name, std::uint64_t seed) {
    // A position: its class, and the probability it had; all memories that can be are enumerated.
    using position = std::pair<int, double>;
    using state = std::array<position, length>;
    std::map<state, double> law{{state{position{3, 0.0}, {3, 0.0}, {3, 0.0}}, 1.0}};
    for (int i = 0; i < steps; ++i) {
      level const from = g[i], to = g[i + 1];
      double const limit = from.alpha > 0.0 ? std::min(1.0, (1.0 - to.alpha) / from.alpha) : 1.0;
      double const leaves = (to.alpha - from.alpha) / (1.0 - from.alpha);
      std::map<state, double> next;
      for (auto const& [x, weight] : law) {
        auto const logits =
            logits_of(network, (x[0].first * 4 + x[1].first) * 4 + x[2].first, 4, from);
        double total = 0.0;
        for (auto const& [k, psi] : x) total += k < 3 ? std::exp(-psi) : 0.0;
        std::array<std::vector<std::pair<position, double>>, length> to_of;
        for (std::size_t l = 0; l < length; ++l) {
          auto const& [k, psi] = x[l];
          if (k < 3) {
            double const r = limit * std::exp(-psi) / total;
            to_of[l] = {{x[l], 1.0 - r}, {{3, 0.0}, r}};
          } else {
            auto const q = softmax(logits, static_cast<int>(l));
            to_of[l] = {{x[l], 1.0 - leaves}};
            for (int v = 0; v < 3; ++v) {
              double const pv = q[static_cast<std::size_t>(v)];
              // Equal up to rounding is one memory.
              to_of[l].push_back({{v, std::round(pv * 1e12) * 1e-12}, leaves * pv});
            }
          }
        }
        for (auto const& a : to_of[0]) {
          for (auto const& b : to_of[1]) {
            for (auto const& c : to_of[2]) {
              double const q = weight * a.second * b.second * c.second;
              if (q > 0.0) next[{a.first, b.first, c.first}] += q;
            }
          }
        }
      }
      law = std::move(next);
    }
    weights want(27, 0.0);
    for (auto const& [x, weight] : law) {
      if (x[0].first < 3 && x[1].first < 3 && x[2].first < 3) {
        want[static_cast<std::size_t>(x[0].first * 9 + x[1].first * 3 + x[2].first)] += weight;
      }
    }
    CHECK(std::accumulate(want.begin(), want.end(), 0.0) == doctest::Approx(1.0).epsilon(1e-12));
    sampler const s{p, solver::remdm{remask::confidence{}}};
    auto const seen = counts(s, memo(network, 4), g, samples, seed);
    CHECK(test::passes("remdm confidence " + name, test::test_cells(seen, normalised(want)).p));
    // It differs from the other rules, so the test sees memory.
    auto const other =
        counts(sampler{p, solver::remdm{remask::rescale{1.0}}}, memo(network, 4), g, samples, seed);
    CHECK(test::test_cells(other, normalised(want)).p < 1e-6);
  };
  check(exact, "exact", 301);
  check(hostile{}, "hostile", 302);
}

TEST_CASE("remdm by confidence: classes that were given stay, and so do fixed ones") {
  process::absorbing<> const p(3);
  hostile const d{};
  auto const g = grid::uniform_t(p, 20);
  codes x;
  for (int i = 0; i < 500; ++i) {
    x.push_back(2);
    x.push_back(3);
    x.push_back(3);
  }
  options<> o{noise::counted{3}};
  o.start = start::given;
  sampler const s{p, solver::remdm{remask::confidence{}}};
  s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), 500, length}, o);
  for (std::size_t i = 0; i < x.size(); i += 3) CHECK(x[i] == 2);
  std::vector<std::uint8_t> fixed(x.size(), 0);
  for (std::size_t i = 1; i < fixed.size(); i += 3) fixed[i] = 1;
  auto const before = x;
  o.start = start::noised;
  o.fixed = fixed.data();
  s.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), 500, length}, o);
  for (std::size_t i = 1; i < x.size(); i += 3) CHECK(x[i] == before[i]);
  CHECK(x != before);
}

TEST_CASE("remdm: promises and refusals") {
  process::absorbing<> const p(3);
  denoiser::joint_table const d(p, classes, length, data_weights());
  keeps_its_promises(sampler{p, solver::remdm{remask::rescale{0.7}}}, d, 5);
  keeps_its_promises(sampler{p, solver::remdm{remask::confidence{}}}, d, 5);
  codes x(3, 3);
  auto const run = [&](auto const& rule, timetable const& g) {
    sampler{p, solver::remdm{rule}}.sample(exec::host{}, d, g,
                                           batch_view<std::int32_t>{x.data(), 1, length});
  };
  auto const g = grid::uniform_t(p, 3);
  CHECK_THROWS_WITH_AS(run(remask::cap{1.5}, g), doctest::Contains("eta = 1.5"), error);
  CHECK_THROWS_WITH_AS(run(remask::rescale{-0.1}, g), doctest::Contains("eta"), error);
  CHECK_THROWS_WITH_AS(run(remask::loop{.t_on = 0.04}, g), doctest::Contains("t_on"), error);
  CHECK_THROWS_WITH_AS(run(remask::loop{.alpha_on = 1.0}, g), doctest::Contains("alpha_on"), error);
  CHECK_THROWS_WITH_AS(run(remask::cap{}, timetable({p.at(0.1), p.at(0.5)})),
                       doctest::Contains("cannot go from data to noise"), error);
  static_assert(!rule::solver_suits_process<process::uniform<>, solver::remdm<>>);
  static_assert(rule::solver_suits_process<process::absorbing<>, solver::remdm<>>);
  auto const bad = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = i == 4 ? NAN : 0.0;
      });
  for (bool const remembers : {false, true}) {
    auto const sample = [&](auto const& r) {
      sampler{p, solver::remdm{r}}.sample(exec::host{}, bad, grid::uniform_t(p, 1),
                                          batch_view<std::int32_t>{x.data(), 1, length});
    };
    CHECK_THROWS_WITH_AS(remembers ? sample(remask::confidence{}) : sample(remask::cap{}),
                         doctest::Contains("at sample 0, position 1 in step 0"), error);
  }
}

}  // namespace
