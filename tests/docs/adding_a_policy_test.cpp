// The solver of docs/adding_a_policy.md.

#include <diffx/process/vp.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include <doctest/doctest.h>

using namespace diffx;

namespace {

struct my_euler {
  using kind = solver_tag;
  static constexpr std::string_view name = "solver::my_euler";
  static constexpr std::string_view source = "";
  static constexpr diffx::frame frame = diffx::frame::x0;
  static constexpr int order = 1, max_evals = 1, history = 0, states = 1, noises = 0;

  template <class Process>
  void plan(plan_context<Process> const& c, diffx::plan& out) const {
    stage& s = out.evaluate(c.from(), c.to());
    double const r = c.to().sigma / c.from().sigma;
    s.state[0] = r;
    s.output = c.to().alpha - r * c.from().alpha;
  }
};
static_assert(solver_policy<my_euler>);

template <class Solver>
std::vector<double> sample(Solver const& solver) {
  std::vector<double> x(12);
  sampler{process::vp<>{}, solver}.sample(exec::host{}, test::wavy{}, test::lambda_grid(9, true),
                                          batch_view<double>{x.data(), 3, 4});
  return x;
}

}  // namespace

TEST_CASE("the solver of the page is the deterministic step of DDIM") {
  auto const mine = sample(my_euler{}), ddim = sample(solver::ddim{});
  for (std::size_t i = 0; i < mine.size(); ++i) CHECK(mine[i] == doctest::Approx(ddim[i]));
}
