// expected-error: process::columns takes solvers that draw every position by itself
#include <diffx/process/absorbing.hpp>
#include <diffx/process/columns.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>

#include <vector>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = solver::decode<>;
#else
  using chosen = solver::ancestral;
#endif
  process::columns const p(std::vector{process::absorbing<>(2), process::absorbing<>(3)});
  sampler const s{p, chosen{}};
  static_cast<void>(s);
}
