// The law of the variance of the noise, and of its step, that a distance says.

#include <diffx/analysis/time_posterior.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/schedule/linear.hpp>

#include "../support/message.hpp"
#include "../support/statistics.hpp"
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using analysis::inverse_gamma;
using analysis::time_posterior;
using doctest::Approx;

schedule::alpha_bar_table table() { return schedule::linear(300, 1e-4, 1e-2); }

TEST_CASE("one training point: the law of the variance is the normalised Gaussian likelihood") {
  for (std::int64_t const dim : {3, 5, 6, 12, 40}) {
    for (double const squared : {0.3, 2.0, 50.0}) {
      auto const law = inverse_gamma::of(dim, squared);
      // Trapezoids in log v; the integrand is smooth and both tails are below rounding.
      double total = 0.0, density = 0.0, mean = 0.0;
      double const mode = squared / static_cast<double>(dim), step = 1e-3;
      double const at_mode = -0.5 * static_cast<double>(dim) * (std::log(mode) + 1.0);
      for (double u = -8.0; u < 80.0; u += step) {
        double const v = mode * std::exp(u);
        double const likelihood =
            std::exp(-0.5 * static_cast<double>(dim) * std::log(v) - 0.5 * squared / v - at_mode);
        total += likelihood * v * step;
        density += std::exp(law.log_density(v)) * v * step;
        mean += v * std::exp(law.log_density(v)) * v * step;
      }
      CHECK(density == Approx(1.0).epsilon(1e-9));
      CHECK(std::exp(law.log_density(2.0)) ==
            Approx(std::exp(-0.5 * static_cast<double>(dim) * std::log(2.0) - 0.25 * squared -
                            at_mode) /
                   total)
                .epsilon(1e-9));
      CHECK(law.mode() == Approx(mode).epsilon(1e-15));
      CHECK(law.log_density(law.mode()) > law.log_density(1.01 * law.mode()));
      CHECK(law.log_density(law.mode()) > law.log_density(0.99 * law.mode()));
      if (dim > 4) {
        CHECK(law.mean() == Approx(0.5 * squared / (law.shape() - 1.0)).epsilon(1e-15));
        CHECK(law.mean() == Approx(mean).epsilon(dim == 5 ? 1e-3 : 1e-9));  // a heavy tail
      } else {
        CHECK(std::isinf(law.mean()));
      }
    }
  }
  CHECK(inverse_gamma(1.0, 0.0).log_density(1.0) == -INFINITY);
  CHECK(inverse_gamma(1.0, 1.0).log_density(0.0) == -INFINITY);
  CHECK(inverse_gamma(2.0, 0.0).mode() == 0.0);
}

TEST_CASE("the law of the step is that of the variances, normalised over the grid") {
  for (std::int64_t const dim : {3, 5, 12, 30}) {
    time_posterior const posterior(table(), dim);
    REQUIRE(posterior.steps() == 300);
    long double kept = 1.0L;
    for (int t = 0; t < 300; ++t) {
      kept *= 1.0L - (1e-4L + (1e-2L - 1e-4L) * t / 299);
      CHECK(posterior.variances()[static_cast<std::size_t>(t)] ==
            Approx(static_cast<double>(1.0L - kept)).epsilon(1e-13));
    }
    for (double const squared : {0.01, 0.5, 3.0, 20.0}) {
      std::vector<long double> direct;
      long double total = 0.0L;
      for (double const v : posterior.variances()) {
        long double const w = std::exp(-0.5L * static_cast<long double>(dim) * std::log(1.0L * v) -
                                       0.5L * squared / v);
        direct.push_back(w);
        total += w;
      }
      auto const w = posterior.weights(0.5 * squared);
      double sum = 0.0, mean = 0.0;
      std::size_t best = 0;
      for (std::size_t t = 0; t < w.size(); ++t) {
        double const want = static_cast<double>(direct[t] / total);
        // Logarithms are of size |log w|, so that is what their rounding is multiplied by.
        CHECK(std::fabs(w[t] - want) <= 1e-14 * (10.0 - std::log(want + 1e-300)) * want);
        sum += w[t];
        mean += static_cast<double>(t) * want;
        if (direct[t] > direct[best]) best = t;
      }
      CHECK(sum == Approx(1.0).epsilon(1e-14));
      CHECK(posterior.mode(0.5 * squared) == static_cast<int>(best));
      CHECK(posterior.mean(0.5 * squared) == Approx(mean).epsilon(1e-12));
      // The step whose variance is nearest to squared / dim, but for one.
      double const mode = squared / static_cast<double>(dim);
      auto const at = [&](int t) { return posterior.variances()[static_cast<std::size_t>(t)]; };
      int const t = posterior.mode(0.5 * squared);
      if (t > 0) CHECK(at(t - 1) < mode);
      if (t < 299) CHECK(at(t + 1) > mode);
    }
  }
}

