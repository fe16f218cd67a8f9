// solver::discrete_flow_matching: its kernel by enumeration, what it is at c = 0, the law of whole
// chains, and that the divergence-free part leaves the data law as the limit.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/schedule/polynomial.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/discrete_flow_matching.hpp>

#include "support/class_chains.hpp"

namespace {

using namespace diffx;
using namespace test::chains;
using dfm = solver::discrete_flow_matching;

constexpr std::int64_t samples = 200'000;  // sees a total variation of 1.1 % in 27 cells

template <class Process>
categorical_stage plan_of(dfm const& s, Process const& p, level const& from, level const& to) {
  timetable const grid({from, to});
  categorical_plan out;
  s.plan(plan_context<Process>{p, grid, 0, 0, 0}, out);
  return out.stages()[0];
}

/// What the rates add up to over a step: of jumping to the data class, and to the source.
struct sums {
  double data, source;
};
sums integrated(double c, level const& from, level const& to) {
  if (to.sigma == 0.0) return {1e9, 0.0};
  double const forth = std::log((1.0 - from.alpha) / (1.0 - to.alpha));
  if (from.alpha == 0.0) return {forth, 0.0};
  return {(1.0 + c) * forth, c * std::log(to.alpha / from.alpha)};
}
sums frozen(double c, double power, level const& from, level const& to) {
  if (to.sigma == 0.0) return {1e9, 0.0};
  double const u = 1.0 - from.t, h = from.t - to.t;
  double const rate = power * std::pow(u, power - 1.0), kappa = std::pow(u, power);
  if (kappa == 0.0) return {h * rate, 0.0};
  return {h * (1.0 + c) * rate / (1.0 - kappa), h * c * rate / kappa};
}

/// The textbook step of one position: over data classes of the posterior, a jump in proportion to
/// the rates.
template <class Process>
auto kernel_of(Process const& process, sums const& s, level const& at, bool cavity) {
  auto const law = process.limit();
  int const states = states_of(process);
  return [=](int now, weights const& given) {
    weights p = given;
    if (now == law.mask) {
    } else if (law.probability(now) == 0.0) {  // data alone shows it
      p.assign(p.size(), 0.0);
      p[static_cast<std::size_t>(now)] = 1.0;
    } else if (cavity) {
      for (int i = 0; i < classes; ++i) {
        p[static_cast<std::size_t>(i)] *=
            (i == now ? at.alpha : 0.0) + (1.0 - at.alpha) * law.probability(now);
      }
      p = normalised(p);
    }
    weights out(static_cast<std::size_t>(states), 0.0);
    for (int i = 0; i < classes; ++i) {
      weights rate(out.size(), 0.0);
      double away = 0.0;
      for (int y = 0; y < states; ++y) {
        if (y == now) continue;
        away += rate[static_cast<std::size_t>(y)] =
            (y == i ? s.data : 0.0) + s.source * law.probability(y);
      }
      double const pi = p[static_cast<std::size_t>(i)];
      out[static_cast<std::size_t>(now)] += pi * std::exp(-away);
      if (away == 0.0) continue;
      for (std::size_t y = 0; y < out.size(); ++y) {
        out[y] += pi * (1.0 - std::exp(-away)) * rate[y] / away;
      }
    }
    return out;
  };
}

/// Point i of a lattice that fills the unit cube of five uniforms evenly (powers of the root of
/// x^6 = x + 1). A share of the cube is met to within `unevenness`: ten times what is seen for
/// boxes, and a fifth of the smallest share that a wrong route moves here.
double lattice(int i, int axis) {
  double const step = std::pow(1.0 / 1.1347241384015194, axis + 1);
  double const at = 0.5 + step * (i + 1);
  return at - std::floor(at);
}
constexpr int points = 40'000;
constexpr double unevenness = 0.004;

template <class Process>
void check_kernel(Process const& process, dfm const& solver) {
  std::vector<double> const logits{std::log(0.2), std::log(0.5), std::log(0.3)};
  auto const law = process.limit();
  for (auto const& ends :
       {std::pair{0.6, 0.35}, std::pair{1.0, 0.8}, std::pair{0.9, 0.85}, std::pair{0.3, 0.0}}) {
    level const from = process.at(ends.first), to = process.at(ends.second);
    auto const s = plan_of(solver, process, from, to);
    double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
    for (bool const cavity : {false, true}) {
      for (int now = 0; now < states_of(process); ++now) {
        if (from.alpha == 0.0 && law.probability(now) == 0.0) continue;
        weights count(static_cast<std::size_t>(states_of(process)), 0.0);
        for (int i = 0; i < points; ++i) {
          given_words const words{
              {lattice(i, 0), lattice(i, 1), lattice(i, 2), 0.5, lattice(i, 3), lattice(i, 4)}};
          auto row = row_of(logits, law.mask);
          int const k = cavity ? dfm::advance<true>(w, law, now, row, words)
                               : dfm::advance<false>(w, law, now, row, words);
          count[static_cast<std::size_t>(k)] += 1.0;
        }
        count = normalised(count);
        auto const want =
            kernel_of(process, integrated(solver.c, from, to), from, cavity)(now, {0.2, 0.5, 0.3});
        for (std::size_t k = 0; k < count.size(); ++k) {
          CAPTURE(now);
          CAPTURE(k);
          CAPTURE(cavity);
          CHECK(std::abs(count[k] - want[k]) < unevenness);
          if (want[k] == 0.0) CHECK(count[k] == 0.0);
        }
      }
    }
  }
}

TEST_CASE("discrete flow matching: the kernel of a position, by enumeration of its words") {
  for (double const c : {0.0, 1.5}) {
    check_kernel(process::absorbing<>(3), {.c = c});
    check_kernel(process::marginal<>({0.5, 0.3, 0.2}), {.c = c});
    check_kernel(process::marginal<>({0.1, 0.0, 0.9}), {.c = c});
  }
}

TEST_CASE("discrete flow matching: drawing another class of the limit law") {
  // Through every cell of u each other class gets its share, and the class itself none.
  for (auto const& pi : {weights{0.5, 0.3, 0.2}, weights{0.0, 0.4, 0.6}, weights{0.7, 0.3, 0.0}}) {
    process::marginal<> const p(pi);
    for (int now = 0; now < 3; ++now) {
      weights count(3, 0.0);
      constexpr int cells = 4200;  // a multiple of every share's denominator
      for (int i = 0; i < cells; ++i) {
        count[static_cast<std::size_t>(p.limit().draw_other((i + 0.5) / cells, now))] += 1.0;
      }
      for (int k = 0; k < 3; ++k) {
        double const want =
            k == now ? 0.0
                     : pi[static_cast<std::size_t>(k)] / (1.0 - pi[static_cast<std::size_t>(now)]);
        CHECK(std::abs(count[static_cast<std::size_t>(k)] / cells - want) < 1.0 / cells);
      }
      for (double const u : {0x1p-53, 1.0 - 0x1p-53}) {
        int const k = p.limit().draw_other(u, now);
        CHECK(k != now);
        CHECK(pi[static_cast<std::size_t>(k)] > 0.0);
      }
    }
  }
  process::uniform<> const p(4);
  for (int now = 0; now < 4; ++now) {
    weights count(4, 0.0);
    for (int i = 0; i < 300; ++i) {
      count[static_cast<std::size_t>(p.limit().draw_other((i + 0.5) / 300, now))] += 1.0;
    }
    for (int k = 0; k < 4; ++k) CHECK(count[static_cast<std::size_t>(k)] == (k == now ? 0 : 100));
    CHECK(p.limit().draw_other(1.0 - 0x1p-53, now) == (now == 3 ? 2 : 3));
  }
}

TEST_CASE("discrete flow matching: extreme words draw no class that the network rules out") {
  std::vector<double> const logits{-HUGE_VAL, 0.3, -HUGE_VAL};
  auto const check = [&](auto const& p, double c) {
    for (auto const& ends : {std::pair{1.0, 0.5}, std::pair{0.5, 0.2}, std::pair{0.5, 0.0}}) {
      auto const s = plan_of({.c = c}, p, p.at(ends.first), p.at(ends.second));
      double const w[4] = {s.weight[0], s.weight[1], s.weight[2], s.weight[3]};
      for_extreme_words([&](auto const& words) {
        for (int now = 0; now < states_of(p); ++now) {
          auto row = row_of(logits, p.limit().mask);
          int const k = dfm::advance<false>(w, p.limit(), now, row, words);
          CHECK(k >= 0);
          CHECK(k < states_of(p));
          if (c == 0.0) CHECK((k == now || k == 1));
          bool const is_data_alone = p.limit().probability(now) == 0.0;
          if (ends.second == 0.0) CHECK(k == (is_data_alone ? now : 1));
        }
      });
    }
  };
  for (double const c : {0.0, 3.0}) {
    check(process::absorbing<>(3), c);
    check(process::uniform<>(3), c);
    check(process::marginal<>({0.5, 0.5, 0.0}), c);
  }
}

TEST_CASE("discrete flow matching: under absorbing noise c = 0 has the ancestral probabilities") {
  process::absorbing<schedule::polynomial> const p(3, 3, {2.0});
  auto const g = grid::uniform_t(p, 9);
  for (int i = 0; i + 1 < 9; ++i) {
    auto const s = plan_of({}, p, g[i], g[i + 1]);
    double const jumps = dfm::jump_probability(s.weight[0]);
    CHECK(std::abs(jumps - (g[i].sigma - g[i + 1].sigma) / g[i].sigma) < 1e-15);
    CHECK(s.weight[1] == 0.0);
  }
  auto const last = plan_of({}, p, g[8], g[9]);
  CHECK(dfm::jump_probability(last.weight[0]) == 1.0);
}

TEST_CASE("discrete flow matching: frozen rates are the derivative, integrated ones the integral") {
  process::uniform<schedule::polynomial> const p(3, {3.0});
  dfm const s{.c = 0.7, .rates = solver::flow_rates::frozen};
  level const from = p.at(0.6);
  // Over a short step the two agree to first order; the schedule's derivative is a difference.
  double const h = 1e-6;
  auto const f = plan_of(s, p, from, p.at(0.6 - h));
  auto const i = plan_of({.c = 0.7}, p, from, p.at(0.6 - h));
  CHECK(f.weight[0] == doctest::Approx(i.weight[0]).epsilon(1e-5));
  CHECK(f.weight[1] == doctest::Approx(i.weight[1]).epsilon(1e-5));
  auto const power = schedule::polynomial{3.0};
  CHECK(power.slope(0.6) ==
        doctest::Approx((power.moved(0.6 + h) - power.moved(0.6 - h)) / (2 * h)).epsilon(1e-9));
  for (double const t : {0.0, 1e-12, 0.3, 0.9, 1.0}) {
    CHECK(power.time(power.moved(t)) == doctest::Approx(t).epsilon(1e-12));
  }
  CHECK(power.moved(1e-12) == doctest::Approx(3e-12).epsilon(1e-11));
  CHECK(power.moved(1.0) == 1.0);
}

template <class Process, class Rates>
weights chain(Process const& p, auto const& network, timetable const& g, Rates const& rates,
              bool cavity) {
  auto law = start_law(p);
  for (int i = 0; i < g.steps(); ++i) {
    law = propagated(law, network, states_of(p), g[i],
                     each(kernel_of(p, rates(g[i], g[i + 1]), g[i], cavity)));
  }
  return data_part(law, states_of(p));
}

TEST_CASE("discrete flow matching: the law of the chain, for every source and kind of network") {
  std::uint64_t seed = 400;
  auto const check = [&](auto const& p, std::string const& name) {
    auto const g = grid::uniform_t(p, 4);
    denoiser::joint_table const posterior(p, classes, length, data_weights());
    denoiser::joint_table const cavity(p, classes, length, data_weights(),
                                       prediction::x0_cavity<>{});
    int const states = states_of(p);
    for (double const c : {0.0, 2.0}) {
      for (auto const rates : {solver::flow_rates::integrated, solver::flow_rates::frozen}) {
        auto const sum = [&](level const& a, level const& b) {
          return rates == solver::flow_rates::integrated ? integrated(c, a, b)
                                                         : frozen(c, 2.0, a, b);
        };
        sampler const s{p, dfm{c, rates}};
        std::string const what = "dfm " + name + (c > 0.0 ? " circulating" : "") +
                                 (rates == solver::flow_rates::frozen ? " frozen" : "");
        auto const mixed = counts(s, memo(posterior, states), g, samples, ++seed);
        CHECK(test::passes(what, test::test_cells(mixed, chain(p, posterior, g, sum, false)).p));
        auto const plug_in = counts(s, memo(cavity, states), g, samples, ++seed);
        CHECK(test::passes(what + " cavity",
                           test::test_cells(plug_in, chain(p, cavity, g, sum, true)).p));
        hostile const wild{};
        auto const any = counts(s, memo(wild, states), g, samples, ++seed);
        CHECK(test::passes(what + " hostile",
                           test::test_cells(any, chain(p, wild, g, sum, false)).p));
      }
    }
  };
  check(process::absorbing<schedule::polynomial>(3, 3, {2.0}), "absorbing");
  check(process::uniform<schedule::polynomial>(3, {2.0}), "uniform");
  check(process::marginal<schedule::polynomial>({0.5, 0.3, 0.2}, {2.0}), "marginal");
}

TEST_CASE("discrete flow matching: the error falls as 1 / N, and log N / N from a uniform source") {
  auto const check = [](auto const& p) {
    denoiser::joint_table const d(p, classes, length, data_weights());
    auto const p0 = normalised(data_weights());
    bool const masks = p.limit().mask >= 0;
    for (double const c : {0.0, 0.5, 3.0}) {
      std::array<double, 3> off{};
      int const fewest = 128;
      for (std::size_t k = 0; k < 3; ++k) {
        auto const g = grid::uniform_t(p, fewest << k);
        auto const sum = [&](level const& a, level const& b) { return integrated(c, a, b); };
        off[k] = (fewest << k) * total_variation(chain(p, d, g, sum, false), p0);
      }
      if (masks || c == 0.0) {
        CHECK(off[0] < 0.7);
        CHECK(off[1] == doctest::Approx(off[0]).epsilon(0.03));
        CHECK(off[2] == doctest::Approx(off[1]).epsilon(0.015));
      } else {
        // a + b log N grows by the same with every doubling; a power of N would grow by a factor.
        CHECK(off[2] - off[1] < 1.15 * (off[1] - off[0]));
        CHECK(off[2] < 3.0 * (1.0 + c));
      }
    }
  };
  check(process::absorbing<>(3));
  check(process::uniform<>(3));
}

TEST_CASE("discrete flow matching: promises and refusals") {
  process::uniform<> const p(3);
  denoiser::joint_table const d(p, classes, length, data_weights());
  keeps_its_promises(sampler{p, dfm{.c = 1.0}}, d, 5);
  codes x(3, 0);
  auto const run = [&](auto const& process, dfm const& s, timetable const& g) {
    denoiser::joint_table const table(process, classes, length, data_weights());
    sampler{process, s}.sample(exec::host{}, table, g,
                               batch_view<std::int32_t>{x.data(), 1, length});
  };
  auto const g = grid::uniform_t(p, 3);
  CHECK_THROWS_WITH_AS(run(p, {.c = -1.0}, g), doctest::Contains("c = -1"), error);
  CHECK_THROWS_WITH_AS(run(p, {}, timetable({p.at(0.1), p.at(0.5)})),
                       doctest::Contains("cannot go from data to noise"), error);
  auto const bad = denoiser::predicts<prediction::x0_posterior<double>>(
      [](auto const&, auto, query const&, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = i == 4 ? NAN : 0.0;
      });
  auto const sample = [&] {
    sampler{p, dfm{}}.sample(exec::host{}, bad, grid::uniform_t(p, 1),
                             batch_view<std::int32_t>{x.data(), 1, length});
  };
  CHECK_THROWS_WITH_AS(sample(), doctest::Contains("at sample 0, position 1 in step 0"), error);
}

}  // namespace
