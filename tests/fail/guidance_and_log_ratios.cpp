// expected-error: one of the two takes branch 1 for a null condition
#include <diffx/denoiser/classified.hpp>
#include <diffx/denoiser/joint_table.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/guidance/d_cbg.hpp>
#include <diffx/guidance/d_cfg.hpp>
#include <diffx/process/uniform.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>

#include <algorithm>
#include <cstdint>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = guidance::d_cfg<>;
#else
  using chosen = guidance::d_cbg<>;
#endif
  sampler const s{process::uniform<>(3), solver::ancestral{}, chosen{2.0}};
  denoiser::classified const d{
      denoiser::joint_table(s.process, 3, 1, {0.2, 0.3, 0.5}),
      denoiser::gradient_ratios{s.process, [](auto const&, auto, auto const&, auto g) {
                                  std::fill_n(g.data, g.size(), 0.0f);
                                }}};
  std::int32_t x[4];
  s.sample(exec::host{}, d, grid::uniform_t(s.process, 2), batch_view<std::int32_t>{x, 4, 1});
}
