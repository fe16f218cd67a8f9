// Cells that are given: numbers, classes and both, filled in by going back and forth.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/analysis/class_kernel.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/mask_and_replace.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/process/xor_bernoulli.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/class_alpha_bar.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/repaint.hpp>

#include "support/packed_bits.hpp"
#include "support/ragged_table.hpp"
#include "support/statistics.hpp"
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace diffx;
using codes = std::vector<std::int32_t>;
using flags = std::vector<unsigned char>;

template <class Sampler, class Network, class State, class Known>
int impute(Sampler const& s, Network const& network, timetable const& g, State const& x,
           Known const& known, int samples, std::uint64_t seed) {
  exec::threads const exec;
  options<> const o{noise::counted{seed}};
  detail::workspace const memory(s.workspace_size(exec, network, x, o));
  auto run = s.start(exec, network, g, x, memory.span(), o);
  solver::repaint{.jump_length = 1, .samples = samples}.finish(run, known);
  return run.status().evaluations;
}

TEST_CASE(
    "imputation of a number: the bias of replacing falls with the number of visits, n = 2e4") {
  // (a, b) of unit variances with correlation 0.8, b = 1.5 is known: E[a] = 1.2, Var[a] = 0.36.
  // What U visits of each of 50 steps make of it was computed outside this library.
  auto const network = denoiser::predicts<prediction::x0>(
      [](auto const& exec, batch_view<double const> x, query const& q, batch_view<double> out) {
        double const a = q.at.alpha, d = a * a + q.at.sigma * q.at.sigma, c = 0.8 * a * a;
        exec.for_each_sample(x.batch, [=](std::int64_t i) {
          double const* const v = x.row(i);
          double const u = (d * v[0] - c * v[1]) / (d * d - c * c);
          double const w = (d * v[1] - c * v[0]) / (d * d - c * c);
          out.row(i)[0] = a * (u + 0.8 * w);
          out.row(i)[1] = a * (0.8 * u + w);
        });
      });
  sampler const s{process::vp_discrete(schedule::cosine(50)), solver::ddpm{}};
  auto const g = grid::timesteps(s.process, grid::index::strided(50, 50));
  constexpr std::int64_t n = 20'000;
  std::vector<double> x(2 * n), image(2 * n, 1.5);
  flags mask(2 * n, 0);
  for (std::size_t i = 1; i < mask.size(); i += 2) mask[i] = 1;
  struct expected {
    int visits;
    double mean, variance;
  };
  for (auto const e : {expected{1, 0.734, 0.455}, expected{2, 0.933, 0.378},
                       expected{5, 1.092, 0.316}, expected{20, 1.172, 0.258}}) {
    CAPTURE(e.visits);
    impute(s, network, g, batch_view<double>{x.data(), n, 2},
           solver::known_region<double>{image.data(), mask.data()}, e.visits, 31);
    double sum = 0.0, squares = 0.0;
    bool kept = true;
    for (std::size_t i = 0; i < x.size(); i += 2) {
      kept = kept && x[i + 1] == 1.5;
      sum += x[i];
      squares += x[i] * x[i];
    }
    CHECK(kept);
    double const mean = sum / n, variance = squares / n - mean * mean;
    // Five deviations, and half of the last digit given.
    CHECK(std::fabs(mean - e.mean) < 5.0 * std::sqrt(e.variance / n) + 5e-4);
    CHECK(std::fabs(variance - e.variance) < 5.0 * e.variance * std::sqrt(2.0 / n) + 5e-4);
  }
}

