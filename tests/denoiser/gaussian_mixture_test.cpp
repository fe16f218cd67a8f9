#include <diffx/denoiser/gaussian_mixture.hpp>

#include "support/denoise.hpp"
#include "support/levels.hpp"
#include "support/oracles.hpp"
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <span>
#include <vector>

namespace {

using diffx::denoiser::gaussian_mixture;

double const eps_double = std::numeric_limits<double>::epsilon();

gaussian_mixture three_dimensional() {
  return gaussian_mixture({
      {0.3, {-1.0, 0.5, 0.2}, {0.30, 0.09, 0.02, 0.09, 0.15, -0.04, 0.02, -0.04, 0.25}},
      {0.5, {2.0, -1.0, 0.0}, {0.20, -0.05, 0.01, -0.05, 0.40, 0.10, 0.01, 0.10, 0.30}},
      {0.2, {0.0, 0.3, -1.5}, {0.05, 0.00, 0.00, 0.00, 0.06, 0.00, 0.00, 0.00, 0.07}},
  });
}

std::vector<diffx::level> levels() {
  std::vector<diffx::level> result;
  for (double const lambda : {-9.0, -4.0, -1.0, 0.0, 1.5, 4.0, 9.0}) {
    result.push_back(test::vp(lambda));
  }
  for (double const tau : {0.999, 0.5, 0.001}) result.push_back(test::flow(tau));
  result.push_back(diffx::level::edm(80.0));
  result.push_back(diffx::level::edm(1e-4));
  return result;
}

TEST_CASE("gaussian_mixture: alpha x0 + sigma eps gives the state back") {
  gaussian_mixture const a = test::mixture_a();
  for (auto const& at : levels()) {
    for (double const x : {-30.0, -1.7, -0.2, 0.0, 0.45, 2.5, 30.0}) {
      double const back = at.alpha * a.x0(x, at) + at.sigma * a.eps(x, at);
      // Four ulp of the largest term; alpha mu enters x0 and eps with opposite signs.
      double const scale = std::abs(x) + at.alpha * 1.5;
      CHECK(std::abs(back - x) <= 4 * eps_double * scale);
    }
  }
}

TEST_CASE("gaussian_mixture: the same in three dimensions") {
  gaussian_mixture const mixture = three_dimensional();
  for (auto const& at : levels()) {
    for (double const scale : {0.1, 1.0, 30.0}) {
      std::vector<double> const x{0.4 * scale, -0.7 * scale, scale};
      std::vector<double> x0(3), eps(3);
      mixture.x0(x, at, x0);
      mixture.eps(x, at, eps);
      for (std::size_t j = 0; j < 3; ++j) {
        double const back = at.alpha * x0[j] + at.sigma * eps[j];
        // Axes are orthonormal to about 4 eps, and each dot product of three adds its roundings:
        // 16 ulp of the longest vector instead of 4.
        CHECK(std::abs(back - x[j]) <= 16 * eps_double * (2.0 * scale + 2.3 * at.alpha));
      }
    }
  }
}

TEST_CASE("gaussian_mixture: finite differences of log p_t give the score") {
  gaussian_mixture const a = test::mixture_a();
  for (double const lambda : {-4.0, -1.0, 0.0, 1.5}) {
    diffx::level const at = test::vp(lambda);
    for (double const x : {-1.7, -0.2, 0.45, 2.5}) {
      // Fourth-order difference: truncation h^4 f5 / 30 (below 1e-11, with f5 up to 1e5 between
      // the modes) and rounding eps |log p| / h (1e-11): 1e-9 holds both.
      double const h = 2e-4;
      auto const f = [&](int k) { return a.log_prob(x + k * h, at); };
      double const slope = (8.0 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12.0 * h);
      CHECK(std::abs(a.score(x, at) - slope) <= 1e-9 * std::max(1.0, std::abs(slope)));
    }
  }
  gaussian_mixture const mixture = three_dimensional();
  diffx::level const at = test::vp(0.2);
  std::vector<double> const x{0.4, -0.7, 0.3};
  std::vector<double> score(3);
  mixture.score(x, at, score);
  for (std::size_t j = 0; j < 3; ++j) {
    double const h = 1e-3;
    auto const f = [&](int k) {
      std::vector<double> moved = x;
      moved[j] += k * h;
      return mixture.log_prob(moved, at);
    };
    double const slope = (8.0 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12.0 * h);
    CHECK(std::abs(score[j] - slope) <= 1e-9);
  }
}

TEST_CASE("gaussian_mixture: the derivative of x0 is symmetric and alpha / sigma^2 Cov(x0|x)") {
  gaussian_mixture const mixture = three_dimensional();
  std::vector<double> const x{0.6, -0.3, -0.4};
  // From noise-dominated to signal-dominated, so that both ways of writing m_k - x0 are used.
  for (double const lambda : {-2.0, -0.3, 0.4, 1.5}) {
    diffx::level const at = test::vp(lambda);
    double const factor = at.alpha / (at.sigma * at.sigma);
    std::vector<double> cov(9), column(3);
    mixture.posterior_covariance(x, at, cov);
    for (std::size_t i = 0; i < 3; ++i) {
      std::vector<double> unit(3, 0.0);
      unit[i] = 1.0;
      mixture.vjp(x, at, unit, column);
      double const h = 1e-3 * at.sigma;
      auto const x0_at = [&](int k) {
        std::vector<double> moved = x, out(3);
        moved[i] += k * h;
        mixture.x0(moved, at, out);
        return out;
      };
      auto const p1 = x0_at(1), m1 = x0_at(-1), p2 = x0_at(2), m2 = x0_at(-2);
      for (std::size_t j = 0; j < 3; ++j) {
        // The same sums with another factor: roundings only.
        CHECK(std::abs(column[j] - factor * cov[3 * i + j]) <= 1e-13 * factor);
        CHECK(std::abs(cov[3 * i + j] - cov[3 * j + i]) <= 1e-15 * (1.0 + std::abs(cov[0])));
        // Independent of that algebra: truncation (h / sigma)^4 times a fifth derivative, at most
        // 1e-12 * 1e2, and rounding eps / h = 1e-12.
        double const slope = (8.0 * (p1[j] - m1[j]) - (p2[j] - m2[j])) / (12.0 * h);
        CHECK(std::abs(column[j] - slope) <= 1e-9 * std::max(1.0, factor));
      }
    }
  }
}

TEST_CASE("gaussian_mixture: the batch vjp is the row vjp") {
  gaussian_mixture const mixture = three_dimensional();
  diffx::level const at = test::vp(0.4);
  std::vector<double> const x{0.6, -0.3, -0.4, 0.1, 0.2, 0.3}, v{1.0, 2.0, -1.0, 0.5, 0.0, 3.0};
  std::vector<double> out(6), row(3);
  diffx::query q;
  q.at = at;
  mixture.vjp(diffx::exec::host{}, diffx::batch_view<double const>{x.data(), 2, 3}, q,
              diffx::batch_view<double const>{v.data(), 2, 3},
              diffx::batch_view<double>{out.data(), 2, 3});
  for (std::size_t i = 0; i < 2; ++i) {
    mixture.vjp(std::span(x).subspan(3 * i, 3), at, std::span(v).subspan(3 * i, 3), row);
    for (std::size_t j = 0; j < 3; ++j) CHECK(out[3 * i + j] == row[j]);
  }
}

TEST_CASE("gaussian_mixture: extreme inputs stay finite") {
  gaussian_mixture const a = test::mixture_a();
  gaussian_mixture const points({0.35, 0.65}, {-1.5, 1.0}, {0.0, 0.0});
  gaussian_mixture const b = three_dimensional();
  double const narrow = 1e-4;
  diffx::level const sharp{narrow, std::sqrt(1.0 - narrow * narrow), narrow,
                           std::log(std::sqrt(1.0 - narrow * narrow) / narrow), narrow};
  for (auto const& at : {sharp, test::vp(-4.0), test::vp(12.0), test::flow(0.999999),
                         diffx::level{1.0, 0.0, 1.0, -1.0 / 0.0, 1.0}}) {
    for (double const x : {-30.0, 0.0, 30.0}) {
      for (gaussian_mixture const* m : {&a, &points}) {
        CHECK(std::isfinite(m->x0(x, at)));
        CHECK(std::isfinite(m->eps(x, at)));
        CHECK(std::isfinite(m->score(x, at)));
        CHECK(std::isfinite(m->log_prob(x, at)));
        CHECK(m->posterior_variance(x, at) >= 0.0);
        CHECK(std::isfinite(m->posterior_variance(x, at)));
      }
      std::vector<double> const at_x{x, -x, x};
      std::vector<double> out(3), cov(9);
      b.x0(at_x, at, out);
      CHECK(std::all_of(out.begin(), out.end(), [](double v) { return std::isfinite(v); }));
      b.posterior_covariance(at_x, at, cov);
      CHECK(std::all_of(cov.begin(), cov.end(), [](double v) { return std::isfinite(v); }));
    }
  }
  // x = 30 with sigma = 1e-4 is explained by the wider component, 30 / alpha to sigma^2 / c^2.
  CHECK(a.x0(30.0, sharp) == doctest::Approx(30.0).epsilon(1e-6));
}

TEST_CASE("gaussian_mixture: no noise means known data, no signal means the prior mean") {
  gaussian_mixture const a = test::mixture_a();
  diffx::level const half{0.0, 0.5, 0.0, 1.0 / 0.0, 0.0};
  CHECK(a.x0(0.3, half) == 0.6);
  CHECK(a.eps(0.3, half) == 0.0);
  CHECK(test::denoise(a, std::vector{0.3}, 1, half)[0] == 0.6);
  diffx::level const noise{1.0, 0.0, 1.0, -1.0 / 0.0, 1.0};
  CHECK(a.x0(0.3, noise) == doctest::Approx(0.35 * -1.5 + 0.65).epsilon(1e-15));
  double const mean = 0.35 * -1.5 + 0.65;
  double const second = 0.35 * (2.25 + 0.16) + 0.65 * (1.0 + 0.0625);
  CHECK(a.posterior_variance(0.3, noise) == doctest::Approx(second - mean * mean).epsilon(1e-15));
}

TEST_CASE("gaussian_mixture: dimension 1 treats every feature as a draw, in both precisions") {
  gaussian_mixture const a = test::mixture_a();
  diffx::level const at = test::vp(0.3);
  std::vector<double> const x{0.1, -0.2, 1.3, -1.4, 0.5, 2.6};
  auto const out = test::denoise(a, x, 3, at);
  std::vector<float> const narrow(x.begin(), x.end());
  auto const out_float = test::denoise(a, narrow, 3, at);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(out[i] == a.x0(x[i], at));
    // Input rounded to 2^-24 |x|, times the largest slope here (below 4), plus the output's own
    // rounding.
    CHECK(std::abs(static_cast<double>(out_float[i]) - out[i]) <= 6e-8 * (4.0 * 2.6 + 2.6));
  }
}

