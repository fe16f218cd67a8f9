// Packed rows of bits: their flips and draws against laws that are known, and what a run of them
// promises. Counts of whole chains: 1e-6, with the counts named there.

#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/guidance/cfg.hpp>
#include <diffx/prediction/eps.hpp>
#include <diffx/prediction/x0_cavity.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/xor_renoise.hpp>

#include "support/message.hpp"
#include "support/packed_bits.hpp"
#include "support/statistics.hpp"
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace diffx;
using process::xor_packed;
using solver::clean_bit;
using solver::renoise_level;
using solver::xor_renoise;
using words = std::vector<std::uint32_t>;

batch_view<std::uint32_t> rows(words& x, std::int64_t bits, std::int64_t first = 0) {
  std::int64_t const each = (bits + 31) / 32;
  return {x.data(), static_cast<std::int64_t>(x.size()) / each, each, first};
}

/// The law of a bit after a packed step, as the solver plans it.
template <class Solver>
auto planned(Solver const& solver) {
  return [solver](auto const& process, level const& t, level const& s, int now,
                  analysis::row const& p) {
    timetable const grid(std::vector<level>{t, s});
    binary_plan plan;
    solver.plan(plan_context<process::xor_bernoulli>{process, grid, 0, 0, 0}, plan);
    binary_stage const& stage = plan.stages()[0];
    auto const is = static_cast<std::size_t>(now);
    double const differs = stage.hard ? (p[1 - is] > 0.5 ? 1.0 : 0.0) : p[1 - is];
    analysis::row out(2);
    out[1 - is] = stage.same + (stage.other - stage.same) * differs;
    out[is] = 1.0 - out[1 - is];
    return out;
  };
}

template <class Solver>
double far_from_data(Solver const& solver, int steps) {
  return test::bits::distance(test::bits::law_after(steps, 1e-3, planned(solver)),
                              test::bits::correlated());
}

/// States of 25 x `samples` groups of four bits after so many steps.
template <class Solver>
std::vector<std::int64_t> drawn(Solver const& solver, int steps, std::int64_t samples) {
  constexpr std::int64_t bits = 100;  // 25 groups, the last in a word of its own
  xor_packed const process(schedule::flip_quadratic(steps, 1e-3), bits);
  test::bits::packed_table const network{{}, &process};
  words x(static_cast<std::size_t>(4 * samples));
  sampler{process, solver}.sample(exec::threads{}, network, grid::uniform_t(process, steps),
                                  rows(x, bits), options<>{noise::counted{11}});
  int beyond = 0;
  for (std::size_t i = 3; i < x.size(); i += 4) beyond += x[i] < 16 ? 0 : 1;
  CHECK(beyond == 0);
  return test::bits::group_counts(x, bits);
}

/// Random words at two places: the first 16 digits of a draw, and its others.
struct digits {
  using kind = noise_tag;
  static constexpr std::string_view name = "test::digits";
  std::uint32_t first = 0, last = 0;

  template <class T>
  void fill(noise::key, std::int64_t, std::int64_t, int n, T* out) const noexcept {
    std::fill(out, out + n, T(0));
  }
  random::words4 words(noise::key, std::int64_t, std::int64_t position) const noexcept {
    std::uint32_t const half = position < std::int64_t{1} << 31 ? first : last;
    std::uint32_t const w = half | half << 16;
    return {{w, w, w, w}};
  }
  digits fork(std::uint64_t) const noexcept { return *this; }
};

/// noise::counted one word at a time.
struct one_by_one {
  using kind = noise_tag;
  static constexpr std::string_view name = "test::one_by_one";
  noise::counted source{};

  template <class T>
  void fill(noise::key k, std::int64_t sample, std::int64_t first, int n, T* out) const noexcept {
    source.fill(k, sample, first, n, out);
  }
  random::words4 words(noise::key k, std::int64_t sample, std::int64_t position) const noexcept {
    return source.words(k, sample, position);
  }
  one_by_one fork(std::uint64_t label) const noexcept { return {source.fork(label)}; }
};
static_assert(word_source<one_by_one>);

