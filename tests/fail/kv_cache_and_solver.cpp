// expected-error: a cache of keys and values asks which positions are still to be decoded
#include <diffx/cache/kv.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = solver::ancestral;
#else
  using chosen = solver::decode<>;
#endif
  sampler const s{process::absorbing<>(3), chosen{}, guidance::none{}, cache::kv_dual{}};
  static_cast<void>(s);
}
