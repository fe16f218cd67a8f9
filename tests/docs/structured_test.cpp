// The programs of docs/structured.md.

#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/eigen/structured.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/domain/structure/problems.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/recipe/gsdm.hpp>
#include <diffx/schedule/cosine.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/solver/ddpm.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <doctest/doctest.h>
#include <span>
#include <vector>

using namespace diffx;

TEST_CASE("the page of structured problems") {
  namespace structure = domain::structure;
  structure::sudoku const rules(3, 3);  // boxes of 3 x 3
  auto const problem = rules.as_problem();
  std::printf("%d cells, %lld features, %lld pairs that must differ\n", problem.variables.size(),
              static_cast<long long>(problem.variables.features()),
              static_cast<long long>(problem.graph.directed_pairs() / 2));

  std::vector<std::int32_t> digits(81, 0);    // 0 to 8; what is not observed may hold anything
  std::vector<std::uint8_t> observed(81, 0);  // a mask of variables
  digits[40] = 4;
  observed[40] = 1;
  auto const features = problem.variables.features();
  std::vector<float> x(static_cast<std::size_t>(features));
  problem.variables.write(batch_view<float const>{nullptr, 1, 0},
                          batch_view<std::int32_t const>{digits.data(), 1, 81},
                          batch_view<float>{x.data(), 1, features});
  auto const mask = problem.variables.features_of({observed.data(), 1, 81});

  // Any network that is told the mask: here one that says the same of every cell.
  auto const network =
      denoiser::predicts<prediction::x0>([](auto const&, auto const& rows, query const&,
                                            batch_view<std::uint8_t const>, auto const& out) {
        for (std::int64_t i = 0; i < rows.size(); ++i) out.data[i] = 1.0f / 9.0f;
      });
  auto const s = recipe::gsdm();
  auto const steps = grid::timesteps(s.process, grid::index::strided(1000, 50));
  denoiser::clamp_clean const given{network, {mask.data(), 1, features}};
  s.sample(exec::threads{}, given, steps, batch_view<float>{x.data(), 1, features});
  problem.variables.read(batch_view<float const>{x.data(), 1, features},
                         batch_view<float>{nullptr, 1, 0},
                         batch_view<std::int32_t>{digits.data(), 1, 81});
  std::printf("%d pairs of cells hold the same digit and must not\n", rules.violations(digits));

  CHECK(digits[40] == 4);
  sampler const careful{s.process, s.solver, guidance::none{}, cache::none{}, search::best_of_n{4}};
  auto const found = careful.sample_best(
      exec::threads{}, given, steps, batch_view<float>{x.data(), 1, features},
      [&](batch_view<float const> rows, std::span<double> score) {
        for (std::int64_t i = 0; i < rows.batch; ++i) {
          problem.variables.read(batch_view<float const>{rows.row(i), 1, features},
                                 batch_view<float>{nullptr, 1, 0},
                                 batch_view<std::int32_t>{digits.data(), 1, 81});
          score[static_cast<std::size_t>(i)] = -rules.violations(digits);
        }
      });
  std::printf("%g broken rules\n", -found.best[0]);

  CHECK(digits[40] == 4);
  CHECK(found.best[0] < 0.0);
}

TEST_CASE("the page of structured problems: a graph of one's own") {
  namespace structure = domain::structure;
  structure::problem triangle{
      structure::variables(0, {3, 3, 3, 3}), structure::factor_graph(4), {0, 0, 0, 0}};
  triangle.graph.factor(std::vector<int>{0, 1, 2});
  triangle.graph.join(2, 3);
  auto const lists = triangle.graph.lists();  // who attends to whom, padded to the most neighbours

  CHECK(triangle.graph.directed_pairs() == 8);
  CHECK(lists.width == 4);
}

TEST_CASE("the page of structured problems: a plan") {
  std::vector<float> const state_now{0.5f, -0.5f, 1.0f, 2.0f};
  auto const trajectories =
      denoiser::predicts<prediction::x0>([](auto const&, batch_view<float const> rows, query const&,
                                            batch_view<std::uint8_t const>, batch_view<float> out) {
        for (std::int64_t i = 0; i < rows.size(); ++i) {
          out.data[i] = rows.data[i % 6 < 4 ? i % 6 : i];  // it stays where it is
        }
      });
  // A plan of 8 steps, of a state of 4 numbers and an action of 2 each; the first state is given.
  std::vector<std::uint8_t> first_state(8 * 6, 0);
  std::fill_n(first_state.begin(), 4, std::uint8_t{1});
  std::vector<float> plan(8 * 6, 0.0f);
  std::copy_n(state_now.begin(), 4, plan.begin());
  sampler const planner{process::vp_discrete(schedule::cosine(20)), solver::ddpm{}};
  planner.sample(exec::host{}, denoiser::clamp_clean{trajectories, {first_state.data(), 1, 48}},
                 grid::trailing(planner.process, 20), batch_view<float>{plan.data(), 1, 48});

  for (std::size_t k = 0; k < 4; ++k) CHECK(plan[k] == state_now[k]);
  for (std::size_t k = 6; k < 10; ++k) CHECK(plan[k] == state_now[k - 6]);
}

TEST_CASE("the page of structured problems: attention") {
  namespace structure = domain::structure;
  structure::sudoku const rules(3, 3);
  auto const problem = rules.as_problem();
  denoiser::eigen::structured const attends({64, 4, 5}, problem,
                                            denoiser::eigen::random_weights(1));
  std::printf("%.0f operations along the edges, %.0f along all pairs\n", attends.attention_flops(),
              attends.dense_attention_flops());

  CHECK(attends.attention_flops() == 4.0 * 64 * 5 * 1701);
}
