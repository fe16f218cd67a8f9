// The search over independent candidates, against the runs that it makes.

#include <diffx/cache/kv.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/decoding.hpp"
#include "../support/message.hpp"
#include "../support/verifiers.hpp"
#include <doctest/doctest.h>

using namespace diffx;

namespace {

constexpr std::int64_t rows = 4, features = 3;
constexpr int steps = 4;
test::vp_process const path;
solver::ddim const ancestral{.eta = 1.0};

options<> with_seed(std::uint64_t seed) { return options{noise::counted{seed}}; }

std::vector<double> plain(options<> const& o, std::vector<double> x = std::vector<double>(12)) {
  sampler{path, ancestral}.sample(exec::host{}, test::wavy{}, test::lambda_grid(steps),
                                  batch_view<double>{x.data(), rows, features}, o);
  return x;
}

template <class Verifier>
auto search_of(int n, std::vector<double>& x, Verifier const& verifier,
               options<> const& o = with_seed(7), test::wavy const& network = {}) {
  return sampler{path, ancestral, guidance::none{}, cache::none{}, search::best_of_n{n}}
      .sample_best(exec::host{}, network, test::lambda_grid(steps),
                   batch_view<double>{x.data(), rows, features}, verifier, o);
}

}  // namespace

TEST_CASE("every candidate is a run of its own, and the best of each row is kept bit for bit") {
  constexpr int n = 6;
  std::vector<std::vector<double>> candidates{plain(with_seed(7))};
  for (std::uint64_t k = 1; k < n; ++k) {
    candidates.push_back(plain(options{noise::counted{7}.fork(k)}));
  }
  std::vector<double> x(12, NAN);
  auto const found = search_of(n, x, test::sum_of_row);
  std::vector<bool> wins(n);
  for (std::size_t row = 0; row < rows; ++row) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < n; ++k) {
      auto const score = [&](std::size_t c) {
        double const* const r = &candidates[c][3 * row];
        return r[0] + r[1] + r[2];
      };
      CHECK(found.scores[rows * k + row] == score(k));
      if (score(k) > score(best)) best = k;
    }
    wins[best] = true;
    CHECK(found.winner[row] == static_cast<int>(best));
    CHECK(found.best[row] == found.scores[rows * best + row]);
    for (std::size_t i = 3 * row; i < 3 * row + 3; ++i) CHECK(x[i] == candidates[best][i]);
  }
  CHECK(std::count(wins.begin(), wins.end(), true) > 1);  // rows differ in their winners
  CHECK(found.scores.size() == rows * n);
}

TEST_CASE("one candidate is a plain sample") {
  std::vector<double> x(12, NAN);
  auto const found = search_of(1, x, test::sum_of_row);
  CHECK(test::same_bits(x, plain(with_seed(7))));
  CHECK(found.winner == std::vector<int>{0, 0, 0, 0});
}

TEST_CASE("n runs, n verified batches, and more candidates are never worse") {
  std::vector<double> before(rows, -HUGE_VAL);
  for (int n = 1; n <= 5; ++n) {
    int calls = 0, verified = 0;
    test::wavy network;
    network.calls = &calls;
    std::vector<double> x(12);
    auto const found = search_of(
        n, x,
        [&](batch_view<double const> b, std::span<double> s) {
          ++verified;
          CHECK(b.batch == rows);
          CHECK(s.size() == rows);
          test::sum_of_row(b, s);
        },
        with_seed(7), network);
    CHECK(found.runs == n);
    CHECK(verified == n);
    CHECK(found.nfe == n * steps);
    CHECK(calls == n * steps);
    for (std::size_t i = 0; i < rows; ++i) CHECK(found.best[i] >= before[i]);
    before = found.best;
  }
}

TEST_CASE("among equal scores the first candidate stays") {
  for (double const score : {0.0, -HUGE_VAL, HUGE_VAL}) {
    std::vector<double> x(12, NAN);
    auto const found = search_of(4, x, [&](batch_view<double const>, std::span<double> s) {
      std::fill(s.begin(), s.end(), score);
    });
    CHECK(found.winner == std::vector<int>{0, 0, 0, 0});
    CHECK(test::same_bits(x, plain(with_seed(7))));
  }
}

TEST_CASE("a row's search does not depend on the batch around it") {
  std::vector<double> x(12), alone(3);
  auto const together = search_of(5, x, test::sum_of_row);
  for (std::int64_t row = 0; row < rows; ++row) {
    auto const s = sampler{path, ancestral, guidance::none{}, cache::none{}, search::best_of_n{5}};
    auto const found = s.sample_best(
        exec::host{}, test::wavy{}, test::lambda_grid(steps),
        batch_view<double>{alone.data(), 1, features, row},
        [&](batch_view<double const> b, std::span<double> scores) {
          CHECK(b.first_sample == row);
          test::sum_of_row(b, scores);
        },
        with_seed(7));
    CHECK(found.winner[0] == together.winner[static_cast<std::size_t>(row)]);
    CHECK(std::equal(alone.begin(), alone.end(), x.begin() + 3 * row));
  }
}

