// solver::predictor_corrector and solver::gibbs: the cavity from a posterior, the sweep's kernel
// and the law that it leaves as it is, the picks, and the law of whole chains.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>
#include <diffx/solver/gibbs.hpp>
#include <diffx/solver/predictor_corrector.hpp>
#include <diffx/solver/product.hpp>

#include "support/class_chains.hpp"

namespace {

using namespace diffx;
using namespace test::chains;
namespace pick = solver::pick;

constexpr std::int64_t samples = 100'000;  // sees a total variation of 1.6 % in 27 cells

/// The law of a position of state `index` given the others, by enumeration of the data.
template <class Process>
weights conditional(Process const& p, weights const& data, double alpha, int index, int position) {
  auto const x = codes_of(index, classes);
  weights cavity(classes, 0.0);
  for (int d = 0; d < 27; ++d) {
    auto const x0 = codes_of(d, classes);
    double q = data[static_cast<std::size_t>(d)];
    for (int m = 0; m < length; ++m) {
      if (m == position) continue;
      auto const at = static_cast<std::size_t>(m);
      q *= (x0[at] == x[at] ? alpha : 0.0) + (1.0 - alpha) * p.limit().probability(x[at]);
    }
    cavity[static_cast<std::size_t>(x0[static_cast<std::size_t>(position)])] += q;
  }
  cavity = normalised(cavity);
  for (int k = 0; k < classes; ++k) {
    auto& c = cavity[static_cast<std::size_t>(k)];
    c = alpha * c + (1.0 - alpha) * p.limit().probability(k);
  }
  return cavity;
}

template <class Process, class F>
void for_each_network(Process const& p, F const& f) {
  denoiser::joint_table const posterior(p, classes, length, data_weights(),
                                        prediction::x0_posterior<double>{});
  denoiser::joint_table const cavity(p, classes, length, data_weights(),
                                     prediction::x0_cavity<double>{});
  f(posterior, std::false_type{});
  f(cavity, std::true_type{});
}

/// The law that the corrector has for a position.
template <bool Cavity, class Process, class Network>
weights gibbs_law_of(Process const& p, Network const& d, level const& at, int index, int position) {
  auto const logits = logits_of(d, index, classes, at);
  std::vector<double> const mine(logits.begin() + position * classes,
                                 logits.begin() + (position + 1) * classes);
  auto row = row_of(mine);
  int const now = codes_of(index, classes)[static_cast<std::size_t>(position)];
  auto const law = p.limit();
  solver::gibbs_law<Cavity, detail::class_row<double, 1>> const given(row, law, now, at.alpha,
                                                                      at.sigma);
  REQUIRE(given.is_law());
  weights out;
  for (int k = 0; k < classes; ++k) out.push_back(given.probability(k));
  double other = 0.0;
  for (int k = 0; k < classes; ++k) {
    if (k != now) other = std::max(other, out[static_cast<std::size_t>(k)]);
  }
  CHECK(given.largest_other() == other);
  CHECK(given.current() == out[static_cast<std::size_t>(now)]);
  return out;
}

TEST_CASE("gibbs: the law of a position given the others, from a posterior and from a cavity") {
  auto const check = [](auto const& p) {
    for (double const t : {0.999, 0.7, 0.2, 1e-3, 1e-9}) {
      level const at = p.at(t);
      for_each_network(p, [&](auto const& d, auto cavity) {
        for (int i = 0; i < 27; ++i) {
          for (int l = 0; l < length; ++l) {
            auto const got = gibbs_law_of<decltype(cavity)::value>(p, d, at, i, l);
            auto const want = conditional(p, data_weights(), at.alpha, i, l);
            // The table forms 1 - t from alpha, which at t = 1e-9 has 7 digits left of 16.
            for (std::size_t k = 0; k < 3; ++k)
              CHECK(std::abs(got[k] - want[k]) < 1e-15 / t + 1e-14);
          }
        }
      });
    }
  };
  check(process::uniform<>(3));
  check(process::marginal<>({0.5, 0.3, 0.2}));
}

TEST_CASE("gibbs: a posterior all but certain in float still knows its cavity") {
  // What is seen is certain to 1e-6, and the cavity is flat.
  int const n = 200;
  process::uniform<> const p(n);
  level const at = p.at(1e-6);
  double const shift = detail::leave_one_out_shift(p.limit(), 7, at.alpha, at.sigma);
  CHECK(shift == doctest::Approx(std::log1p(n * at.alpha / at.sigma)).epsilon(1e-13));
  std::vector<float> logits(static_cast<std::size_t>(n), 0.0f);
  logits[7] = static_cast<float>(shift);
  auto row = row_of(logits);
  detail::leave_one_out<detail::class_row<float, 1>> const c(row, 7, shift);
  REQUIRE(c.is_law());
  // float holds the logit to 1e-6, and a tile's sum to as much.
  CHECK(c.probability(7) == doctest::Approx(1.0 / n).epsilon(5e-6));
  CHECK(c.probability(8) == doctest::Approx(1.0 / n).epsilon(5e-6));
  // 1 - p would have said this:
  auto plain = row_of(logits);
  REQUIRE(plain.scan());
  double const here = plain.probability(7) * std::exp(-shift);
  double const crude = here / (1.0 - plain.probability(7) + here);
  CHECK(std::abs(crude * n - 1.0) > 1e-2);

  // Corners: all others ruled out; the one that is there ruled out; no distribution.
  auto const of = [](std::vector<double> const& l, int now) {
    auto r = row_of(l);
    detail::leave_one_out<detail::class_row<double, 1>> const out(r, now, 3.0);
    return std::pair{out.is_law(), out.is_law() ? out.probability(now) : -1.0};
  };
  double const inf = HUGE_VAL;
  CHECK(of({-inf, 0.5, -inf}, 1) == std::pair{true, 1.0});
  CHECK(of({0.1, -inf, 0.2}, 1) == std::pair{true, 0.0});
  CHECK(of({0.5}, 0) == std::pair{true, 1.0});
  CHECK_FALSE(of({-inf, -inf, -inf}, 1).first);
  CHECK_FALSE(of({NAN, 0.0, 0.0}, 1).first);
  CHECK_FALSE(of({0.0, NAN, 0.0}, 1).first);
  CHECK_FALSE(of({0.0, inf, 0.0}, 1).first);
  CHECK_FALSE(of({inf, 0.0, 0.0}, 1).first);
}

TEST_CASE("gibbs: one random position a sweep leaves the law of the level as it is") {
  auto const check = [](auto const& p) {
    for (double const t : {0.9, 0.4, 0.05}) {
      level const at = p.at(t);
      weights law(27, 0.0);
      auto const p0 = normalised(data_weights());
      for (int d = 0; d < 27; ++d) {
        for (int i = 0; i < 27; ++i) {
          double q = p0[static_cast<std::size_t>(d)];
          for (std::size_t l = 0; l < 3; ++l) {
            auto const from = codes_of(d, 3)[l], to = codes_of(i, 3)[l];
            q *= (from == to ? at.alpha : 0.0) + at.sigma * p.limit().probability(to);
          }
          law[static_cast<std::size_t>(i)] += q;
        }
      }
      for_each_network(p, [&](auto const& d, auto cavity) {
        weights one(27, 0.0), all(27, 0.0);
        for (int i = 0; i < 27; ++i) {
          auto const x = codes_of(i, 3);
          std::array<weights, 3> k;
          for (int l = 0; l < 3; ++l) {
            k[static_cast<std::size_t>(l)] = gibbs_law_of<decltype(cavity)::value>(p, d, at, i, l);
          }
          double const mass = law[static_cast<std::size_t>(i)];
          int const place[3] = {9, 3, 1};
          for (std::size_t l = 0; l < 3; ++l) {
            for (int v = 0; v < 3; ++v) {
              int const j = i + (v - x[l]) * place[l];
              one[static_cast<std::size_t>(j)] += mass / 3.0 * k[l][static_cast<std::size_t>(v)];
            }
          }
          for (int j = 0; j < 27; ++j) {
            auto const y = codes_of(j, 3);
            double q = mass;
            for (std::size_t l = 0; l < 3; ++l) q *= k[l][static_cast<std::size_t>(y[l])];
            all[static_cast<std::size_t>(j)] += q;
          }
        }
        CHECK(total_variation(one, law) < 1e-14);
        CHECK(total_variation(all, law) > 1e-6);  // three at once are no such thing
      });
    }
  };
  check(process::uniform<>(3));
  check(process::marginal<>({0.5, 0.3, 0.2}));
}

TEST_CASE("gibbs: the draw of a picked position, by enumeration of its words") {
  auto const check = [](auto const& p) {
    std::vector<double> const logits{std::log(0.2), std::log(0.5), std::log(0.3)};
    level const at = p.at(0.45);
    double const w[4] = {at.alpha, at.sigma, 1.0, 1.0};
    constexpr int coins = 401, cells = 400;
    auto const law = p.limit();
    auto const go = [&](auto cavity, int now) {
      constexpr bool is_cavity = decltype(cavity)::value;
      weights count(3, 0.0);
      for (int c = 0; c < coins; ++c) {
        for (int u = 0; u < cells; ++u) {
          auto row = row_of(logits);
          double const v = (u + 0.5) / cells;
          int const k = solver::gibbs<>::advance<is_cavity>(
              w, law, now, row, given_words{{(c + 0.5) / coins, v, v, 0.5}});
          count[static_cast<std::size_t>(k)] += 1.0 / (coins * cells);
        }
      }
      weights c{0.2, 0.5, 0.3};
      double const pi = law.probability(now);
      if (!is_cavity) {
        if (pi == 0.0) {
          CHECK(count[static_cast<std::size_t>(now)] == doctest::Approx(1.0).epsilon(1e-9));
          return;
        }
        c[static_cast<std::size_t>(now)] *= at.sigma * pi / (at.alpha + at.sigma * pi);
        c = normalised(c);
      }
      for (int k = 0; k < 3; ++k) {
        double const want =
            at.alpha * c[static_cast<std::size_t>(k)] + at.sigma * law.probability(k);
        CHECK(std::abs(count[static_cast<std::size_t>(k)] - want) < 2.0 / coins);
      }
    };
    for (int now = 0; now < 3; ++now) {
      go(std::false_type{}, now);
      go(std::true_type{}, now);
    }
    // Extreme words, and a network that rules classes out.
    std::vector<double> const one{-HUGE_VAL, 0.3, -HUGE_VAL};
    double const clean[4] = {1.0, 0.0, 1.0, 1.0}, mostly[4] = {0.5, 0.5, 1.0, 1.0};
    for_extreme_words([&](auto const& words) {
      for (int now = 0; now < 3; ++now) {
        auto row = row_of(one);
        CHECK(solver::gibbs<>::advance<true>(clean, law, now, row, words) == 1);
        auto again = row_of(one);
        int const k = solver::gibbs<>::advance<false>(mostly, law, now, again, words);
        CHECK((k == 1 || k == now || law.probability(k) > 0.0));
      }
    });
  };
  check(process::uniform<>(3));
  check(process::marginal<>({0.5, 0.3, 0.2}));
  check(process::marginal<>({0.4, 0.0, 0.6}));
}

// ---- picks ----

TEST_CASE("gibbs: the keys of the picks") {
  process::uniform<> const p(4);
  auto const law = p.limit();
  std::vector<double> const logits{1.0, 2.5, -0.3, 0.4};
  bool stands = false;  // somewhere the likeliest class is the one that is there
  for (double const t : {0.3, 0.9}) {
    level const at = p.at(t);
    auto const score = [&](auto rule, int now) {
      auto row = row_of(logits);
      return decltype(rule)::of(solver::gibbs_law<false, detail::class_row<double, 1>>(
          row, law, now, at.alpha, at.sigma));
    };
    for (int now = 0; now < 4; ++now) {
      weights c;
      for (double const l : logits) c.push_back(std::exp(l));
      c[static_cast<std::size_t>(now)] /= 1.0 + 4.0 * at.alpha / at.sigma;
      c = normalised(c);
      double largest = 0.0, other = 0.0, current = 0.0;
      for (int k = 0; k < 4; ++k) {
        double const q = at.alpha * c[static_cast<std::size_t>(k)] + at.sigma / 4.0;
        largest = std::max(largest, q);
        (k == now ? current : other) = std::max(k == now ? current : other, q);
      }
      if (largest == current) stands = true;
      CHECK(score(pick::lowest_probability{}, now) == doctest::Approx(-std::log(largest)));
      CHECK(score(pick::lowest_current{}, now) == doctest::Approx(-std::log(current)));
      CHECK(score(pick::lowest_margin{}, now) == doctest::Approx(std::log(other / current)));
    }
  }
  CHECK(stands);
  // Where the network rules out all others, noise alone speaks for them.
  process::uniform<> const three(3);
  std::vector<double> const one{-HUGE_VAL, 0.5, -HUGE_VAL};
  auto alone = row_of(one);
  auto const only = three.limit();
  solver::gibbs_law<true, detail::class_row<double, 1>> const none(alone, only, 1, 0.6, 0.4);
  CHECK(none.largest_other() == doctest::Approx(0.4 / 3.0).epsilon(1e-15));
  using sure = solver::gibbs<pick::lowest_margin>;
  CHECK(sure::key(1.5, 0.5, 0.3) == doctest::Approx(3.0 - std::log(-std::log(0.3))));
  CHECK(sure::key(1.5, 0.0, 0.3) == 1.5);
  CHECK(solver::gibbs<>::key(1.5, 0.5, 0.3) == 0.3);
  for (double const u : {0x1p-53, 1.0 - 0x1p-53}) CHECK(std::isfinite(sure::key(1.0, 1.0, u)));
}

TEST_CASE("gibbs: random picks are every subset alike; fixed positions are never picked") {
  constexpr std::int64_t n = 100'000, positions = 5;
  process::uniform<> const p(2);
  std::vector<std::int32_t> const x(n * positions, 0);
  std::vector<float> const logits(n * positions * 2, 0.0f);
  std::vector<double> keys(n * positions);
  std::vector<std::int32_t> order(n * positions);
  using keys_op = detail::pick_keys<std::int32_t, float, 1, false, solver::gibbs<>, noise::counted>;
  exec::host const host;
  host.for_each_sample(n * positions, keys_op{x.data(),
                                              positions,
                                              0,
                                              {{logits.data()}, {1.0f}},
                                              {0.5, 0.5, 2.0, 1.0},
                                              p.limit(),
                                              {3, 16, 0, 0.1, 0.1},
                                              noise::counted{9},
                                              keys.data()});
  host.for_each_sample(n, detail::order_picks{positions, nullptr, keys.data(), order.data()});
  std::vector<std::int64_t> pairs(20, 0);
  for (std::size_t i = 0; i < order.size(); i += positions) {
    int const a = order[i], b = order[i + 1];
    REQUIRE(a != b);
    ++pairs[static_cast<std::size_t>(a * 4 + (b > a ? b - 1 : b))];
  }
  CHECK(test::passes("random picks", test::test_cells(pairs, weights(20, 0.05)).p));
  std::vector<std::uint8_t> fixed(n * positions, 0);
  for (std::size_t i = 0; i < fixed.size(); i += positions) fixed[i + 1] = fixed[i + 3] = 1;
  host.for_each_sample(n, detail::order_picks{positions, fixed.data(), keys.data(), order.data()});
  std::vector<std::int64_t> first(3, 0);
  for (std::size_t i = 0; i < order.size(); i += positions) {
    REQUIRE(order[i] % 2 == 0);
    REQUIRE(order[i + 3] == -1);
    ++first[static_cast<std::size_t>(order[i] / 2)];
  }
  CHECK(test::passes("random picks beside fixed", test::test_cells(first, weights(3, 1.0 / 3)).p));
  // Equal keys: the lower position first.
  std::vector<double> const equal(5, 1.0);
  std::vector<std::int32_t> o(5);
  host.for_each_sample(1, detail::order_picks{5, nullptr, equal.data(), o.data()});
  CHECK(o == std::vector<std::int32_t>{0, 1, 2, 3, 4});
}

// ---- chains ----

/// The textbook ancestral kernel.
template <class Process>
auto ancestral_kernel(Process const& process, level const& from, level const& to, bool cavity) {
  auto const law = process.limit();
  return [=](int now, weights const& p) {
    double const a = from.alpha / to.alpha;
    weights out(classes, 0.0);
    for (int k = 0; k < classes; ++k) {
      for (int i = 0; i < classes; ++i) {
        double const bridge = ((k == now ? a : 0.0) + (1.0 - a) * law.probability(now)) *
                              ((k == i ? to.alpha : 0.0) + (1.0 - to.alpha) * law.probability(k));
        double const seen =
            (i == now ? from.alpha : 0.0) + (1.0 - from.alpha) * law.probability(now);
        out[static_cast<std::size_t>(k)] +=
            p[static_cast<std::size_t>(i)] * (cavity ? bridge : bridge / seen);
      }
    }
    return normalised(out);
  };
}

/// The sweep from every state, from the textbook: which positions are drawn, and their laws.
template <class Process, class Network, class Choose>
weights swept(Process const& p, weights const& law, Network const& d, level const& at, bool cavity,
              Choose const& choose) {
  weights out(27, 0.0);
  for (int i = 0; i < 27; ++i) {
    auto const x = codes_of(i, 3);
    auto const logits = logits_of(d, i, 3, at);
    std::array<weights, 3> k;
    for (int l = 0; l < 3; ++l) {
      auto& c = k[static_cast<std::size_t>(l)] = softmax(logits, l);
      int const now = x[static_cast<std::size_t>(l)];
      double const pi = p.limit().probability(now);
      if (!cavity) {
        c[static_cast<std::size_t>(now)] *= at.sigma * pi / (at.alpha + at.sigma * pi);
        c = normalised(c);
      }
      for (int v = 0; v < 3; ++v) {
        auto& q = c[static_cast<std::size_t>(v)];
        q = at.alpha * q + at.sigma * p.limit().probability(v);
      }
    }
    for (auto const& [subset, probability] : choose(x, k)) {
      for (int j = 0; j < 27; ++j) {
        auto const y = codes_of(j, 3);
        double q = law[static_cast<std::size_t>(i)] * probability;
        for (std::size_t l = 0; l < 3; ++l) {
          bool const drawn = (subset >> l & 1) != 0;
          q *= drawn ? k[l][static_cast<std::size_t>(y[l])] : (x[l] == y[l] ? 1.0 : 0.0);
        }
        out[static_cast<std::size_t>(j)] += q;
      }
    }
  }
  return out;
}

using choices = std::vector<std::pair<int, double>>;
auto const random_one = [](auto const&, auto const&) {
  return choices{{1, 1.0 / 3}, {2, 1.0 / 3}, {4, 1.0 / 3}};
};
auto const random_two = [](auto const&, auto const&) {
  return choices{{3, 1.0 / 3}, {5, 1.0 / 3}, {6, 1.0 / 3}};
};
/// The position of the lowest log-margin, or by Gumbel noise in proportion to exp(score / tau).
auto by_margin(double tau) {
  return [tau](auto const& x, auto const& k) {
    weights score;
    for (std::size_t l = 0; l < 3; ++l) {
      double other = 0.0;
      for (int v = 0; v < 3; ++v) {
        if (v != x[l]) other = std::max(other, k[l][static_cast<std::size_t>(v)]);
      }
      score.push_back(std::log(other / k[l][static_cast<std::size_t>(x[l])]));
    }
    if (tau == 0.0) {
      auto const best = std::max_element(score.begin(), score.end()) - score.begin();
      return choices{{1 << best, 1.0}};
    }
    for (double& s : score) s = std::exp(s / tau);
    score = normalised(score);
    return choices{{1, score[0]}, {2, score[1]}, {4, score[2]}};
  };
}

TEST_CASE("predictor and corrector: the law of the chain") {
  std::uint64_t seed = 500;
  constexpr int steps = 4;
  auto const check = [&](auto const& p, std::string const& name, auto const& network, bool cavity) {
    auto const g = grid::uniform_t(p, steps);
    auto const go = [&](auto const& solver, int sweeps, auto const& choose, std::string const& how,
                        int corrected) {
      auto law = start_law(p);
      for (int i = 0; i < steps; ++i) {
        law = propagated(law, network, 3, g[i], each(ancestral_kernel(p, g[i], g[i + 1], cavity)));
        if (i + 1 == steps || i >= corrected) continue;
        for (int n = 0; n < sweeps; ++n) law = swept(p, law, network, g[i + 1], cavity, choose);
      }
      sampler const s{p, solver};
      auto const seen = counts(s, memo(network, 3), g, samples, ++seed);
      CHECK(test::passes("pc " + name + " " + how, test::test_cells(seen, law).p));
    };
    using solver::ancestral;
    using solver::gibbs;
    using solver::predictor_corrector;
    go(predictor_corrector{ancestral{}}, 1, random_one, "random", steps);
    go(predictor_corrector{ancestral{}, gibbs<>{2}, 3, 2}, 3, random_two, "random two", 2);
    // Under uniform noise scores tie, and rounding decides.
    if (name.starts_with("marginal")) {
      go(predictor_corrector{ancestral{}, gibbs<pick::lowest_margin>{1, 0.0}}, 1, by_margin(0.0),
         "greedy", steps);
    }
    go(predictor_corrector{ancestral{}, gibbs<pick::lowest_margin>{1, 0.7}}, 1, by_margin(0.7),
       "gumbel", steps);
  };
  auto const both = [&](auto const& p, std::string const& name) {
    for_each_network(p, [&](auto const& d, auto cavity) {
      check(p, name + (cavity ? " cavity" : " posterior"), d, cavity);
    });
    check(p, name + " hostile", hostile{}, false);
  };
  both(process::uniform<>(3), "uniform");
  both(process::marginal<>({0.5, 0.3, 0.2}), "marginal");
}

TEST_CASE("predictor and corrector: sweeps bring the law of few steps to the data") {
  // With an exact network every sweep leaves the level's own law alone and heals what the step
  // did; the exact chains say how much.
  process::uniform<> const p(3);
  denoiser::joint_table const d(p, 3, 3, data_weights(), prediction::x0_posterior<double>{});
  constexpr int steps = 8;
  auto const g = grid::uniform_t(p, steps);
  auto const p0 = normalised(data_weights());
  double before = 1.0;
  for (int const sweeps : {0, 1, 4, 16}) {
    auto law = start_law(p);
    for (int i = 0; i < steps; ++i) {
      law = propagated(law, d, 3, g[i], each(ancestral_kernel(p, g[i], g[i + 1], false)));
      if (i + 1 == steps) break;
      for (int n = 0; n < sweeps; ++n) law = swept(p, law, d, g[i + 1], false, random_one);
    }
    double const off = total_variation(law, p0);
    CHECK(off < before);
    before = off;
  }
}

TEST_CASE("predictor and corrector: evaluations, budget, promises, refusals") {
  using solver::ancestral;
  using solver::gibbs;
  using solver::predictor_corrector;
  process::uniform<> const p(3);
  denoiser::joint_table const d(p, 3, 3, data_weights());
  auto const g = grid::uniform_t(p, 6);
  codes x(3 * 10);
  batch_view<std::int32_t> const v{x.data(), 10, 3};
  auto const evaluations = [&](auto const& s) {
    return sampler{p, s}.sample(exec::host{}, d, g, v).evaluations;
  };
  CHECK(evaluations(predictor_corrector{ancestral{}}) == 6 + 5);
  CHECK(evaluations(predictor_corrector{ancestral{}, gibbs<>{}, 3}) == 6 + 15);
  CHECK(evaluations(predictor_corrector{ancestral{}, gibbs<>{}, 1, 2}) == 6 + 2);
  CHECK(evaluations(predictor_corrector{ancestral{}, gibbs<>{}, 1, 0}) == 6);
  using run = solver::corrected_run;
  for (int budget = 1; budget < 40; ++budget) {
    for (int sweeps = 0; sweeps < 5; ++sweeps) {
      auto const r = run::of(budget, sweeps);
      CHECK(r.steps + sweeps * r.corrected_steps == budget);
      CHECK(r.corrected_steps < r.steps);
      if (sweeps > 0) CHECK(r.steps - r.corrected_steps <= sweeps + 1);
    }
  }
  keeps_its_promises(sampler{p, predictor_corrector{ancestral{}}}, d, 4);
  keeps_its_promises(sampler{p, predictor_corrector{solver::discrete_flow_matching{.c = 1.0},
                                                    gibbs<pick::lowest_current>{2, 0.3}}},
                     d, 4);
  // Sweeps of no positions' worth: with all fixed nothing moves, in steps or sweeps.
  std::vector<std::uint8_t> const fixed(x.size(), 1);
  options<> o{noise::counted{1}};
  o.start = start::given;
  o.fixed = fixed.data();
  codes const before = x;
  sampler{p, predictor_corrector{ancestral{}, gibbs<>{2}}}.sample(exec::host{}, d, g, v, o);
  CHECK(x == before);

  CHECK_THROWS_WITH_AS(evaluations(predictor_corrector{ancestral{}, gibbs<>{0}}),
                       doctest::Contains("picks = 0"), error);
  CHECK_THROWS_WITH_AS(evaluations(predictor_corrector{ancestral{}, gibbs<>{1, -1.0}}),
                       doctest::Contains("temperature = -1"), error);
  CHECK_THROWS_WITH_AS(evaluations(predictor_corrector{ancestral{}, gibbs<>{}, 257}),
                       doctest::Contains("sweeps = 257"), error);
  static_assert(!rule::solver_suits_process<process::absorbing<>, predictor_corrector<ancestral>>);
  static_assert(rule::solver_suits_process<process::uniform<>, predictor_corrector<ancestral>>);
  auto const bad = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto, query const& q, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = q.step == 2 && q.stage == 1 ? NAN : 0.0;
        }
      });
  auto const sample = [&](auto const& s) { sampler{p, s}.sample(exec::host{}, bad, g, v); };
  CHECK_THROWS_WITH_AS(sample(predictor_corrector{ancestral{}, gibbs<>{3}}),
                       doctest::Contains("in step 2"), error);
  CHECK_THROWS_WITH_AS(sample(predictor_corrector{ancestral{}, gibbs<pick::lowest_margin>{}}),
                       doctest::Contains("at sample 0, position 0 in step 2"), error);
}

