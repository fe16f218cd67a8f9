// TabDDPM: numbers and categories on one chain; what each reading of the logits makes of a law.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/recipe/tabddpm.hpp>

#include "support/statistics.hpp"
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;

/// c = 1 with probability 0.3; z ~ N(2c - 1, 1/4).
template <class Classes>
struct mixed_toy {
  prediction::product<prediction::eps, Classes> prediction{};

  template <class Exec>
  void operator()(Exec const& exec,
                  std::tuple<batch_view<float const>, batch_view<std::int32_t const>> const& x,
                  query const& q,
                  std::tuple<batch_view<float>, batch_view<float>> const& out) const {
    double const a = q.at.alpha, s = q.at.sigma, kept = a * a;  // of a class: alpha_bar
    double const variance = 0.25 * a * a + s * s;
    exec.for_each_sample(std::get<0>(x).batch, [&, kept](std::int64_t i) {
      double const z = std::get<0>(x).row(i)[0];
      int const now = std::get<1>(x).row(i)[0];
      double p[2], total = 0.0, mean = 0.0;
      for (int c = 0; c < 2; ++c) {
        double const off = z - a * (2 * c - 1);
        double const seen = (c == now ? kept : 0.0) + 0.5 * (1.0 - kept);
        total += p[c] = (c == 1 ? 0.3 : 0.7) * seen * std::exp(-0.5 * off * off / variance);
      }
      for (int c = 0; c < 2; ++c) {
        double const x0 = (2 * c - 1) + 0.25 * a / variance * (z - a * (2 * c - 1));
        mean += p[c] / total * x0;
        std::get<1>(out).row(i)[c] = static_cast<float>(std::log(p[c] / total));
      }
      std::get<0>(out).row(i)[0] = static_cast<float>((z - a * mean) / s);
    });
  }
};

struct moments {
  double share, mean[2], variance[2];
};

moments sampled(int steps, std::int64_t n) {
  auto const s = recipe::tabddpm({2}, schedule::cosine(steps));
  auto const g = grid::timesteps(std::get<0>(s.process.parts), grid::index::strided(steps, steps));
  std::vector<float> z(static_cast<std::size_t>(n));
  std::vector<std::int32_t> c(z.size());
  s.sample(exec::threads{}, mixed_toy<prediction::x0_posterior<float>>{}, g,
           std::tuple{batch_view<float>{z.data(), n, 1}, batch_view<std::int32_t>{c.data(), n, 1}},
           options<>{noise::counted{6}});
  double count[2]{}, sum[2]{}, squares[2]{};
  for (std::size_t i = 0; i < z.size(); ++i) {
    double const v = z[i];
    count[c[i]] += 1.0;
    sum[c[i]] += v;
    squares[c[i]] += v * v;
  }
  moments m{};
  m.share = count[1] / static_cast<double>(n);
  for (int k = 0; k < 2; ++k) {
    m.mean[k] = sum[k] / count[k];
    m.variance[k] = squares[k] / count[k] - m.mean[k] * m.mean[k];
  }
  return m;
}

TEST_CASE("a category of three: the posterior has its law, the bound's reading of it is biased") {
  std::vector<double> const data{0.7, 0.2, 0.1};
  auto const law = [&](int steps, auto const& kernel) {
    process::uniform const p(3, schedule::class_alpha_bar{schedule::cosine(steps)});
    denoiser::joint_table<process::uniform<schedule::class_alpha_bar>,
                          prediction::x0_posterior<double>> const network(p, 3, 1, data);
    return analysis::chain_law(
        p, network, grid::uniform_t(p, steps), 1, analysis::row(3, 1.0 / 3.0),
        [&](int now, auto logits, level const& t, level const& s) {
          return kernel(p, t, s, now, analysis::law_of_logits(p.limit(), now, logits));
        });
  };
  auto const mixture = [](auto const&... a) { return analysis::mixture_kernel(a...); };
  auto const plug_in = [](auto const&... a) {
    return analysis::normalised(analysis::plug_in_kernel(a...));
  };
  auto const converted = [](auto const& p, level const& t, level const& s, int now,
                            auto const& posterior) {
    return analysis::normalised(analysis::plug_in_kernel(
        p, t, s, now, analysis::cavity_of_posterior(p, t, now, posterior)));
  };
  // What the chain forgets, alpha_bar of its last step, is 1e-3 times that of the step before.
  for (int const steps : {4, 100, 1000}) {
    CAPTURE(steps);
    auto const exact = law(steps, mixture), also = law(steps, converted);
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(std::fabs(exact[k] - data[k]) < 2e-4);
      CHECK(also[k] == doctest::Approx(exact[k]).epsilon(1e-9));
    }
  }
  // The card's numbers, three digits.
  double const four[] = {0.581, 0.251, 0.168}, thousand[] = {0.523, 0.277, 0.201};
  auto const biased4 = law(4, plug_in), biased1000 = law(1000, plug_in);
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(std::fabs(biased4[k] - four[k]) < 6e-4);
    CHECK(std::fabs(biased1000[k] - thousand[k]) < 6e-4);
  }
}

