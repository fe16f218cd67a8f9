// The search around the best start noise, against the same search by hand.

#include <diffx/search/zero_order.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/message.hpp"
#include "../support/verifiers.hpp"
#include <doctest/doctest.h>

using namespace diffx;

namespace {

constexpr std::int64_t rows = 4, features = 6;
constexpr std::size_t size = rows * features;
constexpr int steps = 4;
test::vp_process const path;

/// One run from this standard normal noise.
std::vector<double> run_from(std::vector<double> x, double eta, noise::counted noise) {
  auto const grid = test::lambda_grid(steps);
  for (double& z : x) z *= detail::prior_std(grid[0]);
  options<> o{noise};
  o.start = start::given;
  sampler{path, solver::ddim{.eta = eta}}.sample(exec::host{}, test::wavy{}, grid,
                                                 batch_view<double>{x.data(), rows, features}, o);
  return x;
}

std::vector<double> start_noise(noise::counted const& noise) {
  std::vector<double> z(size);
  for (std::int64_t row = 0; row < rows; ++row) {
    noise.fill({noise::prior_step, 0, 0, 1.0, 1.0}, row, 0, features,
               &z[features * std::size_t(row)]);
  }
  return z;
}

template <class Verifier>
auto search_of(search::zero_order const& z, std::vector<double>& x, Verifier const& verifier,
               double eta = 0.0, options<> const& o = options{noise::counted{7}},
               test::wavy const& network = {}) {
  return sampler{path, solver::ddim{.eta = eta}, guidance::none{}, cache::none{}, z}.sample_best(
      exec::host{}, network, test::lambda_grid(steps), batch_view<double>{x.data(), rows, features},
      verifier, o);
}

}  // namespace

TEST_CASE("the search is the one by hand: neighbours of the best noise of each row so far") {
  search::zero_order const z{3, 4, 0.8};
  for (double const eta : {0.0, 1.0}) {
    noise::counted const noise{7};
    std::vector<double> pivot = start_noise(noise), scores(rows);
    auto best = run_from(pivot, eta, noise);
    test::sum_of_row({best.data(), rows, features}, scores);
    std::vector<int> winner(rows, 0);
    std::vector<double> all = scores, best_score = scores;
    for (int round = 0, candidate = 0; round < z.rounds; ++round) {
      auto const centre = pivot;
      for (int k = 0; k < z.neighbours; ++k) {
        ++candidate;
        auto tried = start_noise(noise.fork(static_cast<std::uint64_t>(candidate)));
        for (std::size_t i = 0; i < size; ++i) tried[i] = 0.8 * centre[i] + 0.6 * tried[i];
        auto const x = run_from(tried, eta, noise);  // the noise of the steps is shared
        test::sum_of_row({x.data(), rows, features}, scores);
        all.insert(all.end(), scores.begin(), scores.end());
        for (std::size_t row = 0; row < rows; ++row) {
          if (scores[row] <= best_score[row]) continue;
          best_score[row] = scores[row];
          winner[row] = candidate;
          for (std::size_t i = features * row; i < features * (row + 1); ++i) {
            best[i] = x[i];
            pivot[i] = tried[i];
          }
        }
      }
    }
    std::vector<double> x(size, NAN);
    auto const found = search_of(z, x, test::sum_of_row, eta);
    CHECK(found.winner == winner);
    REQUIRE(found.scores.size() == all.size());
    // sqrt(1 - 0.8^2) and 0.6 differ in the last place, and four wavy steps pass that on.
    auto const close = [](std::vector<double> const& a, std::vector<double> const& b) {
      for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) < 1e-13);
    };
    close(found.scores, all);
    close(found.best, best_score);
    close(found.noise, pivot);
    close(x, best);
    CHECK(*std::max_element(winner.begin(), winner.end()) > z.neighbours);  // later rounds win too
  }
}

TEST_CASE("the reported noise replays the kept samples, bit for bit") {
  std::vector<double> x(size);
  auto const found = search_of({3, 2, 0.9}, x, test::sum_of_row);
  CHECK(test::same_bits(run_from(found.noise, 0.0, noise::counted{7}), x));
}