TEST_CASE("both estimates rise with the distance and no distance is too small or too large") {
  for (std::int64_t const dim : {3, 16, 500}) {
    time_posterior const posterior(table(), dim);
    double before = -1.0;
    int mode_before = 0;
    for (double x = 1e-9; x < 1e9; x *= 1.3) {
      double const mean = posterior.mean(x);
      CHECK(mean >= before);
      CHECK(mean <= 299.0);
      if (x > 1e-3 && x < 100.0) CHECK(mean > before);
      CHECK(posterior.mode(x) >= mode_before);
      before = mean;
      mode_before = posterior.mode(x);
    }
    CHECK(mode_before == 299);
    for (double const x : {1e30, 1e300, 1.7e308, static_cast<double>(INFINITY)}) {
      CHECK(posterior.mode(x) == 299);
      CHECK(posterior.mean(x) == 299.0);
    }
    CHECK(posterior.mode(0.0) == 0);
    CHECK(posterior.weights(0.0)[0] > posterior.weights(0.0)[1]);
    CHECK(posterior.mean(0.0) <= posterior.mean(1e-9));
    CHECK(std::isfinite(posterior.mean(0.0)));
  }
}

TEST_CASE("variances without an inverse, and ones without a ratio, have weights") {
  for (std::int64_t const dim : {3, 8}) {
    std::vector<double> const v{1e-320, 3e-310, 1e-309, 4e-308, 1e-200, 1e-3, 1e200};
    time_posterior const posterior(v, dim);
    for (double const scale :
         {0.0, 1e-320, 1e-310, 1e-309, 1e-307, 1e-200, 1e-3, 1e3, 1e300, HUGE_VAL}) {
      CAPTURE(scale);
      // x86 and the library's other platforms have long doubles of at least the same range.
      std::vector<long double> log_w;
      long double most = -HUGE_VALL, total = 0.0L;
      for (double const at : v) {
        bool const last = at == v.back();
        long double const pull =
            last ? 0.0L : static_cast<long double>(scale) * (1.0L / at - 1.0L / v.back());
        log_w.push_back(-0.5L * static_cast<long double>(dim) *
                            (std::log(static_cast<long double>(at)) -
                             std::log(static_cast<long double>(v.back()))) -
                        pull);
        most = std::max(most, log_w.back());
      }
      for (long double const w : log_w) total += std::exp(w - most);
      auto const w = posterior.weights(scale);
      double sum = 0.0;
      for (std::size_t t = 0; t < w.size(); ++t) {
        double const want = static_cast<double>(std::exp(log_w[t] - most) / total);
        // Logarithms of thousands, of which a few ulps are left, and powers of subnormal numbers.
        CHECK(std::fabs(w[t] - want) <= 1e-10 * want + 1e-300);
        sum += w[t];
      }
      CHECK(sum == Approx(1.0).epsilon(1e-14));
      CHECK(std::isfinite(posterior.mean(scale)));
    }
    CHECK(posterior.mode(0.0) == 0);
    CHECK(posterior.mode(HUGE_VAL) == 6);
    time_posterior const tiny({1e-320, 1e-310}, dim);
    CHECK(tiny.mode(0.0) == 0);
    CHECK(tiny.mode(1.0) == 1);
    CHECK(tiny.weights(HUGE_VAL)[1] == 1.0);
  }
}

