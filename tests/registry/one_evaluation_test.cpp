// What every solver of the registry promises, through the real loop: one evaluation a step, no
// history, no noise.

#include <diffx/solver/dpm_solver_multistep.hpp>
#include <diffx/solver/flow_map.hpp>

#include "groups.hpp"

TEST_CASE("deterministic one-evaluation solvers") {
  test::check_group<test::group::one_evaluation>();
}

TEST_CASE("first-order forms of solvers that are registered with a higher order") {
  using namespace diffx;
  test::check_solver(solver::flow_map{});
  test::check_solver(solver::dpm_solver_multistep<frame::x0, 1>{});
  test::check_solver(solver::dpm_solver_multistep<frame::eps, 1>{});
}