/// The law of both positions where position 1 is known to be 1: each step but the first is taken
/// `visits` times, the known position drawn anew after it and all noised again in between.
template <class Process>
std::vector<double> imputed_law(Process const& p, std::vector<double> const& table,
                                timetable const& g, int visits) {
  auto const n = static_cast<std::size_t>(analysis::state_count(p));
  auto const width = static_cast<std::size_t>(p.limit().classes);
  denoiser::joint_table<Process, prediction::x0_posterior<double>> const network(p, 2, 2, table);
  auto law = analysis::independent_law(analysis::limit_row(p), 2);
  using rows = std::array<std::vector<double>, 2>;  // the laws of both positions
  auto const move = [&](auto const& kernels) {
    std::vector<double> next(law.size(), 0.0);
    for (std::size_t cell = 0; cell < law.size(); ++cell) {
      if (law[cell] == 0.0) continue;
      rows const r = kernels(cell / n, cell % n);
      for (std::size_t k = 0; k < next.size(); ++k)
        next[k] += law[cell] * r[0][k / n] * r[1][k % n];
    }
    law = next;
  };
  auto const row_of = [n](std::vector<double> const& matrix, std::size_t k) {
    auto const from = matrix.begin() + static_cast<std::ptrdiff_t>(k * n);
    return std::vector<double>(from, from + static_cast<std::ptrdiff_t>(n));
  };
  for (int step = 0; step < g.steps(); ++step) {
    auto const known = analysis::transition(p, {}, g[step + 1]);
    auto const back = analysis::transition(p, g[step + 1], g[step]);
    for (int visit = 0; visit < (step == 0 ? 1 : visits); ++visit) {
      if (visit > 0) {
        move([&](std::size_t a, std::size_t b) { return rows{row_of(back, a), row_of(back, b)}; });
      }
      move([&](std::size_t a, std::size_t b) {
        std::array<std::int32_t, 2> const x{static_cast<std::int32_t>(a),
                                            static_cast<std::int32_t>(b)};
        query q;
        q.at = g[step];
        std::vector<double> out(2 * width);
        network(exec::host{}, batch_view<std::int32_t const>{x.data(), 1, 2}, q,
                batch_view<double>{out.data(), 1, static_cast<std::int64_t>(out.size())});
        auto const data =
            analysis::law_of_logits(p.limit(), x[0], std::span<double const>(out).first(width));
        return rows{analysis::mixture_kernel(p, g[step], g[step + 1], x[0], data),
                    row_of(known, 1)};
      });
    }
  }
  return analysis::normalised(law);
}

template <class Process>
void check_classes(Process const& p, timetable const& g) {
  std::vector<double> const table{0.45, 0.05, 0.1, 0.4};  // P(0 | 1 known) = 1/9
  denoiser::joint_table const network(p, 2, 2, table);
  sampler const s{p, solver::ancestral{}};
  constexpr std::int64_t n = 100'000;
  auto const states = static_cast<std::size_t>(analysis::state_count(p));
  codes x(2 * n), image(2 * n, 1);
  flags mask(2 * n, 0);
  for (std::size_t i = 1; i < mask.size(); i += 2) mask[i] = 1;
  for (int const visits : {1, 3}) {
    impute(s, network, g, batch_view<std::int32_t>{x.data(), n, 2},
           solver::known_region<std::int32_t>{image.data(), mask.data()}, visits, 17);
    std::vector<std::int64_t> count(states * states, 0);
    for (std::size_t i = 0; i < x.size(); i += 2) {
      ++count[static_cast<std::size_t>(x[i]) * states + static_cast<std::size_t>(x[i + 1])];
    }
    CHECK(test::passes(std::string(Process::name) + ", visits " + std::to_string(visits),
                       test::test_cells(count, imputed_law(p, table, g, visits)).p));
  }
  // Visits bring the law nearer to the conditional one.
  double left = 1.0;
  for (int const visits : {1, 2, 5, 20, 100}) {
    double const bias = std::fabs(imputed_law(p, table, g, visits)[1] - 1.0 / 9.0);
    CHECK(bias < left);
    left = bias;
  }
  MESSAGE(std::string(Process::name) << ": bias left after 100 visits " << left);
  CHECK(left < 0.1);
}

TEST_CASE(
    "imputation of classes: replacing has the law of its chain, and visits the conditional one") {
  process::uniform<> const uniform(2);
  check_classes(uniform, grid::uniform_t(uniform, 8));
  process::absorbing<> const absorbing(2);
  check_classes(absorbing, grid::uniform_t(absorbing, 8));
  process::xor_bernoulli const bits(schedule::flip_quadratic(8, 0.02));
  check_classes(bits, grid::uniform_t(bits, 8));
}

