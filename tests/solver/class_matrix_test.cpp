// solver::ancestral on processes of matrices: the law of K steps against the exact chain, noise put
// back, and what is refused.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/rate_matrix.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/log_linear.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/oracles.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using weights = std::vector<double>;
using posterior = prediction::x0_posterior<double>;
using cavity = prediction::x0_cavity<double>;

constexpr int length = 3;
constexpr std::int64_t samples = 300'000;  // sees a total variation of about 1 % (power 0.99)

process::discretised_gaussian ordinal() { return {3, {0.05, 0.2, 0.5, 1.0, 3.0}}; }
process::mask_and_replace masks() {
  return {3, {0.85, 0.6, 0.4, 0.15, 0.01}, {0.05, 0.2, 0.35, 0.7, 0.9}};
}
process::rate_matrix<> birth_and_death() {
  return process::rate_matrix<>({-1, 1, 0, 0.5, -1, 0.5, 0, 2, -2}, {0.0, 4.0});
}

/// The reverse step by Bayes' rule, from the matrices themselves.
template <bool Cavity, class Process>
weights bayes(Process const& p, level const& t, level const& s, int now,
              std::span<double const> logits) {
  auto const n = static_cast<std::size_t>(p.states()), j = static_cast<std::size_t>(now);
  auto const step = p.transition(s, t), before = p.transition({}, s), after = p.transition({}, t);
  weights out(n, 0.0);
  double sum = 0.0, all = 0.0;
  for (double const l : logits) all += std::exp(l);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    double const law = std::exp(logits[i]) / all;
    if (after[i * n + j] == 0.0) {
      // A posterior of what cannot be: the position stays.
      if (!Cavity) out[j] += law;
      continue;
    }
    for (std::size_t k = 0; k < n; ++k) {
      double const joint = step[k * n + j] * before[i * n + k];
      out[k] += law * (Cavity ? joint : joint / after[i * n + j]);
    }
  }
  for (double const v : out) sum += v;
  for (double& v : out) v /= sum;
  return out;
}

/// No law of anything.
template <class Prediction>
struct hostile {
  Prediction prediction{};
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    auto const width = static_cast<int>(out.features / length);
    for (std::int64_t i = 0; i < x.batch; ++i) {
      int const s = (x.row(i)[0] * 4 + x.row(i)[1]) * 4 + x.row(i)[2];
      for (int l = 0; l < length; ++l) {
        for (int v = 0; v < width; ++v) {
          out.row(i)[l * width + v] = (7 * s + 11 * l + 5 * v + s * v + q.step) % 13 / 4.0 - 1.0;
        }
      }
    }
  }
};

/// Rows of every state, worked out once a step.
template <class Inner>
struct memoised {
  decltype(Inner::prediction) prediction;
  Inner const* inner;
  int states;
  mutable int step = -1;
  mutable weights table{};

  template <class Exec>
  void operator()(Exec const& exec, batch_view<std::int32_t const> x, query const& q,
                  batch_view<double> out) const {
    auto const row = static_cast<std::size_t>(out.features);
    if (q.step != step) {
      step = q.step;
      table.assign(row * static_cast<std::size_t>(states * states * states),
                   std::numeric_limits<double>::quiet_NaN());
      for (int i = 0; i < states * states * states; ++i) {
        codes const c{i / (states * states), i / states % states, i % states};
        try {
          (*inner)(exec::host{}, batch_view<std::int32_t const>{c.data(), 1, length}, q,
                   batch_view<double>{table.data() + static_cast<std::size_t>(i) * row, 1,
                                      out.features});
        } catch (error const&) {  // a state that the data cannot lead to
        }
      }
    }
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      auto const* const c = x.row(i);
      auto const index = static_cast<std::size_t>((c[0] * states + c[1]) * states + c[2]);
      std::copy_n(table.data() + index * row, row, out.row(i));
    });
  }
};

template <class Process, class Denoiser>
weights exact_law(Process const& p, Denoiser const& network, int steps) {
  constexpr bool is_cavity = decltype(Denoiser::prediction)::is_cavity;
  return analysis::chain_law(
      p, network, grid::uniform_t(p, steps), length,
      analysis::independent_law(analysis::limit_row(p), length),
      [&](int now, std::span<double const> logits, level const& t, level const& s) {
        return bayes<is_cavity>(p, t, s, now, logits);
      });
}

