// What every solver of the registry promises: deterministic multistep solvers.

#include "groups.hpp"

TEST_CASE("deterministic multistep solvers") {
  CHECK(test::check_group<test::group::history>() > 0);
}