/// Logits of the condition and of the null branch.
struct two_branches {
  static constexpr int branches = 2;
  prediction::x0_cavity<double> prediction{};
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const>, query const& q,
                  batch_view<double> out) const {
    double const c[3] = {0.2, -1.0, 0.7}, u[3] = {-0.3, 0.4, 0.1};
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = q.branch == 0 ? c[i % 3] : u[i % 3];
  }
};

TEST_CASE("predictor and corrector: the corrector sees the guided logits") {
  process::uniform<> const p(3);
  double const w = 2.5;
  weights c;
  for (double const l :
       {0.2 * w + 0.3 * (w - 1), -1.0 * w - 0.4 * (w - 1), 0.7 * w - 0.1 * (w - 1)}) {
    c.push_back(std::exp(l));
  }
  c = normalised(c);
  // One position, drawn anew at the end of the first of two steps: what was there is forgotten.
  timetable const g({p.at(1.0), p.at(0.4), p.at(0.0)});
  constexpr std::int64_t n = 200'000;
  codes x(n);
  batch_view<std::int32_t> const v{x.data(), n, 1};
  sampler const s{p, solver::predictor_corrector{solver::ancestral{}}, guidance::cfg{w}};
  options<> o{noise::counted{71}};
  o.last_step = 0;
  CHECK(s.sample(exec::host{}, two_branches{}, g, v, o).nfe == 4);
  std::vector<std::int64_t> count(3, 0);
  for (auto const k : x) ++count[static_cast<std::size_t>(k)];
  weights law;
  for (double const q : c) law.push_back(0.6 * q + 0.4 / 3.0);
  CHECK(test::passes("pc cfg", test::test_cells(count, law).p));
}