template <class Process, class Denoiser>
double p_value(Process const& process, Denoiser const& network, int steps, weights const& want) {
  sampler const s{process, solver::ancestral{}};
  int const states = s.process.states();
  memoised<Denoiser> const d{network.prediction, &network, states};
  codes x(samples * length);
  s.sample(exec::threads{2}, d, grid::uniform_t(s.process, steps),
           batch_view<std::int32_t>{x.data(), samples, length}, options{noise::counted{81}});
  std::vector<std::int64_t> count(want.size(), 0);
  for (std::size_t i = 0; i < x.size(); i += length) {
    ++count[static_cast<std::size_t>((x[i] * states + x[i + 1]) * states + x[i + 2])];
  }
  return test::test_cells(count, want).p;
}

weights data_law() { return test::load_oracles().at("categorical").at("weights").get<weights>(); }

TEST_CASE("ancestral, matrices: posterior and cavity, each in its own form, and the same law") {
  auto const check = [&](std::string const& name, auto const& p, int steps) {
    denoiser::joint_table const from_all(p, 3, length, data_law(), posterior{});
    denoiser::joint_table const from_others(p, 3, length, data_law(), cavity{});
    auto const law = exact_law(p, from_all, steps);
    CHECK(analysis::total_variation(law, exact_law(p, from_others, steps)) < 1e-12);
    CHECK(test::passes(name + " posterior", p_value(p, from_all, steps, law)));
    CHECK(test::passes(name + " cavity", p_value(p, from_others, steps, law)));
    // The commonest silent error: a posterior called a cavity. The test must see it.
    struct mislabelled : decltype(from_all) {
      cavity prediction{};
    };
    mislabelled const wrong{from_all};
    CHECK(p_value(p, wrong, steps, law) < 1e-6);
  };
  check("discretised Gaussian", ordinal(), 5);
  check("mask and replace", masks(), 5);
  check("rate matrix", birth_and_death(), 4);
}

TEST_CASE("ancestral, matrices: the same for a network that is no law of anything") {
  auto const check = [&](std::string const& name, auto const& p, int steps, auto const& network) {
    CHECK(
        test::passes(name + " hostile", p_value(p, network, steps, exact_law(p, network, steps))));
  };
  check("discretised Gaussian posterior", ordinal(), 5, hostile<posterior>{});
  check("mask and replace posterior", masks(), 5, hostile<posterior>{});
  check("mask and replace cavity", masks(), 5, hostile<cavity>{});
  check("rate matrix cavity", birth_and_death(), 3, hostile<cavity>{});
}

TEST_CASE("ancestral, matrices: first order in the step, to the data law") {
  auto const w = data_law();
  double sum = 0.0;
  for (double const v : w) sum += v;
  weights data;
  for (double const v : w) data.push_back(v / sum);
  // Enough noise that what a start from the limit law costs, exp(-15) with the slowest rate
  // at 1.29, is not seen.
  process::rate_matrix<> const p({-1, 1, 0, 0.5, -1, 0.5, 0, 2, -2}, {0.0, 12.0});
  denoiser::joint_table const table(p, 3, length, w, posterior{});
  double d[3];
  for (int k = 0; k < 3; ++k) {
    d[k] = analysis::total_variation(exact_law(p, table, 64 << k), data);
  }
  double const coarse = d[0] / d[1], fine = d[1] / d[2];
  CAPTURE(coarse);
  CAPTURE(fine);
  // 2 + c / N, as for every first-order law.
  CHECK(std::fabs(fine - 2.0) < 0.1);
  CHECK(std::fabs(fine - 2.0) < 0.7 * std::fabs(coarse - 2.0) + 2e-3);
}

TEST_CASE("ancestral, matrices: rates that keep or forget are process::marginal's law") {
  weights rates;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) rates.push_back(1.0 / 3.0 - (i == j ? 1.0 : 0.0));
  schedule::log_linear const s{1e-3};
  process::rate_matrix<schedule::log_linear> const p(rates, s);
  process::uniform<> const u(3, s);
  denoiser::joint_table const a(p, 3, length, data_law(), posterior{});
  denoiser::joint_table const b(u, 3, length, data_law(), posterior{});
  auto const law = analysis::chain_law(
      u, b, grid::uniform_t(u, 4), length,
      analysis::independent_law(analysis::limit_row(u), length),
      [&](int now, std::span<double const> logits, level const& from, level const& to) {
        return analysis::mixture_kernel(u, from, to, now,
                                        analysis::law_of_logits(u.limit(), now, logits));
      });
  CHECK(analysis::total_variation(exact_law(p, a, 4), law) < 1e-12);
}

