#include <diffx/noise/counted.hpp>
#include <diffx/noise/grid.hpp>
#include <diffx/noise/injected.hpp>
#include <diffx/noise/recording.hpp>
#include <diffx/noise/replayed.hpp>
#include <diffx/noise/zero.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace noise = diffx::noise;

static_assert(diffx::noise_source<noise::recording<noise::counted>>);
static_assert(diffx::noise_source<noise::recording<noise::grid>>);

template <class Source>
std::vector<double> drawn(Source const& s, noise::key k, std::int64_t sample, std::int64_t first,
                          int n) {
  std::vector<double> z(static_cast<std::size_t>(n));
  s.fill(k, sample, first, n, z.data());
  return z;
}

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (diffx::error const& e) {
    return e.what();
  }
  return {};
}

TEST_CASE("zero gives zeros, also to forks") {
  CHECK(drawn(noise::zero{}.fork(3), {5}, 2, 4, 7) == std::vector<double>(7, 0.0));
}

TEST_CASE("grid visits every quantile once, in order") {
  noise::grid const g(1000, 8);
  double last = -100.0, sum = 0.0, squares = 0.0;
  for (int sample = 0; sample < 125; ++sample) {
    for (double const z : drawn(g, {3}, sample, 0, 8)) {
      CHECK(z > last);
      CHECK(0.5 * std::erfc(-z / std::sqrt(2.0)) ==
            doctest::Approx(g.uniform(sample, 0)).epsilon(1.0));
      last = z;
      sum += z;
      squares += z * z;
    }
  }
  CHECK(std::abs(sum) < 1e-10);
  CHECK(squares / 1000.0 == doctest::Approx(1.0).epsilon(0.005));
  for (double const u : {1e-300, 1e-17, 0x1p-33, 0.001, 0.3, 0.5, 0.75, 1.0 - 0x1p-33}) {
    double const z = noise::normal_quantile(u);
    CHECK(0.5 * std::erfc(-z / std::sqrt(2.0)) == doctest::Approx(u).epsilon(1e-12));
  }
  CHECK(drawn(g, {}, 125, 0, 8) == drawn(g, {}, 0, 0, 8));
  CHECK_THROWS_WITH_AS(noise::grid(0, 1), "diffx::noise::grid: m = 0, must be at least 1",
                       diffx::error);
  CHECK_THROWS_AS(noise::grid(1, 0), diffx::error);
}

TEST_CASE("injected plays the caller's arrays and names what it lacks") {
  std::vector<float> const a{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
      b{-1, -2, -3, -4, -5, -6, -7, -8, -9, 0};
  noise::injected<float> const s({{{0}, a.data()}, {{4, 1, 2}, b.data()}}, 2, 5, 100);
  CHECK(drawn(s, {0}, 100, 0, 5) == std::vector<double>{1, 2, 3, 4, 5});
  CHECK(drawn(s, {0}, 101, 4, 1) == std::vector<double>{10});
  CHECK(drawn(s.fork(9), {4, 1, 2, 0.5, 0.25}, 101, 0, 2) == std::vector<double>{-6, -7});
  auto const text = message_of([&] { drawn(s, {4, 0, 2}, 100, 0, 1); });
  CHECK(text ==
        "diffx::noise::injected: no noise for step 4, draw 0, block 2: the key was not given");
  CHECK(message_of([&] { drawn(s, {0}, 102, 0, 1); }).find("sample 102") != std::string::npos);
  CHECK(message_of([&] { drawn(s, {0}, 99, 0, 1); }).find("sample 99") != std::string::npos);
  CHECK(message_of([&] { drawn(s, {0}, 100, 4, 2); }).find("outside") != std::string::npos);
}

TEST_CASE("injected_by calls the function at each address: an impulse") {
  noise::injected_by const s{[](noise::key k, std::int64_t sample, std::int64_t element) {
    return k.step == 2 && sample == 1 && element == 5 ? 10.0 : 0.0;
  }};
  static_assert(diffx::noise_source<std::remove_const_t<decltype(s)>>);
  CHECK(drawn(s, {2}, 1, 4, 3) == std::vector<double>{0, 10, 0});
  CHECK(drawn(s, {2}, 0, 4, 3) == std::vector<double>{0, 0, 0});
}

TEST_CASE("recording hands out its source's numbers and replayed repeats them, however cut") {
  noise::counted const source{5};
  noise::recording const tape(source);
  auto const parent = drawn(tape, {1, 0, 3}, 7, 0, 37);
  CHECK(parent == drawn(source, {1, 0, 3}, 7, 0, 37));
  std::vector<float> narrow(9);
  tape.fill({2}, 7, 4, 9, narrow.data());
  auto const child = drawn(tape.fork(11), {1, 0, 3}, 7, 0, 37);
  CHECK(child == drawn(source.fork(11), {1, 0, 3}, 7, 0, 37));
  CHECK(child != parent);

  noise::replayed const again(tape.records());
  CHECK(drawn(again, {1, 0, 3}, 7, 0, 37) == parent);
  CHECK(drawn(again, {1, 0, 3}, 7, 12, 25) ==
        std::vector<double>(parent.begin() + 12, parent.end()));
  CHECK(drawn(again.fork(11), {1, 0, 3}, 7, 0, 37) == child);
  std::vector<float> repeat(9);
  again.fill({2}, 7, 4, 9, repeat.data());
  CHECK(repeat == narrow);
  auto const missing = message_of([&] { drawn(again, {3, 2}, 7, 0, 4); });
  CHECK(missing.find("step 3, draw 2") != std::string::npos);
  CHECK_FALSE(message_of([&] { drawn(again, {1, 0, 3}, 7, 36, 2); }).empty());
  CHECK_FALSE(message_of([&] { drawn(again.fork(12), {1, 0, 3}, 7, 0, 4); }).empty());

  noise::recording const bare(source, false);
  drawn(bare, {}, 0, 0, 4);
  CHECK(message_of([&] { noise::replayed{bare.records()}; }).find("kept no values") !=
        std::string::npos);
}

TEST_CASE("no address is handed out twice in a run, its forks and their forks") {
  noise::recording const tape(noise::counted{1}, false);
  auto const run = [](auto const& source) {
    std::vector<float> z(64);
    for (int step = 0; step < 4; ++step) {
      for (int draw = 0; draw < 2; ++draw) {
        for (int sample = 0; sample < 3; ++sample)
          source.fill({step, draw}, sample, 0, 61, z.data());
      }
    }
  };
  run(tape);
  for (std::uint64_t label = 0; label < 3; ++label) {
    auto const child = tape.fork(label);
    run(child);
    run(child.fork(label));
    run(child.fork(0x100000000u + label));
  }
  auto all = tape.addresses();
  CHECK(all.size() == 4u * 2u * 3u * 16u * 10u);
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());

  // The twin that must fail: a fork that keeps its parent's address.
  run(tape);
  all = tape.addresses();
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) != all.end());
}

TEST_CASE("recording loses nothing when several threads fill at once") {
  noise::recording const tape(noise::counted{1});
  std::vector<std::thread> pool;
  for (int t = 0; t < 4; ++t) {
    pool.emplace_back([&tape, t] {
      double z[8];
      for (int i = 0; i < 100; ++i) tape.fill({i}, t, 0, 8, z);
    });
  }
  for (auto& t : pool) t.join();
  CHECK(tape.records().size() == 400);
  noise::replayed const again(tape.records());
  CHECK(drawn(again, {99}, 3, 0, 8) == drawn(noise::counted{1}, {99}, 3, 0, 8));
}

}  // namespace
