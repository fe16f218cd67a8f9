// expected-error: run::checkpoint reads the state back, which this execution object does not do
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/elsewhere.hpp"

#if defined(DIFFX_BAD)
using executor = test::elsewhere;
#else
using executor = test::apart;
#endif

int main() {
  float x = 0;
  executor const exec;
  test::wavy const network;
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}};
  diffx::batch_view<float> const view{&x, 1, 1};
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view));
  auto const grid = test::lambda_grid(2);
  auto run = s.start(exec, network, grid, view, memory.span());
  return run.checkpoint().empty() ? 1 : 0;
}
