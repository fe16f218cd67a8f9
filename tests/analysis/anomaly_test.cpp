// Scores of anomaly by the noising time that a row looks to be at.

#include <diffx/analysis/anomaly.hpp>
#include <diffx/analysis/auroc.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/schedule/linear.hpp>

#include "../support/message.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using namespace diffx::analysis::anomaly;
using doctest::Approx;
using numbers = std::vector<double>;

schedule::alpha_bar_table table() { return schedule::linear(300, 1e-4, 1e-2); }

numbers normals(std::int64_t n, std::uint64_t seed) {
  numbers out(static_cast<std::size_t>(n));
  noise::counted{seed}.fill(noise::key{}, 0, 0, static_cast<int>(n), out.data());
  return out;
}

batch_view<double const> view(numbers const& x, std::int64_t width) {
  return {x.data(), std::ssize(x) / width, width};
}

TEST_CASE("DTE-NP: the posterior of the mean of the k smallest squared distances") {
  // Three training rows at squared distances 1, 4 and 25 from the origin.
  numbers const train{1, 0, 0, 0, 2, 0, 0, 0, 5}, x{0, 0, 0};
  analysis::time_posterior const posterior(table(), 3);
  double const means[] = {1.0, 2.5, 10.0};
  for (int k = 1; k <= 3; ++k) {
    dte_non_parametric const np(view(train, 3), table(), k);
    double const want = means[k - 1];
    CHECK(np.squared_distances(view(x, 3))[0] == want);
    CHECK(np.scores(view(x, 3))[0] == posterior.mean(0.5 * want));
    CHECK(np.scores(view(x, 3), time_estimate::mode)[0] == posterior.mode(0.5 * want));
  }
}

TEST_CASE("DTE-NP: the order of the training rows, copies of them and threads change nothing") {
  auto const train = normals(40 * 6, 1), x = normals(70 * 6, 2);
  numbers turned, twice = train;
  for (std::size_t i = 40; i-- > 0;) {
    turned.insert(turned.end(), train.begin() + static_cast<long>(6 * i),
                  train.begin() + static_cast<long>(6 * i + 6));
  }
  twice.insert(twice.end(), turned.begin(), turned.end());
  for (auto const e : {time_estimate::mean, time_estimate::mode}) {
    dte_non_parametric const np(view(train, 6), table());
    auto const want = np.scores(view(x, 6), e);
    CHECK(dte_non_parametric(view(turned, 6), table()).scores(view(x, 6), e) == want);
    CHECK(np.scores(view(x, 6), e, exec::threads(3)) == want);
    auto const nearest = dte_non_parametric(view(train, 6), table(), 1).scores(view(x, 6), e);
    CHECK(nearest != want);
    CHECK(dte_non_parametric(view(twice, 6), table(), 1).scores(view(x, 6), e) == nearest);
  }
  // A training row itself is at distance 0.
  CHECK(
      dte_non_parametric(view(train, 6), table(), 1).scores(view(train, 6), time_estimate::mode) ==
      numbers(40, 0.0));
}

TEST_CASE("DTE-NP: the ranking is that of the distance, and the mode only ties") {
  auto const train = normals(200 * 8, 3);
  auto x = normals(300 * 8, 4);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 0.2 + static_cast<double>(i) / 1000.0;
  dte_non_parametric const np(view(train, 8), table());
  auto const d = np.squared_distances(view(x, 8)), mean = np.scores(view(x, 8)),
             mode = np.scores(view(x, 8), time_estimate::mode);
  std::vector<std::size_t> order(d.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return d[a] < d[b]; });
  int ties = 0;
  for (std::size_t i = 1; i < order.size(); ++i) {
    CHECK(mean[order[i]] >= mean[order[i - 1]]);
    if (d[order[i]] < 30.0) CHECK(mean[order[i]] > mean[order[i - 1]]);
    CHECK(mode[order[i]] >= mode[order[i - 1]]);
    ties += mode[order[i]] == mode[order[i - 1]] ? 1 : 0;
  }
  CHECK(ties > 50);
}