TEST_CASE("gaussian_mixture: axes do not matter") {
  // Rotating data and state together rotates the prediction.
  double const c = std::cos(0.7), s = std::sin(0.7);
  std::vector<double> const diagonal{0.5, 0.0, 0.0, 0.02};
  std::vector<double> const turned{c * c * 0.5 + s * s * 0.02, c * s * (0.5 - 0.02),
                                   c * s * (0.5 - 0.02), s * s * 0.5 + c * c * 0.02};
  gaussian_mixture const straight({{0.4, {1.0, 0.0}, diagonal}, {0.6, {-1.0, 0.5}, diagonal}});
  gaussian_mixture const rotated(
      {{0.4, {c, s}, turned}, {0.6, {-c - 0.5 * s, -s + 0.5 * c}, turned}});
  diffx::level const at = test::vp(0.1);
  std::vector<double> a(2), b(2);
  straight.x0(std::vector{0.3, -0.2}, at, a);
  rotated.x0(std::vector{0.3 * c + 0.2 * s, 0.3 * s - 0.2 * c}, at, b);
  CHECK(b[0] == doctest::Approx(c * a[0] - s * a[1]).epsilon(1e-14));
  CHECK(b[1] == doctest::Approx(s * a[0] + c * a[1]).epsilon(1e-14));
}

