#pragma once

#include <diffx/process/edm.hpp>
#include <diffx/process/rectified_flow.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/registry.hpp>

#include "../support/expect.hpp"
#include "../support/solver_checks.hpp"
#include <string>

namespace test {

/// Every solver of the registry belongs to exactly one group; each group has a file of its own.
enum class group { one_evaluation, history, evaluations, noise, noise_and_history };

template <class S>
constexpr group group_of() {
  if (S::max_evals > 1 || is_dynamic<S>) return group::evaluations;
  if (S::noises > 0) return S::history > 0 ? group::noise_and_history : group::noise;
  return S::history > 0 ? group::history : group::one_evaluation;
}

/// One solver, as it comes or with other parameters, on every path it runs on.
template <class Solver>
void check_solver(Solver const& solver) {
  int paths = 0;
  auto const on = [&](auto const& process) {
    using Process = std::remove_cvref_t<decltype(process)>;
    if constexpr (runs_on(Solver::name, Process::name)) {
      ++paths;
      expect_nothing(all_checks(process, solver),
                     std::string(Solver::name) + " on " + std::string(Process::name));
    }
  };
  on(diffx::process::vp<>{{}, 999.0});
  on(diffx::process::rectified_flow{});
  on(diffx::process::edm{});
  CHECK(paths >= 1);
  if constexpr (is_dynamic<Solver>) {
    MESSAGE(Solver::name,
            " chooses its steps from the state: no plan, so neither allocations nor chain laws");
  }
}

/// Checks the members of a group and returns how many there are.
template <group G>
int check_group() {
  int members = 0;
  diffx::for_each_type(diffx::registry::solvers{}, [&]<class S>() {
    if constexpr (group_of<S>() == G) {
      ++members;
      check_solver(S{});
    }
  });
  return members;
}

}  // namespace test
