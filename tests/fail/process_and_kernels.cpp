// expected-error: act on the reverse kernels of classes
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/process/vp.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ddim.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = guidance::d_cfg<>;
#else
  using chosen = guidance::cfg<>;
#endif
  sampler const s{process::vp<>{}, solver::ddim{}, chosen{}};
  static_cast<void>(s);
}