TEST_CASE("gaussian_mixture: the reverse law agrees with the posterior moments") {
  gaussian_mixture const mixture = three_dimensional();
  std::vector<double> const x{0.6, -0.3, -0.4};
  diffx::level const from = test::vp(-0.3);
  gaussian_mixture const posterior = mixture.reverse(x, from, test::clean());
  diffx::level const prior{1.0, 0.0, 1.0, -1.0 / 0.0, 1.0};
  std::vector<double> mean(3), expected(3), cov(9), expected_cov(9);
  posterior.x0(x, prior, mean);
  mixture.x0(x, from, expected);
  posterior.posterior_covariance(x, prior, cov);
  mixture.posterior_covariance(x, from, expected_cov);
  // Two ways of writing the same moments; numbers of order 1.
  for (std::size_t j = 0; j < 3; ++j) CHECK(std::abs(mean[j] - expected[j]) <= 1e-14);
  for (std::size_t j = 0; j < 9; ++j) CHECK(std::abs(cov[j] - expected_cov[j]) <= 1e-14);

  // Chapman-Kolmogorov: averaged over x_s, the law of x0 given x_s is that given x_t. In one
  // dimension by Simpson's rule; smooth and decaying, so 4000 intervals leave only rounding.
  gaussian_mixture const a = test::mixture_a();
  diffx::level const t = test::vp(-1.0), s = test::vp(0.5);
  gaussian_mixture const middle = a.reverse(0.6, t, s);
  double sum = 0.0;
  double const low = -8.0, step = 16.0 / 4000;
  for (int i = 0; i <= 4000; ++i) {
    double const y = low + i * step;
    double const weight = i == 0 || i == 4000 ? 1.0 : (i % 2 == 1 ? 4.0 : 2.0);
    sum += weight * step / 3.0 * std::exp(middle.log_prob(y, test::clean())) * a.x0(y, s);
  }
  CHECK(sum == doctest::Approx(a.x0(0.6, t)).epsilon(1e-12));
}

