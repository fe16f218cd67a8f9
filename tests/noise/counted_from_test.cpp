// A seed in memory: the numbers of noise::counted of the seed that stands there.

#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/counted.hpp>
#include <diffx/noise/counted_from.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/packed_bits.hpp"
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace {

namespace noise = diffx::noise;

template <class T, class Source>
std::vector<T> row_of(Source const& s, noise::key k, std::int64_t sample, int n) {
  std::vector<T> z(static_cast<std::size_t>(n));
  s.fill(k, sample, 0, n, z.data());
  return z;
}

template <class Source>
std::vector<std::uint32_t> words_of(Source const& s, noise::key k) {
  constexpr int lanes = 5;
  std::int64_t const sample[lanes] = {0, 3, 3, 9, 1 << 20}, position[lanes] = {7, 0, 1, 2, 5};
  std::uint32_t out[4][lanes];
  s.words(k, sample, position, out);
  std::vector<std::uint32_t> all;
  for (auto const& column : out) all.insert(all.end(), column, column + lanes);
  for (int i = 0; i < lanes; ++i) {
    for (std::uint32_t const w : s.words(k, sample[i], position[i]).word) all.push_back(w);
  }
  return all;
}

template <class A, class B>
void check_same(A const& a, B const& b) {
  for (noise::key const k : {noise::key{}, noise::key{3, 1, 2}, noise::key{noise::prior_step}}) {
    for (int const n : {1, 3, 16, 17, 64, 700}) {
      CHECK(row_of<float>(a, k, 11, n) == row_of<float>(b, k, 11, n));
      CHECK(row_of<double>(a, k, 11, n) == row_of<double>(b, k, 11, n));
    }
    CHECK(words_of(a, k) == words_of(b, k));
  }
}

}  // namespace

TEST_CASE("counted_from gives counted's numbers, and those of another seed when one is written") {
  std::uint64_t seed = 0;
  noise::counted_from const source{&seed};
  for (std::uint64_t const value : {std::uint64_t{0}, std::uint64_t{17}, ~std::uint64_t{0}}) {
    seed = value;
    check_same(source, noise::counted{value});
    for (std::uint64_t const label : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
      check_same(source.fork(label), noise::counted{value}.fork(label));
    }
  }
}

TEST_CASE("counted_from: forks of forks are sources of their own") {
  std::uint64_t seed = 5;
  noise::counted_from const source{&seed};
  std::vector<std::vector<float>> rows;
  auto const add = [&](auto const& s) { rows.push_back(row_of<float>(s, {1}, 2, 8)); };
  for (std::uint64_t const value : {std::uint64_t{5}, std::uint64_t{6}}) {
    seed = value;
    add(source);
    for (std::uint64_t a = 0; a < 3; ++a) {
      add(source.fork(a));
      for (std::uint64_t b = 0; b < 3; ++b) {
        add(source.fork(a).fork(b));
        add(source.fork(a).fork(b).fork(0));
      }
    }
  }
  auto sorted = rows;
  std::sort(sorted.begin(), sorted.end());
  CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
}

TEST_CASE("a run with its seed in memory is the run with that seed, of numbers and bits") {
  std::uint64_t const seed = 31;
  diffx::options<noise::counted_from> const there{{&seed}};
  diffx::options<> const here{noise::counted{31}};
  auto const same = [&](auto const& s, auto const& network, auto const& grid, auto x,
                        std::int64_t batch) {
    auto y = x;
    auto const features = static_cast<std::int64_t>(x.size()) / batch;
    using value = typename decltype(x)::value_type;
    s.sample(diffx::exec::host{}, network, grid,
             diffx::batch_view<value>{x.data(), batch, features}, here);
    s.sample(diffx::exec::threads{2}, network, grid,
             diffx::batch_view<value>{y.data(), batch, features}, there);
    CHECK(x == y);
  };
  same(diffx::sampler{test::vp_process{}, diffx::solver::ddim{.eta = 1.0}}, test::wavy{},
       test::lambda_grid(5), std::vector<float>(7 * 33), 7);
  diffx::process::xor_packed const bits(diffx::schedule::flip_quadratic(4, 0.02), 45);
  same(diffx::sampler{bits, diffx::solver::ancestral{}}, test::bits::one_logit<>{{}, 0.4f},
       diffx::grid::uniform_t(bits, 4), std::vector<std::uint32_t>(2 * 50), 50);
}