// A point noised at a step drawn at random: the posterior of the step is exact, so the step's place
// in it is uniform. n = 2e4; 16 cells see a total variation of 0.04.
TEST_CASE("calibration: the true step is spread over its posterior as it must be") {
  constexpr int n = 20000;
  for (std::int64_t const dim : {3, 16, 64}) {
    time_posterior const posterior(table(), dim);
    noise::counted const source{static_cast<std::uint64_t>(dim)};
    std::vector<std::int64_t> cells(16, 0);
    double gap = 0.0, squares = 0.0, mode = 0.0;
    std::vector<double> e(static_cast<std::size_t>(dim));
    for (int i = 0; i < n; ++i) {
      auto const words = source.words(noise::key{1, 0, 0, 0.0, 0.0}, i, 0);
      auto const t = static_cast<std::size_t>(300.0 * random::uniform<double>(words.word[0]));
      double const v = posterior.variances()[t];
      source.fill(noise::key{}, i, 0, static_cast<int>(dim), e.data());
      double squared = 0.0;
      for (double const z : e) squared += v * z * z;
      auto const w = posterior.weights(0.5 * squared);
      double place = random::uniform<double>(words.word[1]) * w[t];
      for (std::size_t s = 0; s < t; ++s) place += w[s];
      ++cells[std::min<std::size_t>(15, static_cast<std::size_t>(16.0 * place))];
      double const d = posterior.mean(0.5 * squared) - static_cast<double>(t);
      gap += d;
      squares += d * d;
      mode += inverse_gamma::of(dim, squared).mode() / v - 1.0;
    }
    std::vector<double> const flat(16, 1.0 / 16);
    CHECK(test::passes("time_posterior: place of the step", test::test_cells(cells, flat).p));
    // The expected step is unbiased over steps, and the mode of the variance at every step.
    CHECK(test::passes("time_posterior: mean of the step", test::p_of_z(gap / std::sqrt(squares))));
    CHECK(test::passes(
        "time_posterior: mode of the variance",
        test::p_of_z(test::z_of_mean(mode / n, 0.0, 2.0 / static_cast<double>(dim), n))));
  }
}

TEST_CASE("what is refused") {
  auto const making = [](std::vector<double> v, std::int64_t dim) {
    return test::message_of([&] { time_posterior(std::move(v), dim); });
  };
  auto const where = "diffx::analysis::time_posterior";
  CHECK(test::says(making({0.1}, 2), where, "dim", "2", "at least 3"));
  CHECK(test::says(making({}, 3), where, "number of variances", "0", "at least 1"));
  CHECK(test::says(making({0.0, 1.0}, 3), where, "variances[0]", "0", "finite and above"));
  CHECK(test::says(making({0.5, 0.5}, 3), where, "variances[1]", "0.5", "finite and above"));
  CHECK(test::says(making({0.5, INFINITY}, 3), where, "variances[1]", "inf", "finite and above"));
  time_posterior const p({0.1, 0.2}, 4);
  CHECK(test::says(test::message_of([&] { p.mean(-1.0); }), where, "scale", "-1", "at least 0"));
  CHECK(test::says(test::message_of([&] { p.mode(NAN); }), where, "scale", "nan", "at least 0"));
  auto const gamma = [](double shape, double scale) {
    return test::message_of([&] { inverse_gamma(shape, scale); });
  };
  CHECK(test::says(gamma(0.0, 1.0), "diffx::analysis::inverse_gamma", "shape", "0", "positive"));
  CHECK(test::says(gamma(1.0, -1.0), "diffx::analysis::inverse_gamma", "scale", "-1", "at least"));
  CHECK(test::says(test::message_of([] { inverse_gamma::of(2, 1.0); }),
                   "diffx::analysis::inverse_gamma", "dim", "2", "at least 3"));
}

}  // namespace