TEST_CASE("gaussian_mixture: branch 0 is the sample's class, every other branch all of them") {
  gaussian_mixture const labelled({0.2, 0.3, 0.5}, {-1.5, 0.0, 1.0}, {0.4, 0.3, 0.25}, {7, 3, 7});
  gaussian_mixture const conditional = labelled.for_classes({3, 7});
  gaussian_mixture const sevens({0.2, 0.5}, {-1.5, 1.0}, {0.4, 0.25});
  gaussian_mixture const threes({1.0}, {0.0}, {0.3});
  diffx::level const at = test::vp(0.2);
  std::vector<double> const x{0.4, 0.4};
  auto const condition = test::denoise(conditional, x, 1, at, 0);
  CHECK(condition[0] == doctest::Approx(threes.x0(0.4, at)).epsilon(1e-15));
  CHECK(condition[1] == doctest::Approx(sevens.x0(0.4, at)).epsilon(1e-15));
  auto const null = test::denoise(conditional, x, 1, at, 1);
  CHECK(null[0] == labelled.x0(0.4, at));
  CHECK(null[1] == null[0]);
  // Labels belong to the sample, wherever its row stands.
  CHECK(test::denoise(conditional, std::vector{0.4}, 1, at, 0, 1)[0] == condition[1]);
  CHECK_THROWS_AS(test::denoise(conditional, x, 1, at, 0, 1), diffx::error);
  CHECK_THROWS_WITH_AS(labelled.for_classes({4}), doctest::Contains("class of a sample = 4"),
                       diffx::error);
}