// A mixture of two Gaussians in 6 dimensions and anomalies spread over a box, where the exact
// density is the best score there can be. With 1000 rows of each kind an AUROC is known to 0.01,
// and the difference of two scores of the same rows far better.
TEST_CASE("DTE-NP finds anomalies about as well as the exact density") {
  constexpr std::int64_t width = 6, n = 1000, size = 4000;
  auto const mixture = [&](std::int64_t rows, std::uint64_t seed) {
    auto x = normals(rows * width, seed);
    for (std::int64_t i = 0; i < rows * width; ++i) {
      double& v = x[static_cast<std::size_t>(i)];
      v = 0.4 * v + (i / width % 2 == 0 ? 0.9 : -0.9);
    }
    return x;
  };
  auto const density = [&](double const* x) {
    double up = 0.0, down = 0.0;
    for (std::int64_t j = 0; j < width; ++j) {
      up -= 0.5 * (x[j] - 0.9) * (x[j] - 0.9) / 0.16;
      down -= 0.5 * (x[j] + 0.9) * (x[j] + 0.9) / 0.16;
    }
    double const most = std::max(up, down);
    return most + std::log(std::exp(up - most) + std::exp(down - most));
  };
  auto const train = mixture(size, 10);
  auto x = mixture(n, 11);
  noise::counted const box{12};
  for (std::int64_t i = 0; i < n * width; ++i) {
    auto const word = box.words(noise::key{}, 0, i).word[0];
    x.push_back(-1.8 + 3.6 * random::uniform<double>(word));
  }
  std::vector<std::uint8_t> labels(2 * n, 0);
  std::fill(labels.begin() + n, labels.end(), std::uint8_t{1});
  numbers exact;
  for (std::int64_t i = 0; i < 2 * n; ++i) exact.push_back(-density(x.data() + i * width));
  double const best = analysis::auroc(exact, labels);
  dte_non_parametric const np(view(train, width), table());
  double const mean = analysis::auroc(np.scores(view(x, width)), labels);
  double const mode = analysis::auroc(np.scores(view(x, width), time_estimate::mode), labels);
  CAPTURE(best);
  CAPTURE(mean);
  CAPTURE(mode);
  CHECK(best > 0.95);
  CHECK(mean < best + 0.005);
  CHECK(mean > best - 0.02);
  CHECK(mode == Approx(mean).epsilon(0.01));
}

TEST_CASE("time_bin: equal parts of the steps") {
  CHECK(time_bin(0, 400, 7) == 0);
  CHECK(time_bin(57, 400, 7) == 0);
  CHECK(time_bin(58, 400, 7) == 1);
  CHECK(time_bin(399, 400, 7) == 6);
  CHECK(time_bin(2, 3, 300) == 200);
  CHECK(time_bin(2147483646, 2147483647, 2147483647) == 2147483646);
  int count[7] = {};
  for (int t = 0; t < 700; ++t) ++count[time_bin(t, 700, 7)];
  for (int const c : count) CHECK(c == 100);
}

TEST_CASE("DTE-C: the expected bin of the softmax") {
  numbers const logits{0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       0,
                       std::log(1.0),
                       std::log(2.0),
                       std::log(3.0),
                       -INFINITY,
                       -INFINITY,
                       -INFINITY,
                       -INFINITY};
  auto const s = dte_categorical(view(logits, 7));
  CHECK(s[0] == Approx(3.0).epsilon(1e-15));
  CHECK(s[1] == Approx(8.0 / 6.0).epsilon(1e-15));
  std::vector<float> const far{1e4f, -1e4f, 1e4f};
  CHECK(dte_categorical(batch_view<float const>{far.data(), 1, 3})[0] == 1.0);
  // The logarithm of probabilities gives their mean back; softmax of the probabilities is flatter.
  numbers const p{0.1, 0.2, 0.7}, log_p{std::log(0.1), std::log(0.2), std::log(0.7)};
  CHECK(dte_categorical(view(log_p, 3))[0] == Approx(1.6).epsilon(1e-15));
  CHECK(dte_categorical(view(p, 3))[0] < 1.3);
}

TEST_CASE("DTE-C on the exact posterior agrees with DTE-NP up to the width of a bin") {
  auto const train = normals(50 * 5, 5), x = normals(60 * 5, 6);
  dte_non_parametric const np(view(train, 5), table(), 3);
  auto const d = np.squared_distances(view(x, 5)), mean = np.scores(view(x, 5));
  for (std::size_t i = 0; i < d.size(); ++i) {
    auto const w = np.posterior().weights(0.5 * d[i]);
    numbers bins(7, 0.0);
    for (int t = 0; t < 300; ++t) {
      bins[static_cast<std::size_t>(time_bin(t, 300, 7))] += w[static_cast<std::size_t>(t)];
    }
    for (double& b : bins) b = std::log(b);
    double const score = dte_categorical(view(bins, 7))[0];
    CHECK(score <= mean[i] * 7 / 300 + 1e-12);
    CHECK(score > mean[i] * 7 / 300 - 1.0);
  }
}

TEST_CASE("DTE-IG: the likelihood is largest where the scale is that of the variance") {
  for (std::int64_t const width : {3, 8, 33}) {
    dte_inverse_gamma const ig{width};
    for (double const v : {1e-3, 0.2, 0.78}) {
      double const best = std::sqrt((0.5 * static_cast<double>(width) - 1.0) * v - ig.floor);
      for (double const sign : {1.0, -1.0}) {
        CHECK(ig.log_likelihood(sign * best, v) > ig.log_likelihood(sign * best * 1.01, v));
        CHECK(ig.log_likelihood(sign * best, v) > ig.log_likelihood(sign * best * 0.99, v));
      }
      // But for what does not depend on the output, it is the density of the law.
      dte_inverse_gamma const bare{width, 0.0};
      auto const rest = [&](double s) {
        return bare.law(s).log_density(v) - bare.log_likelihood(s, v);
      };
      CHECK(rest(0.3) == Approx(rest(1.7)).epsilon(1e-12));
      // With the scale of a distance the law is that of DTE-NP.
      CHECK(bare.law(std::sqrt(0.5 * 1.3)).log_density(v) ==
            Approx(analysis::inverse_gamma::of(width, 1.3).log_density(v)).epsilon(1e-12));
    }
    CHECK(std::isfinite(ig.log_likelihood(0.0, 0.5)));
  }
}

