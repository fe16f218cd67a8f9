// expected-error: gives values and takes them away
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/absorbing.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/ancestral.hpp>
#include <diffx/solver/decode.hpp>
#include <diffx/solver/repaint.hpp>

#include <cstdint>
#include <vector>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  using chosen = solver::decode<>;
#else
  using chosen = solver::ancestral;
#endif
  sampler const s{process::absorbing<>(2), chosen{}};
  auto const network = denoiser::predicts<prediction::x0_posterior<float>>(
      [](auto const&, auto const&, query const&, batch_view<float> out) {
        for (std::int64_t i = 0; i < out.size(); ++i) out.data[i] = 0.0F;
      });
  std::vector<std::int32_t> x(4), given(4);
  std::vector<unsigned char> mask(4, 1);
  batch_view<std::int32_t> const view{x.data(), 2, 2};
  exec::host const exec;
  auto const g = grid::uniform_t(s.process, 4);
  detail::workspace const memory(s.workspace_size(exec, network, view));
  auto run = s.start(exec, network, g, view, memory.span());
  solver::repaint{}.finish(run, solver::known_region<std::int32_t>{given.data(), mask.data()});
}
