// expected-error: this cache keeps keys and values, and the denoiser offers no store
#include <diffx/cache/kv.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/decode.hpp>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = cache::kv_prefix;
#else
  using chosen = cache::none;
#endif
  process::absorbing<> const process(2);
  sampler const s{process, solver::decode<>{}, guidance::none{}, chosen{}};
  denoiser::joint_table const network(process, 2, 1, {0.5, 0.5});
  std::int32_t x[1];
  s.sample(exec::host{}, network, grid::uniform_t(process, 2), batch_view<std::int32_t>{x, 1, 1});
}
