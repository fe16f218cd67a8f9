// expected-error: points on spheres and their logits are in the state's and the prediction's
#include <diffx/denoiser/computes_in.hpp>
#include <diffx/exec/host.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/prediction/x0_posterior.hpp>
#include <diffx/process/sphere_bridge.hpp>
#include <diffx/sampler.hpp>
#include <diffx/solver/geodesic_bridge.hpp>

using namespace diffx;

struct network {
  prediction::x0_posterior<> prediction{};
  template <class E, class X, class O>
  void operator()(E const&, X, query const&, O) const {}
};

int main() {
#if defined(DIFFX_BAD)
  auto const asked = denoiser::computes_in<double>(network{});
#else
  network const asked;
#endif
  float x[8] = {};
  sampler const s{process::sphere_bridge<>(3), solver::geodesic_bridge{}};
  s.sample(exec::host{}, asked, grid::uniform_t(s.process, 2), batch_view<float>{x, 1, 4});
}
