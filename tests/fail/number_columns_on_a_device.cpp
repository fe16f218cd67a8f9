// expected-error: the coefficients of process::columns are in host memory
#include <diffx/grid/time.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/elsewhere.hpp"
#include <vector>

#if defined(DIFFX_BAD)
using executor = test::elsewhere;
#else
using executor = test::apart;
#endif

int main() {
  float x = 0;
  executor const exec;
  test::wavy const network;
  diffx::sampler const s{diffx::process::columns(std::vector<diffx::process::vp<>>(1)),
                         diffx::solver::ddim{}};
  diffx::batch_view<float> const view{&x, 1, 1};
  diffx::detail::workspace const memory(s.workspace_size(exec, network, view));
  auto const grid = diffx::grid::uniform_t(s.process, 2);
  s.start(exec, network, grid, view, memory.span()).finish();
}