/// Logits that name their place and branch, and what is there.
struct places {
  static constexpr int branches = 2;
  prediction::x0_posterior<> prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const& q, Out const& out) const {
    for (std::int64_t i = 0; i < out.batch; ++i) {
      for (std::int64_t k = 0; k < out.features; ++k) {
        auto const b = static_cast<std::int64_t>(x.row(i)[k / 32] >> (k % 32) & 1u);
        std::int64_t const mixed = ((x.first_sample + i) * 31 + k * 17 + b * 5) % 23 - 11;
        out.row(i)[k] = 0.4f * static_cast<float>(mixed) + 0.1f * static_cast<float>(q.branch);
      }
    }
  }
};

}  // namespace

TEST_CASE("xor_packed: planned steps give the known laws of four dependent bits") {
  // The posterior comes to the data as 1 / N; the published sampler does not.
  CHECK(std::fabs(far_from_data(solver::ancestral{}, 10) - 0.0438) < 5.1e-5);
  CHECK(std::fabs(far_from_data(solver::ancestral{}, 200) - 0.0023) < 5.1e-5);
  CHECK(std::fabs(far_from_data(solver::ancestral{}, 1000) - 0.0007) < 5.1e-5);
  CHECK(std::fabs(far_from_data(xor_renoise{}, 50) - 0.248) < 5.1e-4);
  CHECK(std::fabs(far_from_data(xor_renoise{}, 1000) - 0.248) < 5.1e-4);
  xor_renoise const next{clean_bit::drawn, renoise_level::next};
  CHECK(std::fabs(far_from_data(next, 50) - 0.0370) < 5.1e-5);
  CHECK(std::fabs(far_from_data(next, 1000) - 0.0268) < 5.1e-5);
}

TEST_CASE("xor_packed: rows have the law of the planned chain") {
  auto const fits = [](std::string const& what, auto const& solver, int steps,
                       std::int64_t samples) {
    auto const law = test::bits::law_after(steps, 1e-3, planned(solver));
    auto const count = drawn(solver, steps, samples);
    CHECK(test::passes(what, test::test_cells(count, law).p));
    return count;
  };
  auto const count = fits("packed ancestral, 10 steps", solver::ancestral{}, 10, 14400);
  // 360000 groups tell this law from that of the data, 0.044 away.
  CHECK(test::test_cells(count, test::bits::correlated()).p < 1e-6);
  fits("packed ancestral, 1000 steps", solver::ancestral{}, 1000, 600);
  fits("packed xor_renoise, 10 steps", xor_renoise{}, 10, 14400);
  fits("packed xor_renoise, drawn", xor_renoise{clean_bit::drawn, renoise_level::current}, 10,
       14400);
}

TEST_CASE("xor_packed: noise flips every bit alike, and neighbours independently") {
  constexpr std::int64_t bits = 70, samples = 30000;
  for (double const p : {0.5, 0.1, 1e-3}) {
    xor_packed const process(schedule::flip_table({p}), bits);
    words const clean{0xDEADBEEFu, 0x12345678u, 0x2Au};
    words x;
    for (int i = 0; i < samples; ++i) x.insert(x.end(), clean.begin(), clean.end());
    options<> o{noise::counted{static_cast<std::uint64_t>(1e4 * p)}};
    o.start = start::noised;
    test::bits::one_logit<> const network;
    sampler const s{process, solver::ancestral{}};
    detail::workspace const memory(s.workspace_size(exec::host{}, network, rows(x, bits)));
    auto const grid = grid::uniform_t(process, 1);
    s.start(exec::host{}, network, grid, rows(x, bits), memory.span(), o);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] ^= clean[i % 3];
    auto const flipped = domain::table::unpack_bits(x, bits);
    std::vector<std::int64_t> at(70, 0), pairs(4, 0), above(4, 0);
    for (std::size_t i = 0; i < flipped.size(); ++i) {
      at[i % 70] += flipped[i];
      if (i % 2 == 0) ++pairs[static_cast<std::size_t>(2 * flipped[i] + flipped[i + 1])];
      if (i % 70 < 35) ++above[static_cast<std::size_t>(2 * flipped[i] + flipped[i + 35])];
    }
    double worst = 1.0;
    for (std::int64_t const n : at) {
      std::vector<std::int64_t> const seen{samples - n, n};
      worst = std::min(worst, test::test_cells(seen, std::vector<double>{1.0 - p, p}).p);
    }
    std::vector<double> const law{(1 - p) * (1 - p), p * (1 - p), p * (1 - p), p * p};
    std::string const what = "packed noise, p = " + std::to_string(p);
    CHECK(test::passes(what + ", places", std::min(1.0, 70.0 * worst)));
    CHECK(test::passes(what + ", neighbours", test::test_cells(pairs, law).p));
    CHECK(test::passes(what + ", words", test::test_cells(above, law).p));
    int beyond = 0;
    for (std::size_t i = 2; i < x.size(); i += 3) beyond += x[i] < 64 ? 0 : 1;
    CHECK(beyond == 0);
  }
}

