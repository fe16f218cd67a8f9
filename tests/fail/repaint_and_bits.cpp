// expected-error: solver::repaint takes solver::known_bits for a block of packed bits
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/xor_packed.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/repaint.hpp>

#include <cstdint>

using namespace diffx;

int main() {
  sampler const s{process::xor_packed(schedule::flip_quadratic(4, 0.02), 32), solver::ancestral{}};
  auto const network = denoiser::predicts<prediction::x0_posterior<>>(
      [](auto const&, auto const&, query const&, batch_view<float>) {});
  std::uint32_t x = 0, image = 0;
#if defined(DIFFX_BAD)
  unsigned char const mask[32] = {};
  solver::known_region<std::uint32_t> const known{&image, mask};
#else
  std::uint32_t const mask[1] = {};
  solver::known_bits const known{&image, mask};
#endif
  exec::host const exec;
  batch_view<std::uint32_t> const view{&x, 1, 1};
  auto const grid = grid::uniform_t(s.process, 4);
  detail::workspace const memory(s.workspace_size(exec, network, view));
  auto run = s.start(exec, network, grid, view, memory.span());
  solver::repaint{1, 1}.finish(run, known);
}