/// The law of a group of four bits whose bits 0 and 3 are known, after `visits` visits of each step
/// but the first: steps as solver::ancestral plans them, from the exact posterior of every bit.
std::vector<double> imputed_groups(timetable const& g, int first_value, int last_value,
                                   int visits) {
  using namespace test::bits;
  auto const data = correlated();
  auto const cells = static_cast<std::size_t>(states);
  auto const bit = [](std::size_t cell, std::size_t l) {
    return static_cast<int>(cell >> (static_cast<std::size_t>(length) - 1 - l) & 1u);
  };
  // Of each bit by itself: `flip(cell, l)` is the probability that it changes.
  auto const moved = [&](std::vector<double> const& law, auto const& flip) {
    std::vector<double> next(cells, 0.0);
    for (std::size_t from = 0; from < cells; ++from) {
      for (std::size_t to = 0; to < cells; ++to) {
        double p = law[from];
        for (std::size_t l = 0; l < static_cast<std::size_t>(length); ++l) {
          double const f = flip(from, l);
          p *= bit(from, l) == bit(to, l) ? 1.0 - f : f;
        }
        next[to] += p;
      }
    }
    return next;
  };
  std::vector<double> law(cells, 1.0 / static_cast<double>(cells));
  for (int step = 0; step < g.steps(); ++step) {
    double const bt = 0.5 * g[step].sigma, bs = 0.5 * g[step + 1].sigma;
    double const d = (bt - bs) / (1.0 - 2.0 * bs);
    for (int visit = 0; visit < (step == 0 ? 1 : visits); ++visit) {
      if (visit > 0) law = moved(law, [&](std::size_t, std::size_t) { return d; });
      law = moved(law, [&](std::size_t x, std::size_t l) {
        double one = 0.0, all = 0.0;  // p(x0_l = 1 | x)
        for (std::size_t clean = 0; clean < cells; ++clean) {
          double p = data[clean];
          for (std::size_t j = 0; j < static_cast<std::size_t>(length); ++j) {
            p *= bit(clean, j) == bit(x, j) ? 1.0 - bt : bt;
          }
          all += p;
          one += bit(clean, l) == 1 ? p : 0.0;
        }
        double const differs = bit(x, l) == 1 ? 1.0 - one / all : one / all;
        double const same_clean = bs * d / (bs * d + (1.0 - bs) * (1.0 - d));
        double const other_clean = (1.0 - bs) * d / ((1.0 - bs) * d + bs * (1.0 - d));
        return (1.0 - differs) * same_clean + differs * other_clean;
      });
      std::vector<double> pasted(cells, 0.0);
      for (std::size_t from = 0; from < cells; ++from) {
        for (int a = 0; a < 2; ++a) {
          for (int z = 0; z < 2; ++z) {
            std::size_t const to = (from & 0x6u) | static_cast<std::size_t>(8 * a + z);
            pasted[to] +=
                law[from] * (a == first_value ? 1.0 - bs : bs) * (z == last_value ? 1.0 - bs : bs);
          }
        }
      }
      law = pasted;
    }
  }
  return law;
}

