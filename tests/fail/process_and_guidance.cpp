// expected-error: this guidance clips, rescales or re-noises an x0 estimate
#include <diffx/guidance/cfg.hpp>
#include <diffx/guidance/clip_x0.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = guidance::clip_x0<guidance::none>;
#else
  using chosen = guidance::cfg<>;
#endif
  sampler const s{process::absorbing<>(3), solver::ancestral{}, chosen{}};
  static_cast<void>(s);
}
