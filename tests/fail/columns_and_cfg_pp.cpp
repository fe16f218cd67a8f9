// expected-error: need one noise level for a whole sample
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/cfg_pp.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

#include <vector>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  guidance::cfg_pp const chosen;
#else
  guidance::cfg<> const chosen;
#endif
  process::columns const p(
      std::vector{process::vp<>(), process::vp<>(schedule::vp_linear{.beta_max = 12.0})});
  sampler const s{p, solver::ddim{}, chosen};
  static_cast<void>(s);
}