TEST_CASE("DTE-IG: scores, and what the sign of the output does to them") {
  std::vector<float> const s{0.5f, 1.0f, 2.0f}, minus{-0.5f, -1.0f, -2.0f};
  dte_inverse_gamma const ig{6};
  using span = std::span<float const>;
  CHECK(ig.scores(span(s)) == numbers{0.25, 1.0, 4.0});
  CHECK(ig.scores(span(minus)) == numbers{0.25, 1.0, 4.0});
  CHECK(ig.scores(span(s), scale_estimate::output) == numbers{0.5, 1.0, 2.0});
  CHECK(ig.scores(span(minus), scale_estimate::output) == numbers{-0.5, -1.0, -2.0});
  analysis::time_posterior const posterior(table(), 6);
  CHECK(ig.scores(span(minus), posterior, time_estimate::mean) ==
        numbers{posterior.mean(0.25), posterior.mean(1.0), posterior.mean(4.0)});
  CHECK(ig.scores(span(s), posterior, time_estimate::mode)[0] == posterior.mode(0.25));
}

TEST_CASE("what is refused") {
  auto const train = normals(4 * 3, 7);
  auto const making = [&](std::int64_t width, int k) {
    return test::message_of([&] { dte_non_parametric(view(train, width), table(), k); });
  };
  std::string const np = "diffx::analysis::anomaly::dte_non_parametric";
  CHECK(test::says(making(3, 5), np, "k", "5", "in [1, 4], the training rows"));
  CHECK(test::says(making(3, 0), np, "k", "0", "in [1, 4], the training rows"));
  CHECK(test::says(making(2, 1), "diffx::analysis::time_posterior", "dim", "2", "at least 3"));
  CHECK(test::says(test::message_of([&] {
                     dte_non_parametric(view(train, 3), analysis::time_posterior({1.0}, 4), 1);
                   }),
                   np, "shape of the posterior", "1", "width / 2 - 1"));
  CHECK(test::says(test::message_of([&] {
                     dte_non_parametric(batch_view<double const>{train.data(), 0, 3}, table());
                   }),
                   "diffx::analysis::nearest_rows", "rows", "0", "at least 1"));
  dte_non_parametric const good(view(train, 3), table(), 1);
  CHECK(test::says(test::message_of([&] { good.scores(view(train, 4)); }),
                   "diffx::analysis::nearest_rows", "queries.features", "4", "the width"));
  auto const bin = [](int t, int steps, int bins) {
    return test::message_of([&] { time_bin(t, steps, bins); });
  };
  std::string const tb = "diffx::analysis::anomaly::time_bin";
  CHECK(test::says(bin(0, 10, 1), tb, "bins", "1", "at least 2"));
  CHECK(test::says(bin(0, 0, 2), tb, "steps", "0", "at least 1"));
  CHECK(test::says(bin(10, 10, 2), tb, "t", "10", "in [0, steps)"));
  CHECK(test::says(bin(-1, 10, 2), tb, "t", "-1", "in [0, steps)"));
  auto const classify = [](numbers const& z, std::int64_t bins) {
    return test::message_of([&] { dte_categorical(view(z, bins)); });
  };
  std::string const c = "diffx::analysis::anomaly::dte_categorical";
  CHECK(test::says(classify({1, 2}, 1), c, "bins", "1", "at least 2"));
  for (numbers const& z : {numbers{0, 0, 1, NAN}, numbers{0, 0, NAN, 1}, numbers{0, 0, INFINITY, 1},
                           numbers{0, 0, -INFINITY, -INFINITY}}) {
    CHECK(classify(z, 2) == c + ": the logits of row 1 are no distribution");
  }
  std::string const ig = "diffx::analysis::anomaly::dte_inverse_gamma";
  auto const scoring = [](dte_inverse_gamma const& m, numbers const& s) {
    return test::message_of([&] { m.scores(std::span<double const>(s)); });
  };
  CHECK(test::says(scoring({2}, {1}), ig, "dim", "2", "at least 3"));
  CHECK(test::says(scoring({3, -1.0}, {1}), ig, "floor", "-1", "at least 0"));
  CHECK(test::says(scoring({3}, {NAN}), ig, "output", "nan", "finite"));
  CHECK(test::says(scoring({3}, {1e200}), ig, "output", "1e+200", "finite"));
  CHECK(test::says(test::message_of([] { dte_inverse_gamma{3}.log_likelihood(1.0, 0.0); }), ig,
                   "variance", "0", "positive"));
  CHECK(test::says(test::message_of([] {
                     numbers const s{1};
                     dte_inverse_gamma{3}.scores(std::span<double const>(s),
                                                 analysis::time_posterior({1.0}, 4),
                                                 time_estimate::mean);
                   }),
                   ig, "shape of the posterior", "1", "width / 2 - 1"));
}

}  // namespace