TEST_CASE("xor_packed: a draw compares 32 digits with the bit's probability") {
  constexpr std::int64_t bits = 40;
  xor_packed const process(schedule::flip_table({0.07, 0.2}), bits);
  auto const grid = grid::uniform_t(process, 2);
  double const logit = 0.3, posterior = 1.0 / (1.0 + std::exp(-logit));
  test::bits::one_logit<double> const network{{}, logit};
  // p(x_s = 1 | x_t), from the bridge of each value of x0.
  auto const reverse = [&](int now) {
    double const bs = 0.07, d = (0.2 - 0.07) / (1.0 - 2.0 * bs), to = now == 1 ? 1.0 - d : d;
    double const one = (1 - bs) * to / ((1 - bs) * to + bs * (1 - to));
    double const zero = bs * to / (bs * to + (1 - bs) * (1 - to));
    return posterior * one + (1.0 - posterior) * zero;
  };
  for (std::uint32_t const now : {0u, 1u}) {
    double const flip = now == 1 ? 1.0 - reverse(1) : reverse(0);
    auto const all = static_cast<std::uint32_t>(std::ldexp(flip, 32));
    struct draw {
      std::uint32_t u;
      bool flips;
    };
    for (draw const d :
         {draw{all - 2, true}, draw{all + 2, false}, draw{0, true}, draw{all - 0x10000u, true},
          draw{all + 0x10000u, false}, draw{~0u, false}}) {
      words x{now == 1 ? ~0u : 0u, now == 1 ? 0xFFu : 0u};
      sampler const s{process, solver::ancestral{}};
      options<digits> o{digits{d.u >> 16, d.u & 0xFFFFu}};
      o.start = start::given;
      o.last_step = 0;
      s.sample(exec::host{}, network, grid, rows(x, bits), o);
      bool const is = (now == 1) != d.flips;
      INFO("now ", now, ", u ", d.u, ", p ", all);
      CHECK(x == words{is ? ~0u : 0u, is ? 0xFFu : 0u});
    }
  }
}

TEST_CASE("xor_packed: certain bits are certain, and an undecided threshold gives 0") {
  constexpr std::int64_t bits = 33;
  xor_packed const process(schedule::flip_table({0.1, 0.5}), bits);
  auto const grid = grid::uniform_t(process, 2);
  for (float const l : {HUGE_VALF, -HUGE_VALF}) {
    words x(2);
    sampler{process, solver::ancestral{}}.sample(exec::host{}, test::bits::one_logit<>{{}, l}, grid,
                                                 rows(x, bits));
    CHECK(x == (l > 0 ? words{~0u, 1u} : words{0u, 0u}));
  }
  words x(2);
  sampler{process, xor_renoise{}}.sample(exec::host{}, test::bits::one_logit<>{}, grid,
                                         rows(x, bits));
  CHECK(x == words{0, 0});
}

TEST_CASE("xor_packed: equal bits whatever the threads, the split and the source's lanes") {
  constexpr std::int64_t bits = 70, samples = 37, each = 3;
  xor_packed const process(schedule::flip_quadratic(5, 0.02), bits);
  auto const grid = grid::uniform_t(process, 5);
  auto const check = [&](auto const& s, start from) {
    auto const begin = [&](std::int64_t n) {
      words x(static_cast<std::size_t>(n * each), 0x15u);
      return x;
    };
    options<> o{noise::counted{9}};
    o.start = from;
    words whole = begin(samples);
    s.sample(exec::host{}, places{}, grid, rows(whole, bits), o);
    if (from == start::prior) {  // whatever the buffer held
      words other(whole.size(), ~0u);
      s.sample(exec::host{}, places{}, grid, rows(other, bits), o);
      CHECK(other == whole);
    }
    words threaded = begin(samples);
    s.sample(exec::threads{3}, places{}, grid, rows(threaded, bits), o);
    CHECK(threaded == whole);
    options<one_by_one> single{one_by_one{{9}}};
    single.start = from;
    words scalar = begin(samples);
    s.sample(exec::host{}, places{}, grid, rows(scalar, bits), single);
    CHECK(scalar == whole);
    words split;
    for (std::int64_t first = 0; first < samples; first += 10) {
      words part = begin(std::min<std::int64_t>(10, samples - first));
      s.sample(exec::host{}, places{}, grid, rows(part, bits, first), o);
      split.insert(split.end(), part.begin(), part.end());
    }
    CHECK(split == whole);
    int set = 0;
    for (std::uint32_t const w : whole) set += std::popcount(w);
    CHECK(set > 100);
    CHECK(set < samples * bits - 100);
  };
  for (start const from : {start::prior, start::noised}) {
    check(sampler{process, solver::ancestral{}}, from);
    check(sampler{process, solver::ancestral{}, guidance::cfg{2.5}}, from);
    check(sampler{process, xor_renoise{}}, from);
  }
}

