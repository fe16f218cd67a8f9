// denoiser::energy_resampled: the law of k candidates by enumeration of all tuples, its limit, the
// neutral cases, and what it costs and reports.

#include <diffx/analysis/importance_weights.hpp>
#include <diffx/denoiser/energy_resampled.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/residual_energy.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include "support/kernel_chains.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using test::weights;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t samples = 200'000;  // sees a total variation of 0.9 % (power 0.99)

// Two bits that nearly always agree: what a factorised step gets wrong.
weights const pairs{0.45, 0.05, 0.1, 0.4};

double log_pair(int a, int b) { return std::log(pairs[static_cast<std::size_t>(2 * a + b)]); }

/// log p0 as a sum over the tokens: p(first), p(second | first).
struct exact_scorer {
  std::int64_t* rows = nullptr;
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x0, batch_view<double> out) const {
    if (rows != nullptr) *rows += x0.batch;
    for (std::int64_t i = 0; i < x0.batch; ++i) {
      int const a = x0.row(i)[0], b = x0.row(i)[1];
      double const first = std::log(std::exp(log_pair(a, 0)) + std::exp(log_pair(a, 1)));
      out.row(i)[0] = first;
      out.row(i)[1] = log_pair(a, b) - first;
    }
  }
};

/// An energy of no law in particular.
struct hostile_energy {
  static double of(int a, int b, int seen_a, int seen_b) {
    return (3 * a + 5 * b + 4 * a * b + seen_a + 2 * seen_b) % 7 / 2.0;
  }
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x0, batch_view<std::int32_t const> x,
                  query const&, std::span<double const>, std::span<double> out) const {
    std::int64_t const k = x0.batch / x.batch;
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      out[static_cast<std::size_t>(r)] =
          of(x0.row(r)[0], x0.row(r)[1], x.row(r / k)[0], x.row(r / k)[1]);
    }
  }
};

/// The law of the chosen candidate: every tuple of k of the four sequences.
weights chosen_law(weights const& proposal, weights const& energy, int k, double temperature) {
  weights out(4, 0.0);
  std::size_t tuples = 1;
  for (int j = 0; j < k; ++j) tuples *= 4;
  for (std::size_t t = 0; t < tuples; ++t) {
    std::vector<std::size_t> member;
    for (std::size_t rest = t; member.size() < static_cast<std::size_t>(k); rest /= 4) {
      member.push_back(rest % 4);
    }
    double p = 1.0, total = 0.0;
    for (auto const m : member) {
      p *= proposal[m];
      total += std::exp(-energy[m] / temperature);
    }
    if (p == 0.0) continue;
    for (auto const m : member) out[m] += p * std::exp(-energy[m] / temperature) / total;
  }
  return out;
}

/// What a posterior says of both positions of a sequence, 2 the mask: the product of its marginals.
weights proposal_of(int a, int b) {
  weights first{0.0, 0.0}, second{0.0, 0.0};
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      if ((a != 2 && a != i) || (b != 2 && b != j)) continue;
      first[static_cast<std::size_t>(i)] += std::exp(log_pair(i, j));
      second[static_cast<std::size_t>(j)] += std::exp(log_pair(i, j));
    }
  }
  test::normalise(first);
  test::normalise(second);
  return {first[0] * second[0], first[0] * second[1], first[1] * second[0], first[1] * second[1]};
}

template <class Process, class Denoiser>
codes sampled(Process const& process, Denoiser const& d, int steps, std::uint64_t seed,
              std::int64_t n = samples) {
  sampler const s{process, solver::ancestral{}};
  codes x(static_cast<std::size_t>(2 * n));
  s.sample(exec::threads{2}, d, grid::uniform_t(process, steps),
           batch_view<std::int32_t>{x.data(), n, 2}, options{noise::counted{seed}});
  return x;
}

std::vector<std::int64_t> count_pairs(codes const& x) {
  std::vector<std::int64_t> count(4, 0);
  for (std::size_t i = 0; i < x.size(); i += 2) {
    ++count[static_cast<std::size_t>(2 * x[i] + x[i + 1])];
  }
  return count;
}

