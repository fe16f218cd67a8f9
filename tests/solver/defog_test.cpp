// solver::defog: its rates by the formula, its kernel by enumeration, the law of whole chains, that
// one position reaches the data in any number of steps, and its grids.

#include <diffx/denoiser/predicts.hpp>
#include <diffx/grid/distorted.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/marginal.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/schedule/mask_power.hpp>
#include <diffx/solver/defog.hpp>

#include "support/class_chains.hpp"

namespace {

using namespace diffx;
using namespace test::chains;
using solver::defog;

constexpr std::int64_t samples = 200'000;  // sees a total variation of 1.1 % in 27 cells

/// The step from x with data class x1 as the paper writes it, over so much of the flow's time.
weights textbook(detail::limit_law const& law, int states, double alpha, double eta, double omega,
                 int x, int x1, double step) {
  auto const n = static_cast<std::size_t>(states);
  weights p(n), rise(n), out(n, 0.0);
  double given = 0.0;
  for (int y = 0; y < states; ++y) {
    auto const k = static_cast<std::size_t>(y);
    double const pi = law.probability(y);
    p[k] = (y == x1 ? alpha : 0.0) + (1.0 - alpha) * pi;
    rise[k] = (y == x1 ? 1.0 : 0.0) - pi;
    given += p[k] > 0.0 || y == x1 ? 1.0 : 0.0;
  }
  auto const here = static_cast<std::size_t>(x);
  double total = 0.0;
  for (std::size_t k = 0; k < n; ++k) {
    bool const gives = p[k] > 0.0 || static_cast<int>(k) == x1;
    if (k == here || !gives || p[here] == 0.0) continue;
    out[k] = std::max(rise[k] - rise[here], 0.0) / (given * p[here]) + eta * p[k];
    if (static_cast<int>(k) == x1) out[k] += omega / (given * p[here]);
    out[k] *= step;
    total += out[k];
  }
  for (double& v : out) v /= std::max(total, 1.0);
  out[here] = std::max(1.0 - total, 0.0);
  return out;
}

template <class Process>
auto kernel_of(Process const& process, defog const& s, level const& from, level const& to,
               bool cavity) {
  auto const law = process.limit();
  int const states = states_of(process);
  return [=](int now, weights const& told) {
    weights p = told;
    if (law.probability(now) == 0.0) {
      p.assign(p.size(), 0.0);
      p[static_cast<std::size_t>(now)] = 1.0;
    } else if (cavity && now != law.mask) {
      for (int i = 0; i < classes; ++i) {
        p[static_cast<std::size_t>(i)] *=
            (i == now ? from.alpha : 0.0) + (1.0 - from.alpha) * law.probability(now);
      }
      p = normalised(p);
    }
    weights out(static_cast<std::size_t>(states), 0.0);
    for (int i = 0; i < classes; ++i) {
      double const share = p[static_cast<std::size_t>(i)];
      if (to.sigma == 0.0) {
        out[static_cast<std::size_t>(i)] += share;
        continue;
      }
      auto const row =
          textbook(law, states, from.alpha, s.eta, s.omega, now, i, to.alpha - from.alpha);
      for (std::size_t k = 0; k < out.size(); ++k) out[k] += share * row[k];
    }
    return out;
  };
}

template <class Process>
weights chain(Process const& p, defog const& s, auto const& network, timetable const& g,
              bool cavity) {
  auto law = start_law(p);
  for (int i = 0; i < g.steps(); ++i) {
    law =
        propagated(law, network, states_of(p), g[i], each(kernel_of(p, s, g[i], g[i + 1], cavity)));
  }
  return data_part(law, states_of(p));
}

/// The law that one position ends with, of which the network knows the exact posterior.
template <class Process>
weights lone_chain(Process const& p, defog const& s, timetable const& g, weights const& data) {
  int const states = states_of(p);
  auto const law = p.limit();
  weights now;
  for (int x = 0; x < states; ++x) now.push_back(law.probability(x));
  for (int i = 0; i < g.steps(); ++i) {
    auto const kernel = kernel_of(p, s, g[i], g[i + 1], false);
    weights next(now.size(), 0.0);
    for (int x = 0; x < states; ++x) {
      if (now[static_cast<std::size_t>(x)] == 0.0) continue;
      weights posterior;
      for (int k = 0; k < classes; ++k) {
        posterior.push_back(data[static_cast<std::size_t>(k)] *
                            ((k == x ? g[i].alpha : 0.0) + g[i].sigma * law.probability(x)));
      }
      auto const row = kernel(x, normalised(posterior));
      for (std::size_t k = 0; k < next.size(); ++k) {
        next[k] += now[static_cast<std::size_t>(x)] * row[k];
      }
    }
    now = next;
  }
  now.resize(classes);
  return now;
}

}  // namespace