TEST_CASE("xor_packed: bits of the mask stay, and nothing stands beyond a row") {
  constexpr std::int64_t bits = 45, samples = 300;
  xor_packed const process(schedule::flip_quadratic(4, 0.02), bits);
  auto const grid = grid::uniform_t(process, 4);
  auto const check = [&](auto const& solver, start from) {
    words x, mask, before;
    for (std::uint32_t i = 0; i < 2 * samples; ++i) {
      bool const last = i % 2 == 1;
      x.push_back(i * 0x9E3779B9u & (last && from != start::prior ? 0x1FFFu : ~0u));
      mask.push_back(i * 0x85EBCA6Bu);  // bits beyond the row too: they mean nothing
    }
    before = x;
    options<> o{noise::counted{2}};
    o.start = from;
    o.fixed = reinterpret_cast<std::uint8_t const*>(mask.data());
    sampler{process, solver}.sample(exec::threads{2}, test::bits::one_logit<>{}, grid,
                                    rows(x, bits), o);
    int changed = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::uint32_t const row = i % 2 == 1 ? 0x1FFFu : ~0u;
      CHECK((x[i] & ~row) == 0);
      CHECK(((x[i] ^ before[i]) & mask[i] & row) == 0);
      changed += std::popcount((x[i] ^ before[i]) & ~mask[i] & row);
    }
    CHECK(changed > samples * 5);
  };
  for (start const from : {start::prior, start::noised, start::given}) {
    check(solver::ancestral{}, from);
    check(xor_renoise{}, from);
  }
}

namespace {

/// Of two branches, one logit each.
struct two_logits {
  static constexpr int branches = 2;
  prediction::x0_posterior<> prediction{};
  float logit[2] = {};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const& q, Out const& out) const {
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = logit[q.branch];
  }
};

}  // namespace

TEST_CASE("xor_packed: guidance mixes logits, and what a branch rules out is ruled out") {
  constexpr std::int64_t bits = 50, samples = 50;
  xor_packed const process(schedule::flip_quadratic(4, 0.02), bits);
  auto const grid = grid::uniform_t(process, 4);
  auto const guided = [&](float condition, float null) {
    words x(2 * samples);
    sampler{process, solver::ancestral{}, guidance::cfg{3.0}}.sample(
        exec::host{}, two_logits{{}, {condition, null}}, grid, rows(x, bits));
    return x;
  };
  auto const plain = [&](float logit) {
    words x(2 * samples);
    sampler{process, solver::ancestral{}}.sample(exec::host{}, test::bits::one_logit<>{{}, logit},
                                                 grid, rows(x, bits));
    return x;
  };
  CHECK(guided(0.5f, 0.25f) == plain(1.0f));  // 3 l_0 - 2 l_1
  CHECK(guided(-HUGE_VALF, 0.25f) == plain(-HUGE_VALF));
  CHECK(guided(0.25f, -HUGE_VALF) == plain(-HUGE_VALF));
  CHECK(guided(HUGE_VALF, HUGE_VALF) == plain(HUGE_VALF));
  CHECK_THROWS_AS(guided(HUGE_VALF, -HUGE_VALF), error);
}