TEST_CASE("energy_resampled, one step: the law of k candidates") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  weights energy;
  for (int s = 0; s < 4; ++s) energy.push_back(hostile_energy::of(s / 2, s % 2, 2, 2));
  for (int const k : {1, 2, 4}) {
    for (double const temperature : {1.0, 3.0}) {
      denoiser::energy_resampled const d(
          p, network, hostile_energy{},
          denoiser::resampling{.candidates = k, .temperature = temperature, .noise = {301}});
      auto const want = chosen_law(proposal_of(2, 2), energy, k, temperature);
      // The seed of the run may be that of the candidates.
      CHECK(test::passes("energy_resampled " + std::to_string(k),
                         test::test_cells(count_pairs(sampled(p, d, 1, 301)), want).p));
    }
  }
}

/// The exact law after `steps` equal steps, sequences chosen whole among k.
weights chain_law(int steps, int k) {
  weights now(9, 0.0);  // 3 a + b, with the mask 2
  now[8] = 1.0;
  for (int i = 0; i < steps; ++i) {
    double const jump = 1.0 / (steps - i);  // (sigma_t - sigma_s) / sigma_t
    weights next(9, 0.0);
    for (int s = 0; s < 9; ++s) {
      int const a = s / 3, b = s % 3;
      weights energy;
      for (int c = 0; c < 4; ++c) energy.push_back(hostile_energy::of(c / 2, c % 2, a, b));
      auto const law = chosen_law(proposal_of(a, b), energy, k, 1.0);
      for (int c = 0; c < 4; ++c) {
        for (int moves = 0; moves < 4; ++moves) {
          double p = now[static_cast<std::size_t>(s)] * law[static_cast<std::size_t>(c)];
          p *= moves / 2 == 1 ? jump : 1.0 - jump;
          p *= moves % 2 == 1 ? jump : 1.0 - jump;
          int const to_a = a != 2 ? a : moves / 2 == 1 ? c / 2 : 2;
          int const to_b = b != 2 ? b : moves % 2 == 1 ? c % 2 : 2;
          next[static_cast<std::size_t>(3 * to_a + to_b)] += p;
        }
      }
    }
    now = next;
  }
  return {now[0], now[1], now[3], now[4]};
}

TEST_CASE("energy_resampled, a chain: shown tokens are carried, masked ones drawn together") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  denoiser::energy_resampled const d(p, network, hostile_energy{},
                                     denoiser::resampling{.candidates = 3, .noise = {302}});
  // The run's own seed may be any other, or that of the candidates: coins and candidates do not
  // share their words.
  for (std::uint64_t const seed : {std::uint64_t{1}, std::uint64_t{302}}) {
    CHECK(test::passes("energy_resampled chain " + std::to_string(seed),
                       test::test_cells(count_pairs(sampled(p, d, 3, seed)), chain_law(3, 3)).p));
  }
}

/// Says the opposite of what is shown, where something is shown.
struct leaking {
  prediction::x0_posterior<double> prediction{};
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x, query const&,
                  batch_view<double> out) const {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      for (int v = 0; v < 2; ++v) {
        out.data[2 * i + v] = x.data[i] == 2 ? 0.3 * v : v == x.data[i] ? -30.0 : 30.0;
      }
    }
  }
};

/// Every candidate has the tokens that are shown; their log-probability is 0.
struct watching_energy {
  std::int64_t *shown, *wrong;
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x0, batch_view<std::int32_t const> x,
                  query const&, std::span<double const> log_p, std::span<double> out) const {
    std::int64_t const k = x0.batch / x.batch;
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      for (std::int64_t l = 0; l < x.features; ++l) {
        if (x.row(r / k)[l] == 2) continue;
        ++*shown;
        bool const kept = x0.row(r)[l] == x.row(r / k)[l];
        *wrong += kept && log_p[static_cast<std::size_t>(r * x.features + l)] == 0.0 ? 0 : 1;
      }
      out[static_cast<std::size_t>(r)] = 0.0;
    }
  }
};

TEST_CASE("energy_resampled: candidates carry what is shown, whatever the network says of it") {
  process::absorbing<> const p(2);
  std::int64_t shown = 0, wrong = 0;
  denoiser::energy_resampled const d(p, leaking{}, watching_energy{&shown, &wrong},
                                     denoiser::resampling{.candidates = 3, .noise = {309}});
  sampler const s{p, solver::ancestral{}};
  constexpr std::int64_t n = 2000;
  codes x(2 * n);
  s.sample(exec::host{}, d, grid::uniform_t(p, 4), batch_view<std::int32_t>{x.data(), n, 2},
           options{noise::counted{8}});
  CHECK(shown > n);
  CHECK(wrong == 0);
}