TEST_CASE("defog: the rates") {
  process::marginal<> const p({0.5, 0.3, 0.2});
  process::absorbing<> const masks(3);
  auto const law = p.limit(), masked = masks.limit();
  auto const check = [](detail::limit_law const& of, int states) {
    for (double const alpha : {0.0, 0.3, 0.9}) {
      for (double const eta : {0.0, 2.0}) {
        for (double const omega : {0.0, 0.5}) {
          for (int x = 0; x < states; ++x) {
            for (int x1 = 0; x1 < 3; ++x1) {
              defog::rates const rate(of, alpha, eta, omega, x, x1);
              auto const want = textbook(of, states, alpha, eta, omega, x, x1, 1e-3);
              for (int y = 0; y < states; ++y) {
                if (y == x) continue;
                CHECK(1e-3 * rate(y) ==
                      doctest::Approx(want[static_cast<std::size_t>(y)]).epsilon(1e-12));
              }
            }
          }
        }
      }
    }
  };
  check(law, 3);
  check(masked, 4);
}

TEST_CASE(
    "defog: one position with the exact posterior has the law of the data in any number of "
    "steps") {
  weights const data{0.2, 0.7, 0.1};
  auto const check = [&](auto const& p, bool ever_too_long) {
    for (int const n : {1, 2, 3, 10, 50}) {
      auto const even = grid::distorted(p, n, grid::distortion::identity);
      CHECK(total_variation(lone_chain(p, {}, even, data), data) < 1e-12);
      // Its last steps but one are three quarters of what is left: jumps from a rare class of the
      // limit law would have more than probability 1.
      auto const uneven = grid::distorted(p, n, grid::distortion::polydec);
      double const off = total_variation(lone_chain(p, {}, uneven, data), data);
      CHECK((ever_too_long && n > 1 ? off > 1e-6 && off < 0.03 / n : off < 1e-12));
    }
    // Detailed balance costs an error that falls with the step, target guidance one that does not.
    auto const off = [&](defog const& s, int n) {
      return total_variation(
          lone_chain(p, s, grid::distorted(p, n, grid::distortion::identity), data), data);
    };
    CHECK(off({.eta = 5.0}, 200) < 1e-6);
    CHECK(off({.omega = 0.1}, 200) > 1e-3);
    CHECK(off({.omega = 0.1}, 800) > 0.9 * off({.omega = 0.1}, 200));
  };
  check(process::marginal<schedule::mask_power>({0.5, 0.3, 0.2}), true);
  check(process::uniform<schedule::mask_power>(3), false);
}

TEST_CASE("defog: the law of the chain, for every source and kind of network") {
  std::uint64_t seed = 800;
  auto const check = [&](auto const& p, std::string const& name) {
    auto const g = grid::distorted(p, 4, grid::distortion::polydec);
    denoiser::joint_table const posterior(p, classes, length, data_weights());
    denoiser::joint_table const cavity(p, classes, length, data_weights(),
                                       prediction::x0_cavity<>{});
    int const states = states_of(p);
    for (defog const s : {defog{}, defog{.eta = 3.0, .omega = 0.4}}) {
      std::string const what = "defog " + name + (s.eta > 0.0 ? " stirred" : "");
      sampler const run{p, s};
      auto const mixed = counts(run, memo(posterior, states), g, samples, ++seed);
      CHECK(test::passes(what, test::test_cells(mixed, chain(p, s, posterior, g, false)).p));
      auto const alone = counts(run, memo(cavity, states), g, samples, ++seed);
      CHECK(
          test::passes(what + " cavity", test::test_cells(alone, chain(p, s, cavity, g, true)).p));
      hostile const wild{};
      auto const any = counts(run, memo(wild, states), g, samples, ++seed);
      CHECK(test::passes(what + " hostile", test::test_cells(any, chain(p, s, wild, g, false)).p));
    }
  };
  check(process::absorbing<schedule::mask_power>(3), "absorbing");
  check(process::uniform<schedule::mask_power>(3), "uniform");
  check(process::marginal<schedule::mask_power>({0.5, 0.3, 0.2}), "marginal");
}