TEST_CASE("gaussian_mixture: values of the oracle file") {
  auto const oracles = test::load_oracles();
  for (auto const& row : oracles.at("denoiser_1d").at("rows")) {
    gaussian_mixture const m =
        test::mixture_1d(oracles.at("mixtures_1d").at(row[0].get<std::string>()));
    double const where = row[2].get<double>();
    auto const at = row[1] == "vp" ? test::vp(where) : test::flow(where);
    double const x = row[3].get<double>();
    // The file is right to 1e-12, relative for numbers above 1.
    auto const near = [](double a, double b) {
      return std::abs(a - b) <= 1e-12 * std::max(1.0, std::abs(b));
    };
    CHECK(near(m.x0(x, at), row[4].get<double>()));
    CHECK(near(m.eps(x, at), row[5].get<double>()));
    CHECK(near(m.score(x, at), row[6].get<double>()));
    CHECK(near(m.log_prob(x, at), row[7].get<double>()));
    CHECK(near(m.posterior_variance(x, at), row[8].get<double>()));
  }
}

TEST_CASE("gaussian_mixture: a nearly singular covariance of ten dimensions") {
  // C = 0.01 I + u u^T has eigenvalues 0.01 (nine times) and 0.01 + |u|^2; the shrinkage of a
  // single Gaussian then has a closed form by Sherman and Morrison.
  std::size_t const d = 10;
  std::vector<double> u(d), cov(d * d), mean(d, 0.0), x(d), out(d);
  double u2 = 0.0, ux = 0.0;
  for (std::size_t j = 0; j < d; ++j) {
    u[j] = 0.1 * static_cast<double>(j) - 0.3;
    x[j] = std::sin(static_cast<double>(j));
    u2 += u[j] * u[j];
    ux += u[j] * x[j];
  }
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j < d; ++j) cov[i * d + j] = u[i] * u[j] + (i == j ? 0.01 : 0.0);
  }
  gaussian_mixture const m({{1.0, mean, cov}});
  diffx::level const at = test::vp(0.5);
  m.x0(x, at, out);
  double const a = at.alpha, s = a * a * 0.01 + at.sigma * at.sigma;
  for (std::size_t j = 0; j < d; ++j) {
    double const gain = ux / (s + a * a * u2);  // (S^-1 x) = (x - a^2 u gain) / s, times C
    double const inverse_j = (x[j] - a * a * u[j] * gain) / s;
    double const expected = a * (0.01 * inverse_j + u[j] * gain);
    CHECK(std::abs(out[j] - expected) <= 1e-14);  // numbers of order 1, ten terms
  }
}

TEST_CASE("gaussian_mixture: bad arguments are refused by name") {
  using component = gaussian_mixture::component;
  CHECK_THROWS_AS(gaussian_mixture(std::vector<component>{}), diffx::error);
  CHECK_THROWS_AS(gaussian_mixture({1.0, 2.0}, {0.0}, {1.0}), diffx::error);
  CHECK_THROWS_WITH_AS(gaussian_mixture({-1.0, 2.0}, {0.0, 1.0}, {1.0, 1.0}),
                       doctest::Contains("weight = -1"), diffx::error);
  CHECK_THROWS_WITH_AS(gaussian_mixture({component{1.0, {0.0, 0.0}, {1.0, 2.0, 2.0, 1.0}}}),
                       doctest::Contains("eigenvalue of a covariance"), diffx::error);
  CHECK_THROWS_AS(gaussian_mixture({component{1.0, {0.0, 0.0}, {1.0}}}), diffx::error);
  gaussian_mixture const points({1.0}, {0.0}, {0.0});
  CHECK_THROWS_AS(points.log_prob(0.0, test::clean()), diffx::error);
  CHECK_THROWS_AS(test::denoise(three_dimensional(), std::vector{1.0, 2.0}, 2, test::vp(0.0)),
                  diffx::error);
}

}  // namespace
