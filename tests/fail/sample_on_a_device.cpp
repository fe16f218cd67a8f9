// expected-error: takes its workspace from the host
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include "../support/compositions.hpp"
#include "../support/elsewhere.hpp"

#if defined(DIFFX_BAD)
using executor = test::elsewhere;
#else
using executor = diffx::exec::host;
#endif

int main() {
  float x = 0;
  diffx::sampler const s{test::vp_process{}, diffx::solver::ddim{}};
  s.sample(executor{}, test::wavy{}, test::lambda_grid(2), diffx::batch_view<float>{&x, 1, 1});
}