TEST_CASE("defog: extreme words draw no class that the network rules out") {
  std::vector<double> const logits{-HUGE_VAL, 0.3, -HUGE_VAL};
  auto const check = [&](auto const& p) {
    for (auto const& ends : {std::pair{1.0, 0.5}, std::pair{0.5, 0.2}, std::pair{0.5, 0.0}}) {
      timetable const grid({p.at(ends.first), p.at(ends.second)});
      categorical_plan out;
      defog{}.plan(plan_context<std::remove_cvref_t<decltype(p)>>{p, grid, 0, 0, 0}, out);
      auto const& weight = out.stages()[0].weight;
      double const w[4] = {weight[0], weight[1], weight[2], weight[3]};
      for_extreme_words([&](auto const& words) {
        for (int now = 0; now < states_of(p); ++now) {
          auto row = row_of(logits, p.limit().mask);
          int const k = defog::advance<false>(w, p.limit(), now, row, words);
          CHECK(k >= 0);
          CHECK(k < states_of(p));
          bool const is_data_alone = p.limit().probability(now) == 0.0;
          if (is_data_alone) CHECK(k == now);
          if (ends.second == 0.0 && !is_data_alone) CHECK(k == 1);
        }
      });
    }
  };
  check(process::absorbing<schedule::mask_power>(3));
  check(process::uniform<schedule::mask_power>(3));
  check(process::marginal<schedule::mask_power>({0.5, 0.5, 0.0}));
}

TEST_CASE("defog: promises and refusals") {
  process::uniform<schedule::mask_power> const p(3);
  denoiser::joint_table const d(p, classes, length, data_weights());
  keeps_its_promises(sampler{p, defog{.eta = 1.0, .omega = 0.1}}, d, 5);
  codes x(3, 0);
  auto const run = [&](defog const& s, timetable const& g) {
    sampler{p, s}.sample(exec::host{}, d, g, batch_view<std::int32_t>{x.data(), 1, length});
  };
  auto const g = grid::uniform_t(p, 3);
  CHECK_THROWS_WITH_AS(run({.eta = -1.0}, g), doctest::Contains("eta = -1"), error);
  CHECK_THROWS_WITH_AS(run({.omega = NAN}, g), doctest::Contains("omega = "), error);
  CHECK_THROWS_WITH_AS(run({}, timetable({p.at(0.1), p.at(0.5)})),
                       doctest::Contains("cannot go from data to noise"), error);
  CHECK_THROWS_WITH_AS(grid::distorted(p, 0, grid::distortion::cos), doctest::Contains("steps"),
                       error);
}

TEST_CASE("grid::distorted: the distortions") {
  using grid::distortion;
  for (auto const kind : {distortion::identity, distortion::cos, distortion::revcos,
                          distortion::polyinc, distortion::polydec}) {
    CHECK(grid::distorted_time(kind, 0.0) == 0.0);
    CHECK(grid::distorted_time(kind, 1.0) == doctest::Approx(1.0).epsilon(1e-15));
    for (int k = 0; k < 20; ++k) {
      CHECK(grid::distorted_time(kind, (k + 1) / 20.0) > grid::distorted_time(kind, k / 20.0));
    }
  }
  CHECK(grid::distorted_time(distortion::cos, 0.25) == doctest::Approx(0.14644660940672624));
  CHECK(grid::distorted_time(distortion::revcos, 0.25) == doctest::Approx(0.35355339059327376));
  CHECK(grid::distorted_time(distortion::polyinc, 0.25) == 0.0625);
  CHECK(grid::distorted_time(distortion::polydec, 0.25) == 0.4375);
  process::uniform<schedule::mask_power> const p(3);
  auto const g = grid::distorted(p, 4, distortion::polydec);
  CHECK(g.steps() == 4);
  CHECK(g[0].alpha == 0.0);
  CHECK(g[1].alpha == doctest::Approx(0.4375));
  CHECK(g[4].alpha == 1.0);
}
