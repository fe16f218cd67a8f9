#include <diffx/exec/host.hpp>
#include <diffx/grid/ardm.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/random.hpp>

#include "support/message.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace {

using namespace diffx;
using losses = std::vector<double>;

/// Every policy of `budget` calls, and the least cost and the policies that have it.
struct brute_force {
  double cost = HUGE_VAL;
  std::vector<std::vector<int>> best;

  brute_force(losses const& l, int budget) {
    auto const positions = static_cast<int>(l.size());
    for (std::uint32_t set = 0; set < 1u << (positions - 1); ++set) {
      std::vector<int> starts{0};
      for (int t = 1; t < positions; ++t) {
        if ((set >> (t - 1) & 1u) != 0) starts.push_back(t);
      }
      if (static_cast<int>(starts.size()) != budget) continue;
      double sum = 0.0;
      for (std::size_t i = 0; i < starts.size(); ++i) {
        int const end = i + 1 < starts.size() ? starts[i + 1] : positions;
        sum += (end - starts[i]) * l[static_cast<std::size_t>(starts[i])];
      }
      if (sum < cost) {
        cost = sum;
        best.clear();
      }
      if (sum == cost) best.push_back(starts);
    }
  }
};

/// Small multiples of 1/4: their sums are exact, so ties are ties.
losses exact_losses(std::uint64_t seed, int positions) {
  losses out;
  for (int t = 0; t < positions; ++t) {
    auto const w = diffx::random::philox4x32({{static_cast<std::uint32_t>(t), 0, 0, 0}},
                                             diffx::random::key_from_seed(seed));
    out.push_back(static_cast<double>(w.word[0] % 12) * 0.25);
  }
  return out;
}

TEST_CASE("ardm_dp finds the least cost of all policies, and of equal ones the smaller starts") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (int positions = 1; positions <= 10; ++positions) {
      losses const l = exact_losses(seed, positions);
      losses sorted = l;
      std::sort(sorted.rbegin(), sorted.rend());
      auto const costs = grid::ardm_costs(l, positions, grid::ardm_losses::exact);
      REQUIRE(costs.size() == l.size());
      for (int budget = 1; budget <= positions; ++budget) {
        for (bool const exact : {true, false}) {
          losses const& used = exact ? l : sorted;
          brute_force const want(used, budget);
          auto const got = grid::ardm_dp(
              l, budget, exact ? grid::ardm_losses::exact : grid::ardm_losses::sampled);
          CHECK(got.cost == want.cost);
          CHECK(got.policy.positions() == positions);
          CHECK(got.policy.calls() == budget);
          CHECK(grid::ardm_cost(used, got.policy) == want.cost);
          // The smallest last start, then the smallest start before it, and so on.
          auto smallest = want.best.front();
          for (auto const& other : want.best) {
            for (std::size_t i = other.size(); i-- > 0;) {
              if (other[i] == smallest[i]) continue;
              if (other[i] < smallest[i]) smallest = other;
              break;
            }
          }
          CHECK(got.policy.starts() == smallest);
        }
        CHECK(costs[static_cast<std::size_t>(budget) - 1] ==
              grid::ardm_dp(l, budget, grid::ardm_losses::exact).cost);
      }
      auto const falling = grid::ardm_costs(l, positions);
      double sum = 0.0;
      for (double const x : l) sum += x;
      CHECK(falling.front() == positions * sorted[0]);
      CHECK(falling.back() == sum);
      for (std::size_t k = 1; k < falling.size(); ++k) CHECK(falling[k] <= falling[k - 1]);
    }
  }
}

TEST_CASE("ardm_dp takes budgets of hundreds of positions") {
  losses l;
  for (int t = 0; t < 600; ++t) l.push_back(5.0 / (1.0 + 0.05 * t));
  auto const costs = grid::ardm_costs(l, 50);
  auto const got = grid::ardm_dp(l, 50);
  CHECK(got.cost == costs.back());
  CHECK(got.cost < grid::ardm_cost(l, grid::ardm_naive(600, 50)));
  CHECK(grid::ardm_cost(l, got.policy) == doctest::Approx(got.cost).epsilon(1e-13));
}

