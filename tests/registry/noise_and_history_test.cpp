// What every solver of the registry promises: stochastic multistep solvers.

#include "groups.hpp"

TEST_CASE("stochastic multistep solvers") {
  CHECK(test::check_group<test::group::noise_and_history>() > 0);
}
