// Classes that go up with numbers before every step: the law of the enumerated chain, and one clock
// for both.

#include <diffx/analysis/chain_law.hpp>
#include <diffx/analysis/class_kernel.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/edm.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/rate_matrix.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/bounded_mask_power.hpp>
#include <diffx/schedule/polynomial.hpp>
#include <diffx/schedule/sigma_power.hpp>
#include <diffx/solver/class_churn.hpp>
#include <diffx/solver/euler.hpp>
#include <diffx/solver/euler_ctmc.hpp>
#include <diffx/solver/product.hpp>

#include "support/ragged_table.hpp"
#include "support/statistics.hpp"
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
using power_edm = process::edm_of<schedule::sigma_power>;

batch_view<std::int32_t> view(codes& x, std::int64_t columns) {
  return {x.data(), static_cast<std::int64_t>(x.size()) / columns, columns};
}

process::columns<power_edm> two_numbers(double first, double second) {
  return process::columns(std::vector{power_edm(schedule::sigma_power{.rho = first}),
                                      power_edm(schedule::sigma_power{.rho = second})});
}

constexpr solver::churn_amount usual{.churn = 2.0, .to = 50.0};

template <class Column, class Numbers>
void check_law(std::string const& what, std::vector<Column> const& of, Numbers const& numbers,
               std::vector<std::size_t> const& states, int steps) {
  process::columns const process(of);
  test::ragged_table<process::columns<Column>> const network{
      {}, &process, test::dependent_rows(), 2.0};
  auto const g = grid::uniform_t(process, steps);
  solver::class_churn const solver(numbers, usual);
  // The same formula, column by column: (1 + gamma) sigma, and the earliest time of that.
  auto const raised = [&](double t) {
    double const gamma = std::fmin(usual.churn / steps, std::sqrt(2.0) - 1.0);
    auto const sigma = [t](auto const& p) { return p.schedule().sigma(t); };
    auto const time = [&](auto const& p) {
      schedule::sigma_power const s = p.schedule();
      double const low = std::pow(s.sigma_min, 1.0 / s.rho);
      double const high = std::pow(s.sigma_max, 1.0 / s.rho);
      return (std::pow((1.0 + gamma) * sigma(p), 1.0 / s.rho) - low) / (high - low);
    };
    if constexpr (gaussian_column_process<Numbers>) {
      if (sigma(numbers.column(0)) > usual.to) return t;
      return std::fmin(time(numbers.column(0)), time(numbers.column(1)));
    } else {
      return sigma(numbers) > usual.to ? t : time(numbers);
    }
  };
  auto const law = network.after(g, raised);
  sampler const s{process, solver};
  constexpr std::int64_t n = 200'000;
  codes x(3 * n);
  s.sample(exec::threads{}, network, g, view(x, 3), options<>{noise::counted{15}});
  std::vector<std::int64_t> count(law.size());
  for (std::size_t i = 0; i < x.size(); i += 3) {
    ++count[(static_cast<std::size_t>(x[i]) * states[1] + static_cast<std::size_t>(x[i + 1])) *
                states[2] +
            static_cast<std::size_t>(x[i + 2])];
  }
  CHECK(test::passes("churned " + what, test::test_cells(count, law).p));
  // 2e5 rows tell it from the law without the way up.
  CHECK(test::test_cells(count, network.after(g)).p < 1e-6);
}

TEST_CASE("classes that are masked again have the law of the enumerated chain, n = 2e5") {
  using mask = process::absorbing<schedule::bounded_mask_power>;
  std::vector const columns{mask(2, 2, {.power = 1.0}), mask(3, 3, {.power = 1.6}),
                            mask(2, 2, {.power = 3.0})};
  check_law("masks", columns, power_edm(schedule::sigma_power{.rho = 1.0}), {3, 4, 3}, 8);
  check_law("masks beside columns", columns, two_numbers(1.0, 1.4), {3, 4, 3}, 8);
  using uniform = process::uniform<schedule::polynomial>;
  check_law("uniform noise", std::vector{uniform(2, {1.0}), uniform(3, {2.0}), uniform(2, {1.5})},
            two_numbers(1.0, 1.4), {2, 3, 2}, 5);
}

TEST_CASE("classes that move by rates go up by them, n = 2e5") {
  process::rate_matrix<> const p({-1, 1, 0, 0.5, -1, 0.5, 0, 2, -2}, {0.0, 4.0});
  power_edm const numbers(schedule::sigma_power{.rho = 1.0});
  solver::class_churn const solver(numbers, usual);
  std::vector<float> const logits{0.4F, -0.3F, 0.9F};
  auto const network = denoiser::predicts<prediction::x0_posterior<float>>(
      [&](auto const&, auto const&, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = logits[static_cast<std::size_t>(i % 3)];
        }
      });
  auto const g = grid::uniform_t(p, 6);
  int const end = 4;  // where the noise that is put back is still there
  auto law = analysis::limit_row(p);
  auto const after = [&](auto const& rows) {
    std::vector<double> next(3, 0.0);
    for (std::size_t i = 0; i < 3; ++i) {
      auto const row = rows(static_cast<int>(i));
      for (std::size_t j = 0; j < 3; ++j) next[j] += law[i] * row[j];
    }
    law = next;
  };
  for (int step = 0; step < end; ++step) {
    level from = g[step];
    if (numbers.at(from.t).sigma <= usual.to) {
      level const up = p.at(solver.raised(from.t, std::log1p(2.0 / 6.0)));
      auto const table = p.transition(from, up);
      after([&](int i) {
        return std::vector<double>(table.begin() + 3 * i, table.begin() + 3 * i + 3);
      });
      from = up;
    }
    after([&](int i) {
      return analysis::mixture_kernel(p, from, g[step + 1], i,
                                      analysis::law_of_logits(p.limit(), i, std::span(logits)));
    });
  }
  sampler const s{p, solver};
  codes x(200'000);
  options<> o{noise::counted{3}};
  o.last_step = end - 1;
  s.sample(exec::threads{}, network, g, view(x, 1), o);
  std::vector<std::int64_t> count(3);
  for (std::int32_t const k : x) ++count[static_cast<std::size_t>(k)];
  CHECK(test::passes("churned by rates", test::test_cells(count, law).p));
}