/// Equal logits for everything, in two blocks.
struct two_flat_blocks {
  prediction::product<prediction::x0_posterior<double>, prediction::x0_posterior<double>>
      prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const&, Out const& out) const {
    auto const clear = [](auto const& rows) { std::fill_n(rows.data, rows.size(), 0.0); };
    clear(std::get<0>(out));
    clear(std::get<1>(out));
  }
};

TEST_CASE("predictor and corrector: two blocks of classes are corrected at places of their own") {
  using solver_type = solver::predictor_corrector<solver::ancestral>;
  process::uniform<> const p(1000);
  sampler const s{process::product{std::tuple{p, p}},
                  solver::product{std::tuple{solver_type{}, solver_type{}}}};
  // A step too short to draw anything, and one position of eight that a sweep draws from 1000.
  timetable const g({p.at(0.5), p.at(0.5 - 1e-12)});
  constexpr std::int64_t n = 200, positions = 8;
  codes x(n * positions, 7), y(n * positions, 7);
  options<> o{noise::counted{81}};
  o.start = start::given;
  s.sample(exec::host{}, two_flat_blocks{}, g,
           std::tuple{batch_view<std::int32_t>{x.data(), n, positions},
                      batch_view<std::int32_t>{y.data(), n, positions}},
           o);
  int alike = 0;
  for (std::size_t k = 0; k < x.size(); ++k) alike += x[k] != 7 && y[k] != 7 ? 1 : 0;
  CHECK(std::count(x.begin(), x.end(), 7) >= n * (positions - 1));
  CHECK(alike > 0);  // 25 of 200 are expected; 8 standard deviations are 37
  CHECK(alike < 62);
}

}  // namespace