TEST_CASE("imputation of packed bits: the law of the enumerated chain, and known bits are exact") {
  constexpr std::int64_t bits = 100, samples = 4000, each = 4;  // 25 groups, across words
  int const steps = 8;
  process::xor_packed const p(schedule::flip_quadratic(steps, 0.02), bits);
  process::xor_bernoulli const one_each(schedule::flip_quadratic(steps, 0.02));
  test::bits::packed_table const network{{}, &one_each};
  sampler const s{p, solver::ancestral{}};
  auto const g = grid::uniform_t(p, steps);
  using words = std::vector<std::uint32_t>;
  words image(each * samples), mask(image.size()), x(image.size());
  std::vector<std::uint8_t> group;
  for (int k = 0; k < 25; ++k) group.insert(group.end(), {1, 0, 0, 1});
  auto const row = domain::table::pack_bits<std::uint32_t>(group, bits);
  std::vector<std::uint8_t> values;
  for (int k = 0; k < 25; ++k) values.insert(values.end(), {1, 1, 0, 0});  // 0 in bit 3
  auto const given = domain::table::pack_bits<std::uint32_t>(values, bits);
  for (std::size_t i = 0; i < image.size(); ++i) {
    bool const last = i % 4 == 3;
    image[i] = given[i % 4] | (last ? 0xF0u : 0u);  // beyond the row: nothing
    mask[i] = row[i % 4] | (last ? 0xF0u : 0u);
  }
  for (int const visits : {1, 3}) {
    impute(s, network, g, batch_view<std::uint32_t>{x.data(), samples, each},
           solver::known_bits{image.data(), mask.data()}, visits, 21);
    bool kept = true, inside = true;
    for (std::size_t i = 0; i < x.size(); ++i) {
      kept = kept && ((x[i] ^ image[i]) & row[i % 4]) == 0;
      inside = inside && (i % 4 != 3 || x[i] < 16);
    }
    CHECK(kept);
    CHECK(inside);
    CHECK(test::passes(
        "packed imputation, visits " + std::to_string(visits),
        test::test_cells(test::bits::group_counts(x, bits), imputed_groups(g, 1, 0, visits)).p));
  }
  // Visits bring the law nearer to the conditional one.
  auto const data = test::bits::correlated();
  std::vector<double> conditional(data.size(), 0.0);
  for (std::size_t cell = 0; cell < data.size(); ++cell) {
    if ((cell & 0x9u) == 0x8u) conditional[cell] = data[cell];
  }
  conditional = analysis::normalised(conditional);
  double left = 1.0;
  for (int const visits : {1, 3, 10, 50}) {
    double const far = test::bits::distance(imputed_groups(g, 1, 0, visits), conditional);
    CHECK(far < left);
    left = far;
  }
  MESSAGE("packed bits: distance left after 50 visits " << left);
  // What the options keep stays, known or not; threads do not matter.
  words fixed(x.size()), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    fixed[i] = static_cast<std::uint32_t>(i) * 0x9E3779B9u;
    x[i] = y[i] = static_cast<std::uint32_t>(i) * 0x85EBCA6Bu & (i % 4 == 3 ? 0xFu : ~0u);
  }
  auto const before = x;
  options<> o{noise::counted{4}};
  o.fixed = reinterpret_cast<std::uint8_t const*>(fixed.data());
  auto const keep = [&](auto const& exec, words& to) {
    batch_view<std::uint32_t> const view{to.data(), samples, each};
    detail::workspace const memory(s.workspace_size(exec, network, view, o));
    auto run = s.start(exec, network, g, view, memory.span(), o);
    solver::repaint{.jump_length = 2, .samples = 2}.finish(
        run, solver::known_bits{image.data(), mask.data()});
  };
  keep(exec::threads{3}, x);
  keep(exec::host{}, y);
  CHECK(x == y);
  bool stays = true, pasted = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    stays = stays && ((x[i] ^ before[i]) & fixed[i] & (i % 4 == 3 ? 0xFu : ~0u)) == 0;
    pasted = pasted && ((x[i] ^ image[i]) & row[i % 4] & ~fixed[i]) == 0;
  }
  CHECK(stays);
  CHECK(pasted);
}