TEST_CASE("ardm_naive rounds half to even and always gives every call something") {
  CHECK(grid::ardm_naive(10, 4).starts() == std::vector<int>{0, 2, 5, 8});
  CHECK(grid::ardm_naive(10, 3).counts() == std::vector<int>{3, 4, 3});
  CHECK(grid::ardm_naive(2147483647, 2).begin(1) == 1073741824);
  for (int positions = 1; positions <= 60; ++positions) {
    for (int budget = 1; budget <= positions; ++budget) {
      auto const p = grid::ardm_naive(positions, budget);
      CHECK(p.calls() == budget);
      int sum = 0;
      for (int const c : p.counts()) {
        CHECK(std::abs(c - static_cast<double>(positions) / budget) <= 1.0);
        sum += c;
      }
      CHECK(sum == positions);
    }
  }
}

TEST_CASE("a policy is a timetable: one step a call, at the share that is known before it") {
  process::absorbing<> const p(5);
  auto const grid = grid::ardm(p, grid::ardm_policy(8, {0, 1, 3, 7}));
  REQUIRE(grid.steps() == 4);
  double const known[] = {0.0, 1.0 / 8, 3.0 / 8, 7.0 / 8, 1.0};
  for (int i = 0; i <= 4; ++i) CHECK(grid[i].alpha == doctest::Approx(known[i]).epsilon(1e-15));
  CHECK(grid[0].alpha == 0.0);
  CHECK(grid[4].sigma == 0.0);
  // A schedule that keeps a tenth at t = 1 has no level for one position of twenty.
  process::absorbing<> const keeps(5, 5, schedule::log_linear{0.1});
  CHECK(grid::known_level(keeps, 1, 20).t == 1.0);
  CHECK(grid::known_level(keeps, 4, 20).alpha == doctest::Approx(0.2));
  CHECK_THROWS_WITH_AS(grid::ardm(keeps, grid::ardm_naive(20, 20)),
                       doctest::Contains("diffx::grid::ardm: number of steps = 20"), error);
}

TEST_CASE("policies and losses: what is wrong is named with its index") {
  auto const policy = [](int positions, std::vector<int> starts) {
    return test::message_of([&] { grid::ardm_policy(positions, starts); });
  };
  std::string const where = "diffx::grid::ardm_policy";
  CHECK(test::says(policy(0, {0}), where, "positions", "0", "at least 1"));
  CHECK(test::says(policy(4, {}), where, "starts.size()", "0", "at least 1"));
  CHECK(test::says(policy(4, {1, 2}), where, "starts[0]", "1", "0"));
  CHECK(test::says(policy(4, {0, 2, 2}), where, "starts[2]", "2", "above the start before it, 2"));
  CHECK(test::says(policy(4, {0, 3, 1}), where, "starts[2]", "1", "above the start before it, 3"));
  CHECK(test::says(policy(4, {0, 4}), where, "starts[1]", "4", "below the number of positions, 4"));
  auto const naive = [](int p, int b) { return test::message_of([&] { grid::ardm_naive(p, b); }); };
  CHECK(test::says(naive(0, 1), "diffx::grid::ardm_naive", "positions", "0", "at least 1"));
  CHECK(test::says(naive(3, 0), "diffx::grid::ardm_naive", "budget", "0", "in [1, 3]"));
  CHECK(test::says(naive(3, 4), "diffx::grid::ardm_naive", "budget", "4", "in [1, 3]"));
  auto const dp = [](losses const& l, int budget) {
    return test::message_of([&] { grid::ardm_dp(l, budget); });
  };
  std::string const plan = "diffx::grid::ardm_dp";
  CHECK(test::says(dp({}, 1), plan, "losses.size()", "0", "at least 1"));
  CHECK(test::says(dp({1, -1}, 1), plan, "losses[1]", "-1", "finite and at least 0"));
  CHECK(test::says(dp({1, 2, NAN}, 1), plan, "losses[2]", "nan", "finite and at least 0"));
  CHECK(test::says(dp({HUGE_VAL}, 1), plan, "losses[0]", "inf", "finite and at least 0"));
  CHECK(test::says(dp({1, 1}, 0), plan, "budget", "0", "in [1, 2]"));
  CHECK(test::says(dp({1, 1}, 3), plan, "budget", "3", "in [1, 2]"));
  CHECK(test::says(test::message_of([] {
                     grid::ardm_costs(losses{1, 1}, 3);
                   }),
                   "diffx::grid::ardm_costs", "budget", "3", "in [1, 2]"));
  CHECK(test::says(test::message_of([] {
                     grid::ardm_cost(losses{1, 1}, grid::ardm_policy(3, {0}));
                   }),
                   "diffx::grid::ardm_cost", "losses.size()", "2", "the policy's positions, 3"));
}

}  // namespace
