// expected-error: this solver chooses its steps by numbers that it reads back
#include <diffx/exec/host.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/heun.hpp>

#include "../support/compositions.hpp"
#include "../support/levels.hpp"

struct recorder : diffx::exec::host {
  static constexpr bool records = true;
};

int main() {
#if defined(DIFFX_BAD)
  diffx::solver::adaptive_dopri54 const solver{};
#else
  diffx::solver::heun const solver{};
#endif
  float x = 0;
  diffx::sampler const s{test::vp_process{}, solver};
  s.sample(recorder{}, test::wavy{}, test::lambda_grid(2), diffx::batch_view<float>{&x, 1, 1});
}