TEST_CASE("xor_packed: a cavity is made the posterior") {
  // One law for every bit: given the others it is what it is, given all it depends on the bit.
  constexpr std::int64_t bits = 64, samples = 3000;
  xor_packed const process(schedule::flip_quadratic(6, 0.02), bits);
  auto const grid = grid::uniform_t(process, 6);
  double const odds = std::log(0.3 / 0.7);
  auto const posterior = [&](auto const& exec, auto const& x, query const& q, auto const& out) {
    double const seen = std::log(0.5 * q.at.sigma) - std::log1p(-0.5 * q.at.sigma);
    exec.for_each_sample(x.batch, [&](std::int64_t i) {
      for (std::int64_t k = 0; k < bits; ++k) {
        bool const one = (x.row(i)[k / 32] >> (k % 32) & 1u) != 0;
        out.row(i)[k] = static_cast<float>(odds + (one ? -seen : seen));
      }
    });
  };
  struct asked {
    decltype(posterior) const* answer;
    prediction::x0_posterior<> prediction{};
    void operator()(exec::host const& e, batch_view<std::uint32_t const> x, query const& q,
                    batch_view<float> out) const {
      (*answer)(e, x, q, out);
    }
  };
  auto const check = [&](auto const& solver) {
    words a(2 * samples), b(2 * samples);
    sampler const s{process, solver};
    s.sample(exec::host{}, asked{&posterior}, grid, rows(a, bits));
    s.sample(exec::host{},
             test::bits::one_logit<float, prediction::x0_cavity<>>{{}, static_cast<float>(odds)},
             grid, rows(b, bits));
    int differ = 0, set = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      differ += std::popcount(a[i] ^ b[i]);
      set += std::popcount(a[i]);
    }
    // The same words: only what falls between two roundings differs.
    CHECK(differ <= 4);
    return set;
  };
  int const set = check(solver::ancestral{});
  std::vector<std::int64_t> const seen{bits * samples - set, set};
  // Bits that do not depend on each other come out as they are, whatever the steps.
  CHECK(test::passes("packed cavity", test::test_cells(seen, std::vector<double>{0.7, 0.3}).p));
  check(xor_renoise{});
  check(xor_renoise{clean_bit::drawn, renoise_level::next});
}

namespace {

/// Noise for the numbers, and one logit for the bits.
struct numbers_and_bits {
  struct {
    std::tuple<diffx::prediction::eps, diffx::prediction::x0_posterior<>> parts{};
  } prediction{};
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const& x, query const&, Out const& out) const {
    auto const& z = std::get<0>(x);
    for (std::int64_t i = 0; i < z.size(); ++i) std::get<0>(out).data[i] = 0.5f * z.data[i];
    auto const& l = std::get<1>(out);
    for (std::int64_t i = 0; i < l.size(); ++i) l.data[i] = 1.25f;
  }
};

}  // namespace

TEST_CASE("xor_packed: rows of numbers and bits, forks and checkpoints") {
  constexpr std::int64_t bits = 37, samples = 4000;
  process::product const both{
      std::tuple{process::vp<>{}, xor_packed(schedule::flip_quadratic(8, 0.02), bits)}};
  sampler const s{both, solver::product{std::tuple{solver::ddpm{}, solver::ancestral{}}}};
  // Times of steps of both, down to the data.
  std::vector<level> levels;
  for (int k = 8; k >= 1; --k) levels.push_back(std::get<0>(both.parts).at(k / 8.0));
  levels.push_back(level{});
  timetable const grid(levels);
  numbers_and_bits const network;
  std::vector<float> z(3 * samples);
  words x(2 * samples);
  std::tuple const state{batch_view<float>{z.data(), samples, 3}, rows(x, bits)};
  detail::workspace const memory(s.workspace_size(exec::host{}, network, state));
  auto run = s.start(exec::host{}, network, grid, state, memory.span(), options{});
  for (int i = 0; i < 3; ++i) run.advance();
  auto const saved = run.checkpoint();
  run.finish();
  words const once = x;
  run.resume(saved);
  run.finish();
  CHECK(x == once);
  int set = 0;
  for (std::uint32_t const w : x) set += std::popcount(w);
  double const p = 1.0 / (1.0 + std::exp(-1.25));
  std::vector<std::int64_t> const seen{bits * samples - set, set};
  CHECK(test::passes("bits beside numbers",
                     test::test_cells(seen, std::vector<double>{1.0 - p, p}).p));
  double square = 0.0;
  for (float const v : z) square += static_cast<double>(v) * static_cast<double>(v);
  CHECK(square > 0.0);

  run.resume(saved);
  std::vector<float> fz(z.size());
  words fx(x.size());
  detail::workspace const other(s.workspace_size(exec::host{}, network, state));
  auto copy = run.fork(1, {batch_view<float>{fz.data(), samples, 3}, rows(fx, bits)}, other.span());
  copy.finish();
  run.finish();
  CHECK(x == once);
  CHECK(fx != once);
}