/// Says at which time it is asked.
struct clock_reader {
  static constexpr int branches = 1;
  prediction::product<prediction::edm, prediction::x0_posterior<float>> prediction{};
  std::vector<double>* asked;
  template <class Exec, class X, class Out>
  void operator()(Exec const&, X const&, query const& q, Out const& out) const {
    asked->push_back(q.at.t);
    for (std::int64_t i = 0; i < std::get<0>(out).size(); ++i) std::get<0>(out).data[i] = 0.2F;
    for (std::int64_t i = 0; i < std::get<1>(out).size(); ++i) std::get<1>(out).data[i] = 0.0F;
  }
};

TEST_CASE("numbers and classes go up to one time, which the network is told") {
  using mask = process::absorbing<schedule::bounded_mask_power>;
  auto const numbers = two_numbers(7.0, 20.0);
  process::columns const classes(std::vector{mask(2), mask(3)});
  solver::churn<solver::euler> const up{{}, usual};  // one step is above S_max for both columns
  sampler const s{process::product{std::tuple{numbers, classes}},
                  solver::product{std::tuple{up, solver::class_churn(numbers, usual)}}};
  std::vector<float> z(2 * 10), alone(z.size());
  codes k(2 * 10);
  auto const g = grid::uniform_t(numbers, 6, {1.0, 0.0, grid::end_point::none});
  std::vector<double> asked;
  auto const r = s.sample(exec::host{}, clock_reader{{}, &asked}, g,
                          std::tuple{batch_view<float>{z.data(), 10, 2}, view(k, 2)});
  CHECK(r.evaluations == 6);
  REQUIRE(asked.size() == 6);
  CHECK(asked[0] == 1.0);  // sigma is above S_max there
  solver::class_churn const churned(numbers, usual);
  for (int i = 1; i < 6; ++i) {
    double const t = g[i].t;
    CHECK(asked[static_cast<std::size_t>(i)] == churned.raised(t, std::log1p(2.0 / 6.0)));
    CHECK(asked[static_cast<std::size_t>(i)] > t);
  }
  // Without an amount it is its inner solver, draw by draw.
  auto const network = denoiser::predicts<prediction::x0_posterior<float>>(
      [](auto const&, batch_view<std::int32_t const> x, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) {
          out.data[i] = 0.3F * static_cast<float>((i + x.data[i / 5 * 2]) % 4);
        }
      });
  auto const of = [&](auto const& solver) {
    codes x(2 * 500);
    sampler const one{classes, solver};
    one.sample(exec::host{}, network, grid::uniform_t(classes, 6), view(x, 2));
    return x;
  };
  CHECK(of(solver::class_churn(numbers)) == of(solver::ancestral{}));
  CHECK(of(solver::class_churn(numbers, {}, solver::euler_ctmc{})) == of(solver::euler_ctmc{}));
  CHECK(of(solver::class_churn(numbers, usual)) != of(solver::ancestral{}));
}

TEST_CASE("the way up has noise of its own in every step, and what does not fit is refused") {
  using mask = process::absorbing<schedule::bounded_mask_power>;
  mask const p(2);
  auto const network = denoiser::predicts<prediction::x0_posterior<float>>(
      [](auto const&, auto const&, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.0F;
      });
  auto const g = grid::uniform_t(p, 5);
  timetable const one(std::vector<level>{g[1], g[2]});
  categorical_plan plan;
  solver::class_churn const s(power_edm(schedule::sigma_power{}), usual);
  for (int i = 1; i < 4; ++i) s.plan(plan_context<mask>{p, g, i, 0, 4}, plan);
  auto const& stages = plan.stages();
  REQUIRE(stages.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(stages[i].evaluates == (i % 2 == 1));
    CHECK(stages[i].key.step == static_cast<int>(1 + i / 2));
    for (std::size_t j = 0; j < i; ++j) {
      CHECK((stages[i].key.step != stages[j].key.step || stages[i].key.draw != stages[j].key.draw));
    }
  }
  CHECK(stages[1].at.t == stages[0].to.t);
  CHECK(stages[1].to.t == g[2].t);

  codes x(10, 0);
  auto const run = [&](auto const& solver, options<> const& o, timetable const& grid) {
    sampler const with{p, solver};
    with.sample(exec::host{}, network, grid, view(x, 1), o);
  };
  using churn = solver::class_churn<power_edm>;
  CHECK_THROWS_WITH_AS(run(churn(power_edm(schedule::sigma_power{}), {.churn = -1.0}), {}, g),
                       doctest::Contains("diffx::solver::class_churn: churn = -1"), error);
  // sigma_max (1 + gamma) is beyond the schedule.
  CHECK_THROWS_AS(run(churn(power_edm(schedule::sigma_power{}), {.churn = 1.0}), {}, g), error);
  options<> given;
  given.start = start::given;
  std::vector<level> back(g.levels().rbegin(), g.levels().rend());
  CHECK_THROWS_WITH_AS(
      run(churn(power_edm(schedule::sigma_power{}), usual), given, timetable(back)),
      doctest::Contains("from data to noise"), error);
}

}  // namespace
