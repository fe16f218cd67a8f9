// expected-error: this cache stores and extrapolates predictions of numbers
#include <diffx/cache/every_n.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = cache::every_n<2>;
#else
  using chosen = cache::none;
#endif
  sampler const s{process::uniform<>(3), solver::ancestral{}, guidance::none{}, chosen{}};
  static_cast<void>(s);
}