TEST_CASE("tabddpm: the mixed toy of a class and a number, n = 2e4 rows of 1000 steps") {
  constexpr std::int64_t n = 20'000;
  auto const m = sampled(1000, n);
  CHECK(test::passes("share of a class", test::p_of_z(test::z_of_mean(m.share, 0.3, 0.21, n))));
  for (int k = 0; k < 2; ++k) {
    double const rows = static_cast<double>(n) * (k == 1 ? 0.3 : 0.7);
    CHECK(test::passes("number given the class",
                       test::p_of_z(test::z_of_mean(m.mean[k], 2.0 * k - 1.0, 0.25, rows))));
    // The large variance of 1000 steps spreads a little more: under 2 %.
    CHECK(m.variance[k] == doctest::Approx(0.25).epsilon(0.02 + 5.0 * std::sqrt(2.0 / rows)));
  }
}

TEST_CASE("tabddpm: blocks that step apart are wrong by O(1 / T), n = 4e5") {
  // The class and the sign of the number must agree; in one step each block is drawn alone.
  auto const gap = [](int steps) {
    auto const m = sampled(steps, 400'000);
    return 2.0 - (m.mean[1] - m.mean[0]);
  };
  double const five = gap(5), twenty = gap(20), eighty = gap(80);
  MESSAGE("gap of the means after 5, 20 and 80 steps: " << five << " " << twenty << " " << eighty);
  CHECK(five > 2.0 * twenty);
  CHECK(twenty > 2.0 * eighty);
  CHECK(eighty > 0.0);
}

TEST_CASE("tabddpm: numbers are those of DDPM alone, and wrong settings are refused") {
  auto const table = schedule::cosine(30);
  auto const s = recipe::tabddpm({2, 4}, table);
  sampler const alone{process::vp_discrete(table), solver::ddpm_large{}};
  auto const g = grid::timesteps(alone.process, grid::index::strided(30, 30));
  auto const eps = [](batch_view<float const> x, batch_view<float> out) {
    for (std::int64_t i = 0; i < x.size(); ++i) out.data[i] = 0.5F * x.data[i] + 0.1F;
  };
  struct both {
    prediction::product<prediction::eps, prediction::x0_cavity<float>> prediction{};
    void operator()(exec::host const&,
                    std::tuple<batch_view<float const>, batch_view<std::int32_t const>> const& x,
                    query const&,
                    std::tuple<batch_view<float>, batch_view<float>> const& out) const {
      auto const from = std::get<0>(x);
      for (std::int64_t i = 0; i < from.size(); ++i) {
        std::get<0>(out).data[i] = 0.5F * from.data[i] + 0.1F;
      }
      for (std::int64_t i = 0; i < std::get<1>(out).size(); ++i) std::get<1>(out).data[i] = 0.0F;
    }
  };
  std::vector<float> x(4 * 3), y(4 * 3);
  std::vector<std::int32_t> c(4 * 2);
  s.sample(exec::host{}, both{}, g,
           std::tuple{batch_view<float>{x.data(), 4, 3}, batch_view<std::int32_t>{c.data(), 4, 2}});
  alone.sample(exec::host{},
               denoiser::predicts<prediction::eps>([&](auto const&, batch_view<float const> from,
                                                       query const&,
                                                       batch_view<float> out) { eps(from, out); }),
               g, batch_view<float>{y.data(), 4, 3});
  CHECK(x == y);
  CHECK_THROWS_WITH_AS(recipe::tabddpm({}), doctest::Contains("number of columns"), error);
  CHECK_THROWS_WITH_AS(recipe::tabddpm({2, 0}), doctest::Contains("classes = 0"), error);
}

}  // namespace