TEST_CASE("energy_resampled: the evaluations of a step draw candidates of their own") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  denoiser::energy_resampled const d(p, network, hostile_energy{},
                                     denoiser::resampling{.candidates = 2, .noise = {310}});
  constexpr std::int64_t n = 200;
  codes const x(2 * n, 2);
  auto const drawn = [&](int stage) {
    query q;
    q.at = p.at(1.0);
    q.to = p.at(0.5);
    q.stage = stage;
    std::vector<decltype(network.prediction)::value_type> out(4 * n);
    d(exec::host{}, batch_view<std::int32_t const>{x.data(), n, 2}, q,
      batch_view<decltype(network.prediction)::value_type>{out.data(), n, 4});
    return out;
  };
  CHECK(drawn(1) == drawn(1));
  auto const first = drawn(0), second = drawn(1);
  int alike = 0;
  for (std::size_t i = 0; i < first.size(); i += 4) {
    alike += std::equal(first.begin() + static_cast<std::ptrdiff_t>(i),
                        first.begin() + static_cast<std::ptrdiff_t>(i) + 4,
                        second.begin() + static_cast<std::ptrdiff_t>(i))
                 ? 1
                 : 0;
  }
  CHECK(alike > 0);
  CHECK(alike < n * 3 / 4);  // independent draws of four sequences agree in less than half
}

TEST_CASE("energy_resampled with the exact residual energy: one step tends to the joint law") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  auto const product = proposal_of(2, 2);
  weights energy;
  for (std::size_t s = 0; s < 4; ++s) energy.push_back(std::log(product[s] / pairs[s]));
  auto const distance = [&](weights const& law) {
    double sum = 0.0;
    for (std::size_t s = 0; s < 4; ++s) sum += std::abs(law[s] - pairs[s]) / 2.0;
    return sum;
  };
  double last = distance(product);
  for (int const k : {2, 4, 8}) {  // 4^8 tuples
    auto const law = chosen_law(product, energy, k, 1.0);
    denoiser::energy_resampled const d(p, network, denoiser::residual_energy{exact_scorer{}},
                                       denoiser::resampling{.candidates = k, .noise = {303}});
    CHECK(test::passes("energy_resampled residual " + std::to_string(k),
                       test::test_cells(count_pairs(sampled(p, d, 1, 2)), law).p));
    CHECK(distance(law) < 0.7 * last);  // 1 / k in the end
    last = distance(law);
  }
  denoiser::energy_resampled const many(p, network, denoiser::residual_energy{exact_scorer{}},
                                        denoiser::resampling{.candidates = 512, .noise = {304}});
  // The bias at k = 512 is about 8 / 512 of that at 8, and this many samples do not see it.
  CHECK(last * 8 / 512 < 1e-3);
  CHECK(test::passes("energy_resampled many",
                     test::test_cells(count_pairs(sampled(p, many, 1, 3, samples / 10)), pairs).p));
  // Without the energy, the product of the marginals is far off.
  CHECK(test::p_value_registry::rejects(
      test::test_cells(count_pairs(sampled(p, network, 1, 3)), pairs).p));
}

TEST_CASE("energy_resampled, uniform noise: candidates at every position, then the bridge") {
  process::uniform<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  denoiser::energy_resampled const d(p, network, denoiser::residual_energy{exact_scorer{}},
                                     denoiser::resampling{.candidates = 2, .noise = {305}});
  auto const product = proposal_of(2, 2);  // at t = 1 the state says nothing
  weights energy;
  for (std::size_t s = 0; s < 4; ++s) energy.push_back(std::log(product[s] / pairs[s]));
  CHECK(test::passes(
      "energy_resampled uniform",
      test::test_cells(count_pairs(sampled(p, d, 1, 4)), chosen_law(product, energy, 2, 1.0)).p));
}

// ---- neutral cases ----

