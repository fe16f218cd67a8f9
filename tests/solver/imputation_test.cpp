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
#include <diffx/sampler.hpp>
#include <diffx/schedule/class_alpha_bar.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddpm.hpp>
#include <diffx/solver/product.hpp>
#include <diffx/solver/repaint.hpp>

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