TEST_CASE("imputation of rows: each block keeps what it is given, by its own process") {
  schedule::class_alpha_bar const chain{schedule::cosine(40)};
  using column = process::uniform<schedule::class_alpha_bar>;
  sampler const s{process::product{std::tuple{
                      process::vp_discrete(chain.table),
                      process::columns(std::vector{column(2, chain), column(5, chain)})}},
                  solver::product{std::tuple{solver::ddpm{}, solver::ancestral{}}}};
  // Nothing depends on anything: what is not given is as if nothing were.
  struct independent {
    prediction::product<prediction::x0, prediction::x0_posterior<float>> prediction{};
    void operator()(exec::threads const&,
                    std::tuple<batch_view<float const>, batch_view<std::int32_t const>> const& x,
                    query const&,
                    std::tuple<batch_view<float>, batch_view<float>> const& out) const {
      for (std::int64_t i = 0; i < std::get<0>(x).batch; ++i) {
        for (int k = 0; k < 3; ++k) std::get<0>(out).row(i)[k] = static_cast<float>(k);
        for (int k = 0; k < 7; ++k) std::get<1>(out).row(i)[k] = 0.1F * static_cast<float>(k);
      }
    }
  };
  constexpr std::int64_t n = 500;
  std::vector<float> x(3 * n), free(3 * n), image(3 * n, 9.0F);
  codes c(2 * n), given(2 * n, 1);
  flags number_mask(3 * n, 0), class_mask(2 * n, 0);
  for (std::size_t i = 0; i < number_mask.size(); i += 3) number_mask[i] = 1;
  for (std::size_t i = 1; i < class_mask.size(); i += 2) class_mask[i] = 1;
  auto const g = grid::timesteps(std::get<0>(s.process.parts), grid::index::strided(40, 40));
  auto const state =
      std::tuple{batch_view<float>{x.data(), n, 3}, batch_view<std::int32_t>{c.data(), n, 2}};
  CHECK(impute(s, independent{}, g, state,
               std::tuple{solver::known_region<float>{image.data(), number_mask.data()},
                          solver::known_region<std::int32_t>{given.data(), class_mask.data()}},
               2, 3) == solver::repaint{.jump_length = 1, .samples = 2}.evaluations(40));
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    CHECK(x[3 * i] == 9.0F);
    CHECK(x[3 * i + 1] == doctest::Approx(1.0F).epsilon(1e-6));
    CHECK(x[3 * i + 2] == doctest::Approx(2.0F).epsilon(1e-6));
    CHECK(c[2 * i + 1] == 1);
  }
  // A region without a mask leaves its block alone.
  impute(s, independent{}, g, state,
         std::tuple{solver::known_region<float>{image.data(), number_mask.data()},
                    solver::known_region<std::int32_t>{}},
         1, 3);
  bool varies = false;
  for (std::size_t i = 0; i < c.size(); i += 2) varies = varies || c[i + 1] != 1;
  CHECK(varies);

  given[3] = 5;
  CHECK_THROWS_WITH_AS(
      impute(s, independent{}, g, state,
             std::tuple{solver::known_region<float>{},
                        solver::known_region<std::int32_t>{given.data(), class_mask.data()}},
             1, 3),
      doctest::Contains("a class of the state = 5"), error);
}

TEST_CASE("imputation: what the options keep, no region changes; a region has an image") {
  process::uniform<> const p(4);
  denoiser::joint_table const network(p, 4, 1, std::vector<double>(4, 1.0));
  sampler const s{p, solver::ancestral{}};
  codes x(8, 2), image(8, 1);
  flags mask(8, 1);
  std::vector<std::uint8_t> fixed{1, 0, 1, 0, 0, 0, 0, 1};
  options<> o{noise::counted{1}};
  o.fixed = fixed.data();
  exec::host const exec;
  batch_view<std::int32_t> const view{x.data(), 8, 1};
  auto const g = grid::uniform_t(p, 5);
  detail::workspace const memory(s.workspace_size(exec, network, view, o));
  auto run = s.start(exec, network, g, view, memory.span(), o);
  CHECK_THROWS_WITH_AS(
      solver::repaint{}.finish(run, solver::known_region<std::int32_t>{nullptr, mask.data()}),
      doctest::Contains("no image"), error);
  solver::repaint{.jump_length = 1, .samples = 2}.finish(
      run, solver::known_region<std::int32_t>{image.data(), mask.data()});
  CHECK(x == codes{2, 1, 2, 1, 1, 1, 1, 2});
}

}  // namespace
