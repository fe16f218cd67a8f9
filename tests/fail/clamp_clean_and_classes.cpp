// expected-error: denoiser::clamp_clean keeps a part of one block of numbers
#include <diffx/denoiser/clamp_clean.hpp>
#include <diffx/denoiser/predicts.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/index.hpp>
#include <diffx/prediction/product.hpp>
#include <diffx/prediction/x0.hpp>
#include <diffx/process/product.hpp>
#include <diffx/process/vp_discrete.hpp>
#include <diffx/sampler.hpp>
#include <diffx/schedule/linear.hpp>
#include <diffx/solver/ddim.hpp>
#include <diffx/solver/product.hpp>

#include <cstdint>
#include <tuple>

using namespace diffx;

/// Says of what it is shown nothing, and that a part of it is observed.
template <class Prediction>
struct observing {
  static constexpr bool observes_clean = true;
  Prediction prediction{};
  batch_view<std::uint8_t const> observed{};
  template <class X, class Y>
  void operator()(exec::host const&, X const&, query const&, Y const&) const {}
};

int main() {
  process::vp_discrete const chain{schedule::linear()};
  float x[2] = {};
  std::uint8_t const mask[2] = {1, 0};
  batch_view<float> const view{x, 1, 2};
#if defined(DIFFX_BAD)
  sampler const s{process::product{std::tuple{chain, chain}},
                  solver::product{std::tuple{solver::ddim{}, solver::ddim{}}}};
  observing<prediction::product<prediction::x0, prediction::x0>> const network{{}, {mask, 1, 2}};
  s.sample(exec::host{}, network, grid::trailing(chain, 4), std::tuple{view, view});
#else
  sampler const s{chain, solver::ddim{}};
  observing<prediction::x0> const network{{}, {mask, 1, 2}};
  s.sample(exec::host{}, network, grid::trailing(chain, 4), view);
#endif
}
