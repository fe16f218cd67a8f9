// expected-error: guidance::cfg_pp re-noises with the unguided prediction
#include <diffx/guidance/cfg_pp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/dpmpp_2m.hpp>

#include "../support/levels.hpp"

int main() {
#if defined(DIFFX_BAD)
  using solver = diffx::solver::dpmpp_2m;
#else
  using solver = diffx::solver::ddim;
#endif
  diffx::sampler const s{test::vp_process{}, solver{}, diffx::guidance::cfg_pp{}};
  static_cast<void>(s);
}