TEST_CASE("no rounds are a plain sample") {
  for (double const eta : {0.0, 1.0}) {
    std::vector<double> x(size, NAN), plain(size);
    auto const found = search_of({.rounds = 0}, x, test::sum_of_row, eta);
    sampler{path, solver::ddim{.eta = eta}}.sample(
        exec::host{}, test::wavy{}, test::lambda_grid(steps),
        batch_view<double>{plain.data(), rows, features}, options{noise::counted{7}});
    CHECK(test::same_bits(x, plain));
    CHECK(found.runs == 1);
    CHECK(test::same_bits(found.noise, start_noise(noise::counted{7})));
  }
}

TEST_CASE("1 + rounds neighbours runs, and the best score never falls") {
  std::vector<double> before(rows, -HUGE_VAL);
  for (int rounds = 0; rounds <= 4; ++rounds) {
    int calls = 0, verified = 0;
    test::wavy network;
    network.calls = &calls;
    std::vector<double> x(size);
    auto const found = search_of(
        {rounds, 3, 0.9}, x,
        [&](batch_view<double const> b, std::span<double> s) {
          ++verified;
          test::sum_of_row(b, s);
        },
        0.0, options{noise::counted{7}}, network);
    int const runs = 1 + 3 * rounds;
    CHECK(found.runs == runs);
    CHECK(verified == runs);
    CHECK(found.nfe == runs * steps);
    CHECK(calls == runs * steps);
    std::vector<double> scores(rows);
    test::sum_of_row({x.data(), rows, features}, scores);
    CHECK(scores == found.best);
    for (std::size_t i = 0; i < rows; ++i) CHECK(found.best[i] >= before[i]);
    before = found.best;
  }
}

TEST_CASE("where nothing is better the start stays") {
  std::vector<double> x(size, NAN);
  auto const found = search_of({2, 3, 0.5}, x, [](batch_view<double const>, std::span<double> s) {
    std::fill(s.begin(), s.end(), 1.0);
  });
  CHECK(found.winner == std::vector<int>{0, 0, 0, 0});
  CHECK(test::same_bits(found.noise, start_noise(noise::counted{7})));
}

TEST_CASE("the seed decides") {
  std::vector<double> x(size), y(size), z(size);
  search_of({2, 2, 0.9}, x, test::sum_of_row);
  search_of({2, 2, 0.9}, y, test::sum_of_row);
  search_of({2, 2, 0.9}, z, test::sum_of_row, 0.0, options{noise::counted{8}});
  CHECK(test::same_bits(x, y));
  CHECK_FALSE(test::same_bits(x, z));
}

TEST_CASE("nonsense is refused before the first run") {
  int calls = 0;
  test::wavy network;
  network.calls = &calls;
  std::vector<double> x(size);
  auto const message = [&](search::zero_order const& z, start from = start::prior) {
    options<> o;
    o.start = from;
    return test::message_of([&] { search_of(z, x, test::sum_of_row, 0.0, o, network); });
  };
  auto const where = "diffx::search::zero_order";
  CHECK(test::says(message({.rounds = -1}), where, "rounds", "-1", "at least 0"));
  CHECK(test::says(message({.neighbours = 0}), where, "neighbours", "0", "at least 1"));
  CHECK(test::says(message({.cosine = 1.0}), where, "cosine", "1", "in (-1, 1)"));
  CHECK(test::says(message({.cosine = -1.0}), where, "cosine", "-1", "in (-1, 1)"));
  CHECK(test::says(message({.cosine = NAN}), where, "cosine", "nan", "in (-1, 1)"));
  for (auto const from : {start::given, start::noised}) {
    CHECK(message({}, from).rfind("diffx::search::zero_order: options.start must be", 0) == 0);
  }
  std::vector<std::uint8_t> const mask(x.size(), 0);
  options<> keeps;
  keeps.fixed = mask.data();
  auto const refused = test::message_of(
      [&] { search_of(search::zero_order{}, x, test::sum_of_row, 0.0, keeps, network); });
  CHECK(refused.rfind("diffx::search::zero_order: options.fixed", 0) == 0);
  CHECK(calls == 0);
}