TEST_CASE("the seed decides") {
  std::vector<double> x(12), y(12), z(12);
  search_of(3, x, test::sum_of_row);
  search_of(3, y, test::sum_of_row);
  search_of(3, z, test::sum_of_row, with_seed(8));
  CHECK(test::same_bits(x, y));
  CHECK_FALSE(test::same_bits(x, z));
}

TEST_CASE("every candidate of an edit starts from the caller's data") {
  std::vector<double> const data{0.1, -0.4, 0.9, 1.2, 0.3, -0.8, 0.5, 0.2, -1.1, 0.7, 0.0, 0.6};
  for (auto const from : {start::given, start::noised}) {
    auto o = with_seed(7);
    o.start = from;
    o.first_step = 1;
    auto x = data;
    auto const found = search_of(3, x, test::sum_of_row, o);
    for (std::uint64_t k = 0; k < 3; ++k) {
      auto mine = o;
      if (k > 0) mine.noise = o.noise.fork(k);
      auto const candidate = plain(mine, data);
      for (std::size_t row = 0; row < rows; ++row) {
        double const* const r = &candidate[3 * row];
        CHECK(found.scores[rows * k + row] == r[0] + r[1] + r[2]);
      }
    }
  }
}

/// The search over texts of 4 rows with a prompt, against the runs that it makes.
template <class Solver, class Cache>
void check_texts(Solver const& solver, Cache const& cache) {
  constexpr std::int64_t length = 6;
  constexpr int n = 5, classes = 5;
  process::absorbing<> const masks(classes);
  test::fixed_network const network{{}, classes, test::mixed_logits(length, classes)};
  auto const grid = grid::uniform_t(masks, 8);
  test::codes begun(rows * length, 1);
  std::vector<std::uint8_t> fixed(begun.size(), 0);
  for (std::size_t i = 0; i < begun.size(); ++i) fixed[i] = i % length < i / length ? 1 : 0;
  auto const view = [](test::codes& x) { return batch_view<std::int32_t>{x.data(), rows, length}; };
  auto const score = [](std::int32_t const* row) {
    return static_cast<double>(row[5] * 3 - row[4] + row[0] * row[1]);
  };
  auto o = with_seed(3);
  o.fixed = fixed.data();
  auto x = begun;
  auto const found =
      sampler{masks, solver, guidance::none{}, cache, search::best_of_n{n}}.sample_best(
          exec::host{}, network, grid, view(x),
          [&](batch_view<std::int32_t const> b, std::span<double> s) {
            for (std::int64_t i = 0; i < b.batch; ++i) {
              s[static_cast<std::size_t>(i)] = score(b.row(i));
            }
          },
          o);
  CHECK(found.runs == n);
  std::vector<double> best(rows, -HUGE_VAL);
  test::codes want = begun;
  for (std::uint64_t k = 0; k < n; ++k) {
    auto mine = o;
    if (k > 0) mine.noise = o.noise.fork(k);
    auto y = begun;
    sampler{masks, solver, guidance::none{}, cache}.sample(exec::host{}, network, grid, view(y),
                                                           mine);
    for (std::size_t i = 0; i < rows; ++i) {
      double const s = score(y.data() + i * length);
      CHECK(found.scores[k * rows + i] == s);
      if (s <= best[i]) continue;
      best[i] = s;
      std::copy_n(y.begin() + static_cast<long>(i * length), length,
                  want.begin() + static_cast<long>(i * length));
    }
  }
  CHECK(x == want);
  CHECK(found.best == best);
  CHECK(std::count(x.begin(), x.end(), classes) == 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (fixed[i] == 1) CHECK(x[i] == 1);
  }
}

TEST_CASE("the best of n texts, by a verifier that reads the tokens") {
  check_texts(solver::ancestral{}, cache::none{});
  check_texts(test::decoder<decode::probability>(decode::per_call{1}, 3), cache::none{});
  check_texts(test::decoder<decode::probability>(decode::per_call{1}, 3), cache::kv_prefix{});
}

TEST_CASE("no candidates and scores that are no numbers are refused") {
  std::vector<double> x(12);
  for (int const n : {0, -3}) {
    CHECK(test::says(test::message_of([&] { search_of(n, x, test::sum_of_row); }),
                     "diffx::search::best_of_n", "n", detail::text(n), "at least 1"));
  }
  int batch = 0;
  auto const message = test::message_of([&] {
    search_of(4, x, [&](batch_view<double const>, std::span<double> s) {
      std::fill(s.begin(), s.end(), 0.0);
      if (batch++ == 2) s[1] = NAN;
    });
  });
  CHECK(message == "diffx::search: the verifier returned NaN for candidate 2, row 1");
}
