// expected-error: this solver does not give \(member gives_kernels\)
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

/// A solver that draws from logits and has no kernel to show.
struct logits_alone : solver::ancestral {
  static constexpr bool gives_kernels = false;
};

int main() {
#if defined(DIFFX_BAD)
  using solver = logits_alone;
#else
  using solver = solver::ancestral;
#endif
  sampler const s{process::uniform<>(3), solver{}, guidance::d_cfg{2.0}};
  static_cast<void>(s);
}