TEST_CASE("xor_packed: noise put back has the law of the level") {
  constexpr std::int64_t bits = 64, samples = 5000;
  xor_packed const process(schedule::flip_table({0.05, 0.2, 0.5}), bits);
  auto const grid = grid::uniform_t(process, 3);
  sampler const s{process, solver::ancestral{}};
  test::bits::one_logit<> const zeros{{}, -HUGE_VALF};
  words x(2 * samples);
  detail::workspace const memory(s.workspace_size(exec::host{}, zeros, rows(x, bits)));
  auto run = s.start(exec::host{}, zeros, grid, rows(x, bits), memory.span(), options{});
  run.finish();
  CHECK(x == words(x.size(), 0u));
  for (int const index : {2, 1, 0}) {
    run.renoise(index, 4 - index);
    double const p = 0.5 * grid[index].sigma;
    std::int64_t set = 0;
    for (std::uint32_t const w : x) set += std::popcount(w);
    std::vector<std::int64_t> const seen{bits * samples - set, set};
    CHECK(test::passes("packed, put back to " + std::to_string(index),
                       test::test_cells(seen, std::vector<double>{1.0 - p, p}).p));
  }
  run.renoise(0, 5);  // from noise to noise
  run.finish();
  CHECK(x == words(x.size(), 0u));
}

TEST_CASE("xor_packed: what is refused") {
  schedule::flip_table const flips({0.1, 0.5});
  for (std::int64_t const bits : {0, -3}) {
    auto const what = test::message_of([&] { xor_packed(flips, bits); });
    CHECK(
        test::says(what, "diffx::process::xor_packed", "bits", std::to_string(bits), "at least 1"));
  }
  xor_packed const process(flips, 33);
  CHECK(process.bits() == 33);
  sampler const s{process, solver::ancestral{}};
  auto const grid = grid::uniform_t(process, 2);
  test::bits::one_logit<> const fair;
  words x(6);
  auto const sampled = [&](auto const& network, std::int64_t features, options<> const& o) {
    return test::message_of([&] {
      s.sample(exec::host{}, network, grid,
               batch_view<std::uint32_t>{x.data(), 6 / features, features, 100}, o);
    });
  };
  for (std::int64_t const features : {1, 3}) {
    CHECK(test::says(sampled(fair, features, {}), "diffx::run", "words of a row",
                     std::to_string(features), "ceil(bits / 32) = 2"));
  }
  x = {0, 0, 0, 2, 0, 0};  // bit 33 of row 1
  for (start const from : {start::given, start::noised}) {
    options<> o;
    o.start = from;
    auto const what = sampled(fair, 2, o);
    CHECK(what.find("a bit beyond the row's last") != std::string::npos);
    CHECK(what.find("at sample 101, position 33") != std::string::npos);
  }
  auto const nan = [](auto const&, auto const&, query const& q, auto const& out) {
    for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.0f;
    if (q.step == 1) out.row(2)[32] = std::numeric_limits<float>::quiet_NaN();
  };
  struct broken {
    decltype(nan) answer;
    prediction::x0_posterior<> prediction{};
    void operator()(exec::host const& e, batch_view<std::uint32_t const> in, query const& q,
                    batch_view<float> out) const {
      answer(e, in, q, out);
    }
  };
  auto const what = sampled(broken{nan}, 2, {});
  CHECK(what.find("the logit of a bit is NaN at sample 102, position 32 in step 1") !=
        std::string::npos);
  // From data to noise goes start::noised, not a solver.
  timetable const back(std::vector<level>{process.at_index(-1), process.at_index(1)});
  for (int k = 0; k < 2; ++k) {
    options<> o;
    o.start = start::given;
    x.assign(6, 0);
    auto const run = [&] {
      if (k == 0) s.sample(exec::host{}, fair, back, rows(x, 33), o);
      if (k == 1) sampler{process, xor_renoise{}}.sample(exec::host{}, fair, back, rows(x, 33), o);
    };
    CHECK(test::message_of(run).find("cannot go from data to noise") != std::string::npos);
  }
}
