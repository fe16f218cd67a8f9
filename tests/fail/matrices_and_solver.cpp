// expected-error: those of matrices
#include <diffx/process/discretised_gaussian.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/euler_ctmc.hpp>

int main() {
#if defined(DIFFX_BAD)
  diffx::solver::euler_ctmc const solver{};
#else
  diffx::solver::ancestral const solver{};
#endif
  diffx::sampler const s{diffx::process::discretised_gaussian(3, {0.1}), solver};
  static_cast<void>(s);
}
