// expected-error: this solver chooses its steps by the whole sample
#include <diffx/process/columns.hpp>
#include <diffx/process/edm.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/adaptive_rk.hpp>
#include <diffx/solver/heun.hpp>

#include <vector>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = solver::adaptive_dopri54;
#else
  using chosen = solver::heun;
#endif
  process::columns const p(std::vector{process::edm(), process::edm(schedule::edm{0.01, 20.0})});
  sampler const s{p, chosen{}};
  static_cast<void>(s);
}