TEST_CASE("ancestral, matrices: no mask is left, and every position is a class") {
  auto const p = process::mask_and_replace::linear(3, 10);
  sampler const s{p, solver::ancestral{}};
  denoiser::joint_table const d(s.process, 3, length, data_law(), posterior{});
  codes x(2000 * length);
  s.sample(exec::host{}, d, grid::uniform_t(s.process, 10),
           batch_view<std::int32_t>{x.data(), 2000, length});
  CHECK(std::all_of(x.begin(), x.end(), [](int c) { return c >= 0 && c < 3; }));
}

TEST_CASE("ancestral, matrices: known data is noised with q, and noise put back with the rest") {
  auto const p = masks();
  sampler const s{p, solver::ancestral{}};
  denoiser::joint_table const d(s.process, 3, 1, weights{1, 1, 1}, posterior{});
  constexpr std::int64_t n = 200'000;
  codes x(n, 1);
  batch_view<std::int32_t> const v{x.data(), n, 1};
  exec::host const host;
  auto const g = grid::uniform_t(p, 5);
  detail::workspace const memory(s.workspace_size(host, d, v));
  options<> opts{noise::counted{91}};
  opts.start = start::noised;
  opts.first_step = 2;  // after 3 steps of noise
  auto const counted = [&] {
    std::vector<std::int64_t> out(4, 0);
    for (int const c : x) ++out[static_cast<std::size_t>(c)];
    return out;
  };
  auto r = s.start(host, d, g, v, memory.span(), opts);
  auto const all = p.transition({}, p.at(0.6));
  CHECK(test::passes("noised by matrices",
                     test::test_cells(counted(), weights(all.begin() + 4, all.begin() + 8)).p));
  r.advance();
  auto const before = counted();
  r.renoise(2, 1);
  // The law before, one step of noise on.
  auto const step = p.transition(p.at(0.4), p.at(0.6));
  weights want(4, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t k = 0; k < 4; ++k) {
      want[k] += static_cast<double>(before[i]) / n * step[i * 4 + k];
    }
  }
  // Given the classes before, counts vary less than the test allows for: it is blunter, not wrong.
  CHECK(test::passes("renoised by matrices", test::test_cells(counted(), want).p));
  opts.start = start::given;
  x[7] = 4;
  CHECK_THROWS_WITH_AS(static_cast<void>(s.start(host, d, g, v, memory.span(), opts)),
                       doctest::Contains("no class of the process at sample 7, position 0"), error);
}

TEST_CASE("ancestral, matrices: the same bits for any split, threads and after a checkpoint") {
  auto const p = masks();
  sampler const s{p, solver::ancestral{}};
  denoiser::joint_table const d(s.process, 3, length, data_law(), cavity{});
  auto const g = grid::uniform_t(p, 5);
  constexpr std::int64_t n = 40;
  options const opts{noise::counted{5}};
  exec::host const host;
  codes whole(n * length), split(n * length), many(n * length);
  s.sample(host, d, g, batch_view<std::int32_t>{whole.data(), n, length}, opts);
  s.sample(exec::threads{4}, d, g, batch_view<std::int32_t>{many.data(), n, length}, opts);
  for (std::int64_t first = 0; first < n; first += 7) {
    std::int64_t const count = std::min<std::int64_t>(7, n - first);
    s.sample(host, d, g,
             batch_view<std::int32_t>{split.data() + first * length, count, length, first}, opts);
  }
  CHECK(whole == many);
  CHECK(whole == split);
  for (int stop = 0; stop <= 5; ++stop) {
    codes x(n * length), y(n * length);
    batch_view<std::int32_t> const vx{x.data(), n, length}, vy{y.data(), n, length};
    detail::workspace const mx(s.workspace_size(host, d, vx)), my(s.workspace_size(host, d, vx));
    auto a = s.start(host, d, g, vx, mx.span(), opts);
    for (int i = 0; i < stop; ++i) a.advance();
    auto b = s.start(host, d, g, vy, my.span(), opts);
    b.resume(a.checkpoint());
    b.finish();
    CHECK(y == whole);
  }
}

TEST_CASE("ancestral, matrices: a row that is no distribution is reported") {
  auto const p = ordinal();
  sampler const s{p, solver::ancestral{}};
  auto const network =
      denoiser::predicts<posterior>([](auto const&, auto, query const& q, batch_view<double> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.25;
        if (q.step == 3) out.data[4] = std::nan("");
      });
  codes x(2 * 2);
  CHECK_THROWS_WITH_AS(s.sample(exec::host{}, network, grid::uniform_t(p, 5),
                                batch_view<std::int32_t>{x.data(), 2, 2}),
                       doctest::Contains("at sample 0, position 1 in step 3"), error);
}

}  // namespace
