// What every solver of the registry promises: stochastic solvers without history. This file also
// counts the program's allocations.

#include "../support/allocations.hpp"
#include "groups.hpp"

TEST_CASE("stochastic solvers without history") {
  CHECK(test::check_group<test::group::noise>() > 0);
}

TEST_CASE("DDIM between the flow and the ancestral step") {
  test::check_solver(diffx::solver::ddim{.eta = 0.5});
  test::check_solver(diffx::solver::ddim{.eta = 1.0});
}
