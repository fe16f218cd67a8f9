// expected-error: run::fork copies the state where it lies, which this execution object
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
  float x = 0, y = 0;
  executor const exec;
  test::wavy const network;
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}};
  diffx::batch_view<float> const view{&x, 1, 1}, copy{&y, 1, 1};
  diffx::detail::workspace const first(s.workspace_size(exec, network, view));
  diffx::detail::workspace const second(s.workspace_size(exec, network, copy));
  auto const grid = test::lambda_grid(2);
  auto run = s.start(exec, network, grid, view, first.span());
  auto other = run.fork(1, std::tuple{copy}, second.span());
  other.finish();
}
