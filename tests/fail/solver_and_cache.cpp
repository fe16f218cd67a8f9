// expected-error: multi-evaluation solver degrades to an Euler step
#include <diffx/cache/every_n.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/levels.hpp"

int main() {
#if defined(DIFFX_BAD)
  using solver = diffx::solver::heun;
#else
  using solver = diffx::solver::ddim;
#endif
  diffx::sampler const s{test::vp_process{}, solver{}, diffx::guidance::none{},
                         diffx::cache::every_n<3>{}};
  static_cast<void>(s);
}
