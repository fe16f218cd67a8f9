// expected-error: this solver does not work on the values of this process
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/ddim.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  sampler const s{process::absorbing<>(3), solver::ddim{}};
#else
  sampler const s{process::absorbing<>(3), solver::ancestral{}};
#endif
  static_cast<void>(s);
}
