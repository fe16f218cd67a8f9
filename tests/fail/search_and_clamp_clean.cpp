// expected-error: this search writes the whole start of a run, over what denoiser::clamp_clean
#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/search/best_of_n.hpp>
#include <diffx/search/zero_order.hpp>
#include <diffx/solver/ddim.hpp>

#include <cstdint>
#include <span>

using namespace diffx;

int main() {
#if defined(DIFFX_BAD)
  search::zero_order const search{};
#else
  search::best_of_n const search{};
#endif
  sampler const s{process::vp_discrete{schedule::linear()}, solver::ddim{}, guidance::none{},
                  cache::none{}, search};
  float x[2] = {};
  std::uint8_t const mask[2] = {1, 0};
  denoiser::clamp_clean const network{
      denoiser::predicts<prediction::x0>(
          [](auto const&, auto const&, query const&, auto const&, batch_view<float>) {}),
      {mask, 1, 2}};
  s.sample_best(exec::host{}, network, grid::trailing(s.process, 4), batch_view<float>{x, 1, 2},
                [](batch_view<float const>, std::span<double>) {});
}