struct favourite {
  int index;
  template <class Exec>
  void operator()(Exec const&, batch_view<std::int32_t const> x0, batch_view<std::int32_t const> x,
                  query const&, std::span<double const>, std::span<double> out) const {
    std::int64_t const k = x0.batch / x.batch;
    for (std::int64_t r = 0; r < x0.batch; ++r) {
      out[static_cast<std::size_t>(r)] = index < 0 || r % k == index ? 3.0 : infinity;
    }
  }
};

TEST_CASE("energy_resampled: an energy that does not care changes no law; candidate 0 no token") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  denoiser::resampling how{.candidates = 4, .noise = {306}};
  denoiser::energy_resampled const indifferent(p, network, favourite{-1}, how);
  denoiser::energy_resampled const first(p, network, favourite{0}, how);
  how.candidates = 1;
  denoiser::energy_resampled const single(p, network, favourite{-1}, how);
  // N steps of exact conditionals: p0 but for what one step takes at once.
  weights law(4);
  auto const product = proposal_of(2, 2);
  for (std::size_t s = 0; s < 4; ++s) law[s] = 0.75 * pairs[s] + 0.25 * product[s];
  CHECK(test::passes("energy_resampled indifferent",
                     test::test_cells(count_pairs(sampled(p, indifferent, 4, 5)), law).p));
  CHECK(test::passes("energy_resampled single",
                     test::test_cells(count_pairs(sampled(p, single, 4, 5)), law).p));
  CHECK(sampled(p, first, 4, 5, 2000) == sampled(p, single, 4, 5, 2000));
  CHECK(sampled(p, first, 4, 5, 2000) != sampled(p, indifferent, 4, 5, 2000));
}

TEST_CASE("energy_resampled: outside of its window the inner denoiser, at its cost") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  std::int64_t rows = 0;
  denoiser::residual_energy<exact_scorer> const energy{exact_scorer{&rows}};
  denoiser::resampling how{.candidates = 5, .t_low = 0.5, .t_high = 0.75, .noise = {307}};
  denoiser::energy_resampled const d(p, network, energy, how);
  constexpr std::int64_t n = 1000;
  static_cast<void>(sampled(p, d, 4, 6, n));  // t = 1, 0.75, 0.5, 0.25
  CHECK(rows == 2 * 5 * n);
  how.t_low = 2.0;
  how.t_high = 3.0;
  denoiser::energy_resampled const never(p, network, energy, how);
  CHECK(sampled(p, never, 4, 6, n) == sampled(p, network, 4, 6, n));
  CHECK(rows == 2 * 5 * n);
}

TEST_CASE("energy_resampled: the same bits for any split of the batch, and the report") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  std::vector<double> seen;
  auto const listen = [&](query const& q, std::int64_t first, std::span<double const> ess) {
    CHECK(q.step == 0);
    CHECK(first == 3);
    seen.assign(ess.begin(), ess.end());
  };
  denoiser::resampling const how{.candidates = 4, .noise = {308}};
  denoiser::energy_resampled const d(p, network, hostile_energy{}, how);
  constexpr std::int64_t n = 50;
  auto const whole = sampled(p, d, 3, 7, n);
  codes split(2 * n);
  sampler const s{p, solver::ancestral{}};
  for (std::int64_t first = 0; first < n; first += 7) {
    std::int64_t const count = std::min<std::int64_t>(7, n - first);
    s.sample(exec::host{}, d, grid::uniform_t(p, 3),
             batch_view<std::int32_t>{split.data() + 2 * first, count, 2, first},
             options{noise::counted{7}});
  }
  CHECK(whole == split);

  denoiser::energy_resampled const heard(p, network, favourite{2}, how, listen);
  codes x(4);
  s.sample(exec::host{}, heard, grid::uniform_t(p, 1), batch_view<std::int32_t>{x.data(), 2, 2, 3});
  CHECK(seen == std::vector<double>{1.0, 1.0});
  denoiser::energy_resampled const equal(p, network, favourite{-1}, how, listen);
  s.sample(exec::host{}, equal, grid::uniform_t(p, 1), batch_view<std::int32_t>{x.data(), 2, 2, 3});
  CHECK(seen == std::vector<double>{4.0, 4.0});
}

