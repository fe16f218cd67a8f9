// The same promises for solvers that have no entry of their own in the registry: samplers of
// few-step networks, discretisations of the reverse SDE, and forms of registered solvers.

#include <diffx/solver/consistency.hpp>
#include <diffx/solver/dpm_solver_blocks.hpp>
#include <diffx/solver/euler_maruyama.hpp>
#include <diffx/solver/flow_lcm.hpp>
#include <diffx/solver/lcm.hpp>
#include <diffx/solver/pndm.hpp>
#include <diffx/solver/reverse_diffusion.hpp>
#include <diffx/solver/scm.hpp>
#include <diffx/solver/stochastic_flow.hpp>
#include <diffx/solver/tcd.hpp>

#include "groups.hpp"

using namespace diffx;

TEST_CASE("samplers of few-step networks") {
  test::check_solver(solver::consistency{});
  test::check_solver(solver::flow_lcm{});
  test::check_solver(solver::lcm{});
  test::check_solver(solver::scm{});
  test::check_solver(solver::tcd{});
}

TEST_CASE("discretised reverse equations") {
  test::check_solver(solver::euler_maruyama{});
  test::check_solver(solver::reverse_diffusion{});
  test::check_solver(solver::stochastic_flow<>{});
}

TEST_CASE("other forms of registered solvers") {
  test::check_solver(solver::plms{});
  test::check_solver(solver::dpm_solver_blocks<frame::x0, 3, true>{});
}
