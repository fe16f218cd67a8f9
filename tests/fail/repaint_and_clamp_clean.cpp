// expected-error: solver::repaint gives the known part the noise of every level
#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/repaint.hpp>

#include <cstdint>

using namespace diffx;

int main() {
  sampler const s{process::vp_discrete{schedule::linear()}, solver::ddim{}};
  float x[2] = {}, image[2] = {};
  unsigned char const mask[2] = {1, 0};
#if defined(DIFFX_BAD)
  denoiser::clamp_clean const network{
      denoiser::predicts<prediction::x0>(
          [](auto const&, auto const&, query const&, auto const&, batch_view<float>) {}),
      {mask, 1, 2}};
#else
  auto const network = denoiser::predicts<prediction::x0>(
      [](auto const&, auto const&, query const&, batch_view<float>) {});
#endif
  exec::host const exec;
  batch_view<float> const view{x, 1, 2};
  auto const grid = grid::trailing(s.process, 4);
  detail::workspace const memory(s.workspace_size(exec, network, view));
  auto run = s.start(exec, network, grid, view, memory.span());
  solver::repaint{1, 1}.finish(run, solver::known_region<float>{image, mask});
}