TEST_CASE("residual_energy: all tokens, or the masked ones alone") {
  codes const x0{0, 0, 0, 1, 1, 1}, x{0, 2};
  std::vector<double> const log_p{0.0, -0.5, 0.0, -1.0, 0.0, -2.0};
  std::vector<double> out(3);
  batch_view<std::int32_t const> const candidates{x0.data(), 3, 2}, seen{x.data(), 1, 2};
  denoiser::residual_energy const all{exact_scorer{}};
  all(exec::host{}, candidates, seen, query{}, log_p, std::span<double>(out));
  CHECK(out[1] == doctest::Approx(-1.0 - std::log(0.05)).epsilon(1e-14));
  denoiser::residual_energy const masked{exact_scorer{}, 2};
  masked(exec::host{}, candidates, seen, query{}, log_p, std::span<double>(out));
  CHECK(out[1] == doctest::Approx(-1.0 - std::log(0.05 / 0.5)).epsilon(1e-14));
  CHECK(out[2] == doctest::Approx(-2.0 - std::log(0.4 / 0.5)).epsilon(1e-14));
}

TEST_CASE("importance_weights: shift, scale, and what gives none") {
  std::vector<double> w(3), v(3);
  analysis::importance_weights(std::vector<double>{1.0, 2.0, 4.0}, 1.0, w);
  CHECK(w[0] / w[1] == doctest::Approx(std::exp(1.0)).epsilon(1e-14));  // low energy is preferred
  CHECK(w[0] + w[1] + w[2] == doctest::Approx(1.0).epsilon(1e-15));
  analysis::importance_weights(std::vector<double>{4097.0, 4098.0, 4100.0}, 1.0, v);
  CHECK(v == w);
  analysis::importance_weights(std::vector<double>{10.0, 20.0, 40.0}, 10.0, v);
  CHECK(v == w);
  analysis::importance_weights(std::vector<double>{1.0, 2.0, 4.0}, 1e300, v);
  CHECK(v == std::vector<double>(3, 1.0 / 3.0));
  analysis::importance_weights(std::vector<double>{infinity, 2.0, infinity}, 1.0, v);
  CHECK(v == std::vector<double>{0.0, 1.0, 0.0});
  CHECK(analysis::effective_sample_size(v) == 1.0);
  double const nan = std::numeric_limits<double>::quiet_NaN();
  for (auto const& bad : {std::vector<double>{1.0, nan, 2.0},
                          {1.0, -infinity, 2.0},
                          {infinity, infinity, infinity},
                          {1.0, 2.0}}) {
    CHECK_THROWS_AS(analysis::importance_weights(bad, 1.0, v), error);
  }
  for (double const t : {0.0, -1.0, nan, infinity}) {
    CHECK_THROWS_WITH_AS(analysis::importance_weights(std::vector<double>{1.0, 2.0, 3.0}, t, v),
                         doctest::Contains("temperature"), error);
  }
}

TEST_CASE("energy_resampled: bad settings and rows throw") {
  process::absorbing<> const p(2);
  denoiser::joint_table const network(p, 2, 2, pairs);
  auto const make = [&](denoiser::resampling how) {
    denoiser::energy_resampled const d(p, network, hostile_energy{}, how);
  };
  CHECK_THROWS_WITH_AS(make({.candidates = 0}), doctest::Contains("candidates = 0"), error);
  CHECK_THROWS_WITH_AS(make({.candidates = 4097}), doctest::Contains("candidates"), error);
  CHECK_THROWS_WITH_AS(make({.t_low = 0.6, .t_high = 0.5}), doctest::Contains("t_low"), error);
  CHECK_THROWS_WITH_AS(make({.temperature = 0.0}), doctest::Contains("temperature"), error);

  struct broken {
    prediction::x0_posterior<> prediction{};
    void operator()(exec::host const&, batch_view<std::int32_t const>, query const&,
                    batch_view<float> out) const {
      std::fill_n(out.data, out.size(), 0.0f);
      out.data[out.size() - 1] = std::numeric_limits<float>::quiet_NaN();
    }
  };
  denoiser::energy_resampled const d(p, broken{}, hostile_energy{});
  sampler const s{p, solver::ancestral{}};
  codes x(6);
  CHECK_THROWS_WITH_AS(
      s.sample(exec::host{}, d, grid::uniform_t(p, 1), batch_view<std::int32_t>{x.data(), 3, 2}),
      doctest::Contains("sample 2, position 1 in step 0"), error);
}

}  // namespace
