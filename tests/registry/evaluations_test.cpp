// What every solver of the registry promises: solvers with several evaluations a step.

#include "groups.hpp"

TEST_CASE("solvers with several evaluations a step") {
  CHECK(test::check_group<test::group::evaluations>() > 0);
}
